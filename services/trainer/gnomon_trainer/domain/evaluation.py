"""The evaluation report: how an evaluator does on the test set. Pure, with NumPy.

Labels come from `gnomon.decision.decide`, as in serving, so that the report
is of what is served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.bundle import Evaluator
from gnomon.decision import Decision, decide
from gnomon.instances import OutputType
from gnomon_trainer.domain import measures
from gnomon_trainer.domain.calibration import log_softmax
from gnomon_trainer.domain.measures import Bools, Draws, Floats, Ints, Measure

_SMALL_TEST_SET = 100
_SMALL_VALIDATION = 50
_POINTS_PER_CURVE = (20, 100)  # at least and at most
_POINTS_PER_REPORT = 2_000
_DIGITS = 6


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


def evaluate(test: TestSet, scores: Sequence[Decision]) -> dict[str, Any]:
    """Return the part of a `gnomon.v1.EvaluationReport` that is measured on the test set.

    Every measure has a 95 % percentile interval of 1,000 bootstrap resamples
    of the test rows. Calibration error and reliability are of the probability
    of `true` for a boolean metric, and of the most probable class otherwise.
    """
    evaluator, truth = test.evaluator, test.truth
    size = len(evaluator.classes)
    draws = measures.draw(len(truth), test.seed)
    matrices = measures.confusion(truth, predicted(evaluator, scores), size, draws)
    probabilities = np.exp(log_softmax(test.logits, evaluator.calibration.temperature))
    rankings = [measures.ranking(probabilities[:, c], truth == c, draws) for c in range(size)]
    before, after = (_calibration_error(test, t, draws) for t in (1.0, evaluator.calibration.temperature))
    return {
        "test_rows": len(truth),
        "measures": _overall(
            test=test,
            probabilities=probabilities,
            matrices=matrices,
            rankings=rankings,
            ece=after,
            draws=draws,
        ),
        "classes": _of_classes(evaluator.classes, truth, matrices, rankings),
        "confusion_matrix": matrices[0].astype(int).ravel().tolist(),
        "baselines": [
            {"key": key, "measures": _shares(measures.confusion(truth, guess, size, draws))}
            for key, guess in test.baselines.items()
        ],
        "curves": _curves(test, probabilities),
        "calibration": {
            "method": evaluator.calibration.method,
            "temperature": evaluator.calibration.temperature,
            "rows": evaluator.calibration.rows,
            "ece_before": float(before[0]),
            "ece_after": float(after[0]),
        },
        "threshold": asdict(evaluator.threshold),
    }


def macro_f1(test: TestSet) -> Measure:
    """Return the macro-F1 alone, with its interval, as `evaluate` does."""
    draws = measures.draw(len(test.truth), test.seed)
    found = measures.interval("macro_f1", measures.macro_f1(_matrices(test, draws)))
    assert found is not None  # every row has a true class
    return found


def point_estimates(test: TestSet) -> tuple[float, float]:
    """Return macro-F1 and expected calibration error, without intervals."""
    once = np.ones((len(test.truth), 1), dtype=np.uint8)
    ece = _calibration_error(test, test.evaluator.calibration.temperature, once)
    return float(measures.macro_f1(_matrices(test, once))[0]), float(ece[0])


def predicted(evaluator: Evaluator, scores: Sequence[Decision]) -> Ints:
    """Return the labels of scores as class indices."""
    index = {label: i for i, label in enumerate(evaluator.classes)}
    return np.array([index[score.label] for score in scores], dtype=np.int64)


def _matrices(test: TestSet, draws: Draws) -> Floats:
    labels = predicted(test.evaluator, decisions(test.evaluator, test.logits))
    return measures.confusion(test.truth, labels, len(test.evaluator.classes), draws)


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


def _positive(evaluator: Evaluator) -> int | None:
    """Return the index of `true` for a boolean metric."""
    return evaluator.classes.index("true") if evaluator.output_type is OutputType.BOOLEAN else None


def _reliability(test: TestSet, temperature: float) -> tuple[Floats, Bools]:
    """Return each row's probability that is checked, and whether it came true."""
    probabilities = np.exp(log_softmax(test.logits, temperature))
    positive = _positive(test.evaluator)
    if positive is not None:
        return probabilities[:, positive], test.truth == positive
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == test.truth


def _calibration_error(test: TestSet, temperature: float, draws: Draws) -> Floats:
    return measures.expected_calibration_error(*_reliability(test, temperature), draws)


