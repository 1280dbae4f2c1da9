"""How far a format may be from the reference, `onnx-fp32`, on labelled rows. Pure, with NumPy.

What needs no labels is `gnomon.parity`'s.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gnomon import parity
from gnomon.decision import Decision
from gnomon_trainer.domain import measures
from gnomon_trainer.domain.evaluation import TestSet, decisions, flagged, point_estimates, predicted
from gnomon_trainer.domain.measures import Draws, Floats, Measure, exact

FP32_LIMITS = parity.FP32_LIMITS
_DOUBT = 0.05  # share of the resamples in which an F1 may fall by less than its `…_drop_at_least`
_PROVEN_DROP = 0.005


def reduced_limits(rows: int) -> Mapping[str, float]:
    """Return the limits of a format that computes with fewer bits, on so many rows."""
    return {
        **parity.reduced_limits(rows),
        "ece_increase": 0.02,
        "macro_f1_drop_at_least": _PROVEN_DROP,
        "flagged_f1_drop_at_least": _PROVEN_DROP,
    }


def compare(reference: TestSet, format_: TestSet) -> tuple[Measure, ...]:
    """Return what changes when a format takes the reference's place, on the same held-out rows.

    Beside `gnomon.parity.changes`: by how much the expected calibration error
    rises, and by how much macro-F1 falls (negative: the format is better). Where
    the label does not follow the flag, also how much the F1 of what is flagged
    falls, unless nothing is flagged and nothing should be.

    `…_drop_at_least`: the fall that the rows prove, which is the lower end of a
    one-sided 95 % interval. Both scores of a row are drawn together (paired
    percentile bootstrap; Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993, ch. 13).
    """
    evaluator = reference.evaluator
    scores = [decisions(evaluator, each.logits) for each in (reference, format_)]
    draws = measures.draw(len(reference.truth), reference.seed)
    return (
        *(exact(key, value) for key, value in parity.changes(*scores).items()),
        exact("ece_increase", point_estimates(format_)[1] - point_estimates(reference)[1]),
        *_fall("macro_f1_drop", *(_macro_f1(reference, each, draws) for each in scores)),
        *_fall("flagged_f1_drop", *(_flagged_f1(reference, each, draws) for each in scores)),
    )


def _fall(key: str, before: Floats, after: Floats) -> tuple[Measure, ...]:
    """Return the fall with its interval, and the fall that is proven; nothing where it is not defined."""
    fall = before - after
    drop = measures.interval(key, fall)
    if drop is None:
        return ()
    resamples = fall[1:][np.isfinite(fall[1:])]
    proven = float(np.quantile(resamples, _DOUBT)) if resamples.size else drop.value
    return drop, exact(f"{key}_at_least", proven)


def _macro_f1(rows: TestSet, scores: Sequence[Decision], draws: Draws) -> Floats:
    classes = len(rows.evaluator.classes)
    return measures.macro_f1(
        measures.confusion(rows.truth, predicted(rows.evaluator, scores), classes, draws)
    )


def _flagged_f1(rows: TestSet, scores: Sequence[Decision], draws: Draws) -> Floats:
    """Return the F1 of what is flagged, one a resample; NaN where it is not defined or the labels say it."""
    found = flagged(rows, scores)
    if found is None:
        return np.full(draws.shape[1], np.nan)
    return measures.class_rates(found.confusion(draws)).f1[:, 1]


def excess(found: Sequence[Measure], limits: Mapping[str, float]) -> str:
    """Return which measures are above their limits, in words; empty if none is."""
    return parity.excess({measure.key: measure.value for measure in found}, limits)
