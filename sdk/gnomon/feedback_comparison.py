"""A version that learned from feedback beside the one before it: better, even or worse? Pure.

Differences are the new one's value less the old one's. One whose 95 % interval
holds 0 may be chance, and counts as even.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer

_Z = 1.959964  # of a 95 % interval
# Told where they are clearly worse although macro-F1 is not. Labels do not show what is flagged.
_SHOWN_BESIDE = ("accuracy", "auroc", "flagged_precision", "flagged_recall", "flagged_false_positive_rate")
_LOWER_IS_BETTER = {"flagged_false_positive_rate"}


class Verdict(StrEnum):
    BETTER = "better"
    EVEN = "even"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class Change:
    """A measure of both versions, and its difference with a 95 % interval."""

    old: float
    new: float
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        if self.low > 0:
            return Verdict.BETTER
        return Verdict.WORSE if self.high < 0 else Verdict.EVEN

    def __str__(self) -> str:
        return (
            f"{self.old:.3f} → {self.new:.3f}, {self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f})"
        )


@dataclass(frozen=True, slots=True)
class HeldOutRow:
    """A row of feedback that neither version learned from. `score_label` is empty if nobody told it."""

    label: str
    score_label: str
    old_label: str
    new_label: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two versions say what people say, row by row."""

    rows: int
    old_right: int
    new_right: int
    fixed: int
    broken: int
    accuracy: Change


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """How many of the test rows of a class each version took for another one."""

    true_label: str
    label: str
    rows: int
    old: int
    new: int
    mcnemar_p: float


@dataclass(frozen=True, slots=True)
class FeedbackComparison:
    """What a retraining brought, on the test set and on the feedback that was held out."""

    old_version: str
    new_version: str
    old_run: str
    new_run: str
    test_set: str
    test_rows: int
    test: Change
    test_worse: tuple[tuple[str, Change], ...]
    feedback: Agreement | None
    corrected: Agreement | None
    confirmed: Agreement | None
    error_kinds: tuple[ErrorKind, ...]
    added_rows: int
    relabelled_rows: int

    @property
    def verdict(self) -> Verdict:
        found = {self.test.verdict, self.feedback.accuracy.verdict if self.feedback else Verdict.EVEN}
        if Verdict.WORSE in found:
            return Verdict.WORSE
        return Verdict.BETTER if Verdict.BETTER in found else Verdict.EVEN

    @property
    def may_be_promoted(self) -> bool:
        """Whether it is not worse on the test set and better on the feedback, each by its interval."""
        if self.feedback is None:
            return False
        return self.test.verdict is not Verdict.WORSE and self.feedback.accuracy.verdict is Verdict.BETTER

    def sentences(self) -> list[str]:
        """Say it in plain words, with the figures."""
        learned = f"It learned {self.added_rows} rows more, and {self.relabelled_rows} with another label."
        return [
            f"{self.new_version} is {self.verdict} than {self.old_version}."
            if self.verdict is not Verdict.EVEN
            else f"{self.new_version} and {self.old_version} are even: no difference is beyond chance.",
            learned,
            f"On the test set ({self.test_set}, {self.test_rows} rows): {self.test.verdict}. Macro-F1 "
            f"{self.test}.",
            *(
                f"But {key} clearly {'rose' if change.difference > 0 else 'fell'}: {change}."
                for key, change in self.test_worse
            ),
            *self._of_feedback(),
        ]

    def _of_feedback(self) -> list[str]:
        if self.feedback is None:
            return ["No feedback was held out, so nothing says whether the corrections were learned."]
        found = self.feedback
        said = [
            f"On {found.rows} rows of feedback that neither learned from: {found.accuracy.verdict}. Right "
            f"{found.accuracy}; {found.fixed} were put right, {found.broken} went wrong."
        ]
        if self.corrected:
            right = self.corrected.new_right
            said.append(f"Of {self.corrected.rows} that people corrected, {right} are right.")
        if self.confirmed:
            wrong = self.confirmed.rows - self.confirmed.new_right
            said.append(f"Of {self.confirmed.rows} that people confirmed, {wrong} are wrong.")
        elif self.corrected and self.corrected.rows == found.rows:
            said.append(
                "All of them were chosen because a version got them wrong, so any other one gets some right: "
                "record confirmed scores as well to see what it costs."
            )
        return said


