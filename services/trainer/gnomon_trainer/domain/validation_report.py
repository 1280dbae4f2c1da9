"""How well a judge agrees with people, and one judge beside another. Pure, with NumPy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gnomon_trainer.domain import measures, pairing
from gnomon_trainer.domain.answers import shares
from gnomon_trainer.domain.labellings import RowJudgement
from gnomon_trainer.domain.measures import Confusion, Draws, Floats, Ints, Measure
from gnomon_trainer.domain.paid_work import PaidWork
from gnomon_trainer.domain.review_agreement import cohens_kappa
from gnomon_trainer.domain.training import MetricDefinition

_SEED = 0
_MOST_DRAWN = 200_000_000  # rows × resamples: they are in memory, a byte each
_SHOWN = 200


def report(metric: MetricDefinition, rows: Sequence[RowJudgement], work: PaidWork) -> dict[str, Any]:
    """Return a `gnomon.v1.ValidationReport`; every measure has a 95 % bootstrap interval of the rows."""
    truth, said = _indices(metric, rows)
    draws = _draws(len(rows))
    found = measures.confusion(truth, said, len(metric.classes), draws)
    kappa = cohens_kappa(found.right, found.true, found.predicted)
    overall = _overall(found) | {"kappa": kappa}
    return {
        "row_count": len(rows),
        "measures": _defined(*(measures.interval(key, values) for key, values in overall.items())),
        "classes": _of_classes(metric, truth, found),
        "confusion_matrix": found.first.astype(int).ravel().tolist(),
        "wrong_count": int((truth != said).sum()),
        "tokens_per_row": work.spent.total / len(rows),
        "cost_per_row": work.cost / len(rows),
    }


def compared(
    metric: MetricDefinition, first: Mapping[int, RowJudgement], second: Mapping[int, RowJudgement]
) -> dict[str, Any]:
    """Return what a `gnomon.v1.CompareLabellingsResponse` says of the rows that both judged."""
    numbers = sorted(first.keys() & second.keys())
    truth, a = _indices(metric, [first[number] for number in numbers])
    _, b = _indices(metric, [second[number] for number in numbers])
    draws = _draws(len(numbers))
    of_a, of_b = (_overall(measures.confusion(truth, said, len(metric.classes), draws)) for said in (a, b))
    right_a, right_b = a == truth, b == truth
    differing = np.flatnonzero(right_a != right_b)[:_SHOWN]
    return {
        "first_measures": _defined(*(measures.interval(key, values) for key, values in of_a.items())),
        "second_measures": _defined(*(measures.interval(key, values) for key, values in of_b.items())),
        "comparison": pairing.compared(right_a, right_b, of_a, of_b),
        "rows": [
            {
                "row": numbers[place],
                "true_label": metric.classes[truth[place]],
                "first_label": metric.classes[a[place]],
                "second_label": metric.classes[b[place]],
            }
            for place in differing
        ],
    }


def _indices(metric: MetricDefinition, rows: Sequence[RowJudgement]) -> tuple[Ints, Ints]:
    index = {label: place for place, label in enumerate(metric.classes)}
    truth = np.array([index[row.truth] for row in rows], dtype=np.int64)
    return truth, np.array([index[row.label] for row in rows], dtype=np.int64)


def _draws(rows: int) -> Draws:
    return measures.draw(rows, _SEED, min(measures.RESAMPLES, max(100, _MOST_DRAWN // rows)))


def _overall(found: Confusion) -> dict[str, Floats]:
    of_labels = shares(found)
    return {"agreement": of_labels["accuracy"], "macro_f1": of_labels["macro_f1"]}


def _of_classes(metric: MetricDefinition, truth: Ints, found: Confusion) -> list[dict[str, Any]]:
    rates = measures.class_rates(found)
    counts = np.bincount(truth, minlength=len(metric.classes))
    return [
        {
            "label": label,
            "rows": int(counts[c]),
            "measures": _defined(
                measures.interval("precision", rates.precision[:, c]),
                measures.interval("recall", rates.recall[:, c]),
                measures.interval("f1", rates.f1[:, c]),
            )
            if counts[c]
            else [],
        }
        for c, label in enumerate(metric.classes)
    ]


def _defined(*found: Measure | None) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in found if entry is not None]