def _overall(
    *,
    test: TestSet,
    probabilities: Floats,
    matrices: Floats,
    rankings: Sequence[tuple[Floats, Floats]],
    ece: Floats,
    draws: Draws,
) -> list[dict[str, Any]]:
    positive = _positive(test.evaluator)
    if positive is not None:
        auroc, average_precision = rankings[positive]
        squares = (probabilities[:, positive] - (test.truth == positive)) ** 2
    else:
        auroc, average_precision = (
            _mean_of_defined(np.stack(parts)) for parts in zip(*rankings, strict=True)
        )
        squares = ((probabilities - np.eye(probabilities.shape[1])[test.truth]) ** 2).sum(axis=1)
    return [
        *_shares(matrices),
        *_defined(
            measures.interval("auroc", auroc),
            measures.interval("average_precision", average_precision),
            measures.interval("ece", ece),
            measures.interval("brier", measures.mean(squares, draws)),
        ),
    ]


def _mean_of_defined(values: Floats) -> Floats:
    """Return the mean over the classes, shape (resamples,); NaN where no class has a value."""
    defined = np.isfinite(values)
    count = defined.sum(axis=0)
    result: Floats = np.where(defined, values, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)
    return result


def _shares(matrices: Floats) -> list[dict[str, Any]]:
    accuracy = np.trace(matrices, axis1=1, axis2=2) / matrices.sum(axis=(1, 2))
    return _defined(
        measures.interval("accuracy", accuracy), measures.interval("macro_f1", measures.macro_f1(matrices))
    )


def _of_classes(
    classes: Sequence[str], truth: Ints, matrices: Floats, rankings: Sequence[tuple[Floats, Floats]]
) -> list[dict[str, Any]]:
    rates = measures.class_rates(matrices)
    counts = np.bincount(truth, minlength=len(classes))
    return [
        {
            "label": label,
            "rows": int(counts[c]),
            "measures": _defined(
                measures.interval("precision", rates.precision[:, c]),
                measures.interval("recall", rates.recall[:, c]),
                measures.interval("f1", rates.f1[:, c]),
                measures.interval("auroc", rankings[c][0]),
                measures.interval("average_precision", rankings[c][1]),
            )
            if counts[c]
            else [],
        }
        for c, label in enumerate(classes)
    ]


def _defined(*found: Measure | None) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in found if entry is not None]


def _curves(test: TestSet, probabilities: Floats) -> list[dict[str, Any]]:
    classes, positive = test.evaluator.classes, _positive(test.evaluator)
    drawn = [positive] if positive is not None else range(len(classes))
    at_least, at_most = _POINTS_PER_CURVE
    points = min(at_most, max(at_least, _POINTS_PER_REPORT // len(drawn)))
    curves = []
    for c in drawn:
        hit = test.truth == c
        if hit.any() and not hit.all():
            curves += _roc_and_precision_recall(classes[c], probabilities[:, c], hit, points)
    confidence, came_true = _reliability(test, test.evaluator.calibration.temperature)
    return [*curves, _reliability_curve(confidence, came_true)]


def _roc_and_precision_recall(
    label: str, confidence: Floats, hit: Bools, points: int
) -> list[dict[str, Any]]:
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.r_[confidence[order][1:] != confidence[order][:-1], True])
    found = np.cumsum(hit[order])[ends]
    flagged = ends + 1
    recall = found / hit.sum()
    false_positive_rate = (flagged - found) / (~hit).sum()
    chosen = np.unique(np.linspace(0, len(ends) - 1, min(points, len(ends)) - 1).round().astype(int))
    roc_x, roc_y = np.r_[0.0, false_positive_rate[chosen]], np.r_[0.0, recall[chosen]]
    return [
        {"key": "roc", "label": label, "x": _rounded(roc_x), "y": _rounded(roc_y)},
        {
            "key": "precision_recall",
            "label": label,
            "x": _rounded(recall[chosen]),
            "y": _rounded((found / flagged)[chosen]),
        },
    ]


def _reliability_curve(confidence: Floats, came_true: Bools) -> dict[str, Any]:
    of_row = measures.bins(confidence)
    filled = np.unique(of_row)
    return {
        "key": "reliability",
        "x": _rounded(np.array([confidence[of_row == b].mean() for b in filled])),
        "y": _rounded(np.array([came_true[of_row == b].mean() for b in filled])),
        "rows": [int((of_row == b).sum()) for b in filled],
    }


def _rounded(values: Floats) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]
