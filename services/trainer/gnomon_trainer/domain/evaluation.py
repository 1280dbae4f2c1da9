"""The evaluation report: how an evaluator does on the test set. Pure, with NumPy.

Labels come from `gnomon.decision.decide`, as in serving, so that the report
is of what is served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.bundle import Evaluator
from gnomon.decision import Decision, decide
from gnomon_trainer.domain import breakdown, curves, measures, pairing, slicing
from gnomon_trainer.domain.answers import Answers, Flags, Resampled, flags, positive_class, resampled, shares
from gnomon_trainer.domain.calibration import log_softmax
from gnomon_trainer.domain.columns import LABEL
from gnomon_trainer.domain.label_origins import has_judges_label, is_generated
from gnomon_trainer.domain.measures import Confusion, Draws, Ints, Measure
from gnomon_trainer.domain.training import MetricDefinition, ReportOptions, Row

_SMALL_TEST_SET = 100
_SMALL_VALIDATION = 50


@dataclass(frozen=True, slots=True)
class TestSet:
    """What the evaluator and the cheap methods say of the test rows.

    `truth` and the baselines' predictions are class indices, shape (rows,);
    `logits` have shape (rows, classes).
    """

    __test__ = False  # not a test, whatever pytest makes of the name

    evaluator: Evaluator
    truth: Ints
    logits: NDArray[np.float32]
    baselines: Mapping[str, Ints]
    seed: int


def decisions(evaluator: Evaluator, logits: NDArray[np.float32]) -> list[Decision]:
    """Return the scores of rows, by the rule that the scorer uses."""
    return [decide(evaluator, row) for row in logits.tolist()]


@dataclass(frozen=True, slots=True)
class Details:
    """The test rows themselves, which slices, worst rows and a judge's labels need."""

    rows: Sequence[Row]
    metric: MetricDefinition
    options: ReportOptions


def evaluate(test: TestSet, scores: Sequence[Decision], details: Details | None = None) -> dict[str, Any]:
    """Return the part of a `gnomon.v1.EvaluationReport` that is measured on the test set.

    Every measure has a 95 % percentile interval of 1,000 bootstrap resamples
    of the test rows, and every difference one of the same resamples.
    Calibration error and reliability are of the probability of `true` for a
    boolean metric, and of the most probable class otherwise; what the threshold
    flags is measured beside the labels where these do not follow it.
    """
    evaluator = test.evaluator
    draws = measures.draw(len(test.truth), test.seed)
    answers = _answers(test, scores)
    found = resampled(answers, draws)
    return {
        "test_rows": len(test.truth),
        "measures": _defined(*(measures.interval(key, values) for key, values in found.overall.items())),
        "classes": _of_classes(answers, found),
        "confusion_matrix": found.confusion.first.astype(int).ravel().tolist(),
        "baselines": [_baseline(key, guess, answers, found, draws) for key, guess in test.baselines.items()],
        "curves": curves.of(answers),
        "calibration": {
            "method": evaluator.calibration.method,
            "temperature": evaluator.calibration.temperature,
            "rows": evaluator.calibration.rows,
            "ece_before": _uncalibrated_error(test, answers),
            "ece_after": float(found.overall["ece"][0]),
        },
        "threshold": asdict(evaluator.threshold),
        **(_below_the_figures(answers, details, draws, test.seed) if details else {}),
    }


def _below_the_figures(answers: Answers, details: Details, draws: Draws, seed: int) -> dict[str, Any]:
    parts = slicing.parts(details.rows, details.metric, details.options)
    judge = breakdown.judge(answers, details.rows, details.metric, details.options, seed)
    return {
        "judge_labelled_test_rows": sum(
            has_judges_label({**row.extra, LABEL: row.label}) for row in details.rows
        ),
        "generated_test_rows": sum(is_generated(row.extra) for row in details.rows),
        "slices": breakdown.slices(answers, parts, draws),
        "worst_rows": breakdown.worst_rows(answers, [row.number for row in details.rows]),
        **({"judge": judge} if judge else {}),
    }


def macro_f1(test: TestSet) -> Measure:
    """Return the macro-F1 alone, with its interval, as `evaluate` does."""
    draws = measures.draw(len(test.truth), test.seed)
    found = measures.interval("macro_f1", measures.macro_f1(_confusion(_scored(test), draws)))
    assert found is not None  # every row has a true class
    return found


