"""The points of a report's plots: ROC, precision over recall, reliability. Pure, with NumPy."""

from typing import Any

import numpy as np

from gnomon_trainer.domain import measures
from gnomon_trainer.domain.answers import Answers
from gnomon_trainer.domain.measures import Bools, Floats

_POINTS_PER_CURVE = (20, 100)  # at least and at most
_POINTS_PER_REPORT = 2_000
_DIGITS = 6


def of(answers: Answers) -> list[dict[str, Any]]:
    """Return a `gnomon.v1.Curve` each: of `true` for a boolean metric, of every class otherwise."""
    classes = range(len(answers.classes))
    drawn = classes if answers.positive is None else [answers.positive]
    at_least, at_most = _POINTS_PER_CURVE
    points = min(at_most, max(at_least, _POINTS_PER_REPORT // len(drawn)))
    found = []
    for c in drawn:
        hit = answers.truth == c
        if hit.any() and not hit.all():
            found += _roc_and_precision_recall(answers.classes[c], answers.probabilities[:, c], hit, points)
    return [*found, _reliability(*answers.checked)]


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


def _reliability(confidence: Floats, came_true: Bools) -> dict[str, Any]:
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