def compare(
    run: pb.Run, found: trainer.CompareRunsResponse, rows: Sequence[HeldOutRow]
) -> FeedbackComparison:
    """Put together what is known of two versions.

    Args:
        run: the new one's, which learned from feedback.
        found: its comparison with the old one's, the new one first.
        rows: what both say of the feedback that was held out.
    """
    changes = {pair.key: _change(pair) for pair in found.measures}
    corrected = [row for row in rows if row.score_label and row.score_label != row.label]
    confirmed = [row for row in rows if row.score_label == row.label]
    return FeedbackComparison(
        old_version=run.feedback_origin.metric_version,
        new_version=run.metric_version,
        old_run=found.second_run,
        new_run=found.first_run,
        test_set=found.test_set,
        test_rows=found.comparison.rows,
        test=changes["macro_f1"],
        test_worse=tuple(
            (key, changes[key]) for key in _SHOWN_BESIDE if key in changes and _is_worse(key, changes[key])
        ),
        feedback=agreement(rows),
        corrected=agreement(corrected),
        confirmed=agreement(confirmed),
        error_kinds=tuple(
            ErrorKind(kind.true_label, kind.label, kind.rows, kind.second, kind.first, kind.mcnemar_p)
            for kind in found.error_kinds
        ),
        added_rows=run.feedback_origin.added_rows,
        relabelled_rows=run.feedback_origin.relabelled_rows,
    )


def _change(pair: trainer.MeasurePair) -> Change:
    found = pair.difference
    return Change(pair.second, pair.first, found.value, found.low, found.high)


def _is_worse(key: str, change: Change) -> bool:
    return change.verdict is (Verdict.BETTER if key in _LOWER_IS_BETTER else Verdict.WORSE)


def agreement(rows: Iterable[HeldOutRow]) -> Agreement | None:
    """Count how often both say what people say; None without rows."""
    pairs = [(row.old_label == row.label, row.new_label == row.label) for row in rows]
    if not pairs:
        return None
    fixed, broken = pairs.count((False, True)), pairs.count((True, False))
    both = pairs.count((True, True))
    return Agreement(
        rows=len(pairs),
        old_right=both + broken,
        new_right=both + fixed,
        fixed=fixed,
        broken=broken,
        accuracy=paired_change(both, fixed, broken, len(pairs) - both - fixed - broken),
    )


def paired_change(both: int, only_new: int, only_old: int, neither: int) -> Change:
    """Return the difference of two shares on the same rows, with its 95 % interval.

    Newcombe, "Improved confidence intervals for the difference between binomial
    proportions based on paired data", Statistics in Medicine 1998, method 10: of
    Wilson's intervals of both shares and their correlation. It keeps its
    promise with few rows, where a bootstrap of identical pairs has no width.
    """
    rows = both + only_new + only_old + neither
    new, old = (both + only_new) / rows, (both + only_old) / rows
    new_low, new_high = _wilson(new, rows)
    old_low, old_high = _wilson(old, rows)
    phi = _correlation(both, only_new, only_old, neither)
    down = _across(new - new_low, old_high - old, phi)
    up = _across(new_high - new, old - old_low, phi)
    return Change(old, new, new - old, new - old - down, new - old + up)


def _across(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def _correlation(a: int, b: int, c: int, d: int) -> float:
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if not product:
        return 0.0
    cross = float(a * d - b * c)
    if cross > 0:
        cross = max(0.0, cross - (a + b + c + d) / 2)  # the paper's correction for continuity
    return cross / math.sqrt(product)


def _wilson(share: float, rows: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share."""
    square = _Z * _Z
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = _Z * math.sqrt(share * (1 - share) / rows + square / (4 * rows * rows)) / (1 + square / rows)
    return max(0.0, middle - half), min(1.0, middle + half)