def point_estimates(test: TestSet) -> tuple[float, float]:
    """Return macro-F1 and expected calibration error, without intervals."""
    once, answers = _once(test), _scored(test)
    error = measures.expected_calibration_error(*answers.checked, once)
    return float(measures.macro_f1(_confusion(answers, once))[0]), float(error[0])


def predicted(evaluator: Evaluator, scores: Sequence[Decision]) -> Ints:
    """Return the labels of scores as class indices."""
    index = {label: i for i, label in enumerate(evaluator.classes)}
    return np.array([index[score.label] for score in scores], dtype=np.int64)


def flagged(test: TestSet, scores: Sequence[Decision]) -> Flags | None:
    """Return what is flagged beside what should be; None where the labels say it, or no class is flagged."""
    return flags(test.evaluator, test.truth, [score.flagged for score in scores])


def _scored(test: TestSet) -> Answers:
    return _answers(test, decisions(test.evaluator, test.logits))


def _answers(test: TestSet, scores: Sequence[Decision]) -> Answers:
    return Answers(
        classes=test.evaluator.classes,
        truth=test.truth,
        predicted=predicted(test.evaluator, scores),
        probabilities=np.array([score.probabilities for score in scores]),
        positive=positive_class(test.evaluator),
        flags=flagged(test, scores),
    )


def _once(test: TestSet) -> Draws:
    return np.ones((len(test.truth), 1), dtype=np.uint8)


def _confusion(answers: Answers, draws: Draws) -> Confusion:
    return measures.confusion(answers.truth, answers.predicted, len(answers.classes), draws)


def _uncalibrated_error(test: TestSet, answers: Answers) -> float:
    """Return the expected calibration error of the logits as they are."""
    raw = replace(answers, probabilities=np.exp(log_softmax(test.logits)))
    return float(measures.expected_calibration_error(*raw.checked, _once(test))[0])


def _baseline(key: str, guess: Ints, answers: Answers, found: Resampled, draws: Draws) -> dict[str, Any]:
    """Return a cheap method's measures, and the evaluator's lead over it."""
    own = shares(measures.confusion(answers.truth, guess, len(answers.classes), draws))
    return {
        "key": key,
        "measures": _defined(*(measures.interval(name, values) for name, values in own.items())),
        "comparison": pairing.compared(answers.right, guess == answers.truth, found.overall, own),
    }


def cautions(report: Mapping[str, Any], truncated: int) -> list[str]:
    """Return what a reader of the report must know: `truncated` test rows were longer than is read."""
    found = []
    rows = report["test_rows"]
    if rows < _SMALL_TEST_SET:
        found.append(f"The test set has only {rows} rows: the intervals are wide.")
    if missing := [entry["label"] for entry in report["classes"] if not entry["rows"]]:
        found.append(f"The test set has no row of {_listed(missing)}: nothing is known about it.")
    held_out = report["calibration"]["rows"]
    if held_out < _SMALL_VALIDATION:
        found.append(f"Calibration and threshold rest on only {held_out} held-out rows.")
    if truncated:
        found.append(f"{truncated} of {rows} test rows are longer than the evaluator reads and were cut.")
    low = measure(report["measures"], "macro_f1")["low"]
    reached = {b["key"]: measure(b["measures"], "macro_f1")["value"] for b in report["baselines"]}
    found += [
        f"The result is not clearly better than {key}, which reaches a macro-F1 of {value:.3f}."
        for key, value in reached.items()
        if low <= value
    ]
    return found


def measure(entries: Sequence[Mapping[str, Any]], key: str) -> Mapping[str, Any]:
    """Return the measure of that key."""
    return next(entry for entry in entries if entry["key"] == key)


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} others"


def _of_classes(answers: Answers, found: Resampled) -> list[dict[str, Any]]:
    rates = measures.class_rates(found.confusion)
    counts = np.bincount(answers.truth, minlength=len(answers.classes))
    return [
        {
            "label": label,
            "rows": int(counts[c]),
            "measures": _defined(
                measures.interval("precision", rates.precision[:, c]),
                measures.interval("recall", rates.recall[:, c]),
                measures.interval("f1", rates.f1[:, c]),
                measures.interval("auroc", found.rankings[c][0]),
                measures.interval("average_precision", found.rankings[c][1]),
            )
            if counts[c]
            else [],
        }
        for c, label in enumerate(answers.classes)
    ]


def _defined(*found: Measure | None) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in found if entry is not None]
