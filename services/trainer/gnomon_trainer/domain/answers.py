"""What people and an evaluator say of the same rows, and every measure of it. Pure, with NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnomon.bundle import Evaluator
from gnomon.instances import OutputType
from gnomon_trainer.domain import measures
from gnomon_trainer.domain.measures import Bools, Confusion, Draws, Floats, Ints
from gnomon_trainer.domain.training import MetricDefinition


@dataclass(frozen=True, slots=True)
class Flags:
    """Which rows an evaluator flags, and which people gave a flagged class, shape (rows,) each."""

    flagged: Bools
    positive: Bools

    def confusion(self, draws: Draws) -> Confusion:
        """Count the positive and the flagged rows of every resample, as two classes."""
        return measures.confusion(self.positive.astype(np.int64), self.flagged.astype(np.int64), 2, draws)


def flags(metric: Evaluator | MetricDefinition, truth: Ints, flagged: Sequence[bool]) -> Flags | None:
    """Return the flags of a metric whose label does not follow them; None where it does or there are none."""
    if metric.output_type is OutputType.BOOLEAN or not metric.flagged_classes:
        return None
    findings = [metric.classes.index(label) for label in metric.flagged_classes]
    return Flags(np.array(flagged, dtype=np.bool_), np.isin(truth, findings))


@dataclass(frozen=True, slots=True)
class Answers:
    """`truth` and `predicted` are class indices, shape (rows,); `probabilities` have shape (rows, classes).

    `positive` is the index of `true` for a boolean metric, None for another;
    `flags` are as by the function of that name.
    """

    classes: Sequence[str]
    truth: Ints
    predicted: Ints
    probabilities: Floats
    positive: int | None = None
    flags: Flags | None = None

    @property
    def right(self) -> Bools:
        """Whether each row has the label that people gave it."""
        found: Bools = self.predicted == self.truth
        return found

    @property
    def true_probability(self) -> Floats:
        """The probability that each row's true class got."""
        found: Floats = self.probabilities[np.arange(len(self.truth)), self.truth]
        return found

    @property
    def checked(self) -> tuple[Floats, Bools]:
        """Each row's probability that calibration is checked on, and whether it came true.

        It is that of `true` for a boolean metric, and of the most probable
        class otherwise.
        """
        if self.positive is not None:
            return self.probabilities[:, self.positive], self.truth == self.positive
        return self.probabilities.max(axis=1), self.probabilities.argmax(axis=1) == self.truth

    @property
    def squares(self) -> Floats:
        """Each row's part of the Brier score."""
        found: Floats
        if self.positive is not None:
            found = (self.probabilities[:, self.positive] - (self.truth == self.positive)) ** 2
        else:
            found = ((self.probabilities - np.eye(len(self.classes))[self.truth]) ** 2).sum(axis=1)
        return found


def positive_class(evaluator: Evaluator) -> int | None:
    """Return the index of `true` for a boolean metric."""
    return evaluator.classes.index("true") if evaluator.output_type is OutputType.BOOLEAN else None


@dataclass(frozen=True, slots=True)
class Resampled:
    """What the measures are computed from, one value a resample; the first is of the rows themselves."""

    confusion: Confusion
    rankings: Sequence[tuple[Floats, Floats]]  # AUROC and average precision of each class
    overall: dict[str, Floats]


def resampled(answers: Answers, draws: Draws) -> Resampled:
    """Measure all resamples.

    `overall` holds accuracy, macro-F1, AUROC, average precision, ECE and Brier;
    where the label does not follow the flag, also the `flag_shares`.
    """
    size = len(answers.classes)
    found = measures.confusion(answers.truth, answers.predicted, size, draws)
    rankings = [measures.ranking(answers.probabilities[:, c], answers.truth == c, draws) for c in range(size)]
    if answers.positive is not None:
        auroc, average_precision = rankings[answers.positive]
    else:
        auroc, average_precision = (
            _mean_of_defined(np.stack(parts)) for parts in zip(*rankings, strict=True)
        )
    overall = shares(found) | {
        "auroc": auroc,
        "average_precision": average_precision,
        "ece": measures.expected_calibration_error(*answers.checked, draws),
        "brier": measures.mean(answers.squares, draws),
        **(flag_shares(answers.flags.confusion(draws)) if answers.flags else {}),
    }
    return Resampled(found, rankings, overall)


def shares(found: Confusion) -> dict[str, Floats]:
    """Return accuracy and macro-F1 of every resample."""
    right, rows = found.right.sum(axis=1), found.rows
    accuracy = np.divide(right, rows, out=np.full_like(right, np.nan), where=rows > 0)
    return {"accuracy": accuracy, "macro_f1": measures.macro_f1(found)}


def flag_shares(found: Confusion) -> dict[str, Floats]:
    """Return precision, recall and false-positive rate of what is flagged, of `Flags.confusion`.

    NaN where no row has a flagged class, and the last where every row has one.
    As of a class that is never predicted, the precision of no flag is 0.
    """
    rates = measures.class_rates(found)
    positive, negatives = found.true[:, 1] > 0, found.true[:, 0]
    flagged_negatives = negatives - found.right[:, 0]
    undefined = np.full(len(negatives), np.nan)
    return {
        "flagged_precision": np.where(positive, rates.precision[:, 1], np.nan),
        "flagged_recall": np.where(positive, rates.recall[:, 1], np.nan),
        "flagged_false_positive_rate": np.divide(
            flagged_negatives, negatives, out=undefined, where=negatives > 0
        ),
    }


def _mean_of_defined(values: Floats) -> Floats:
    """Return the mean over the classes, shape (resamples,); NaN where no class has a value."""
    defined = np.isfinite(values)
    count = defined.sum(axis=0)
    result: Floats = np.where(defined, values, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)
    return result
