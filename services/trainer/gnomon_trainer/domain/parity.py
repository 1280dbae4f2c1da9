"""How far a format may be from the reference, `onnx-fp32`, on labelled rows. Pure, with NumPy.

What needs no labels is `gnomon.parity`'s.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gnomon import parity
from gnomon_trainer.domain import measures
from gnomon_trainer.domain.evaluation import TestSet, decisions, point_estimates, predicted
from gnomon_trainer.domain.measures import Floats, Ints, Measure, exact

FP32_LIMITS = parity.FP32_LIMITS
_DOUBT = 0.05  # share of the resamples in which macro-F1 may fall by less than `macro_f1_drop_at_least`


def reduced_limits(rows: int) -> Mapping[str, float]:
    """Return the limits of a format that computes with fewer bits, on so many rows."""
    return {**parity.reduced_limits(rows), "ece_increase": 0.02, "macro_f1_drop_at_least": 0.005}


def compare(reference: TestSet, format_: TestSet) -> tuple[Measure, ...]:
    """Return what changes when a format takes the reference's place, on the same held-out rows.

    Beside `gnomon.parity.changes`: by how much the expected calibration error
    rises and macro-F1 falls (negative: the format is better).

    `macro_f1_drop_at_least`: the fall that the rows prove, which is the lower
    end of a one-sided 95 % interval. Both labels of a row are drawn together
    (paired percentile bootstrap; Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993, ch. 13).
    """
    evaluator = reference.evaluator
    scores = [decisions(evaluator, each.logits) for each in (reference, format_)]
    fall = _macro_f1_drop(reference, *(predicted(evaluator, each) for each in scores))
    drop = measures.interval("macro_f1_drop", fall)
    assert drop is not None  # every row has a true class
    return (
        *(exact(key, value) for key, value in parity.changes(*scores).items()),
        exact("ece_increase", point_estimates(format_)[1] - point_estimates(reference)[1]),
        drop,
        exact("macro_f1_drop_at_least", float(np.quantile(fall[1:], _DOUBT))),
    )


def _macro_f1_drop(reference: TestSet, before: Ints, after: Ints) -> Floats:
    """Return the fall of macro-F1 in every resample; that of the rows themselves first."""
    truth, classes = reference.truth, len(reference.evaluator.classes)
    draws = measures.draw(len(truth), reference.seed)
    found = [measures.macro_f1(measures.confusion(truth, each, classes, draws)) for each in (before, after)]
    return found[0] - found[1]


def excess(found: Sequence[Measure], limits: Mapping[str, float]) -> str:
    """Return which measures are above their limits, in words; empty if none is."""
    return parity.excess({measure.key: measure.value for measure in found}, limits)
