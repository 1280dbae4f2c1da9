"""How far a format may be from the reference, `onnx-fp32`, and still be published. Pure, with NumPy.

`docs/decisions/0012-what-a-format-may-change.md` has the figures behind the limits.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gnomon_trainer.domain.calibration import log_softmax
from gnomon_trainer.domain.evaluation import TestSet, decisions, point_estimates, predicted
from gnomon_trainer.domain.measures import Measure, exact

FP32_LIMITS: Mapping[str, float] = {"max_logit_difference": 1e-4, "batch_invariance_difference": 1e-4}

# For what computes with fewer bits. Probabilities that keep within the last one can change the label only of
# a row that is as near to its threshold.
REDUCED_LIMITS: Mapping[str, float] = {
    "label_flip_share": 0.02,
    "p99_probability_change": 0.1,
    "max_probability_change": 0.15,
    "ece_increase": 0.02,
    "macro_f1_drop": 0.005,
    "batch_invariance_difference": 2e-3,
}


def compare(reference: TestSet, format_: TestSet) -> tuple[Measure, ...]:
    """Return what changes when a format takes the reference's place, on the same held-out rows.

    The share of labels that flip; how far the probability of a class moves, in
    the worst row and in the worst but 1 %; by how much the expected calibration
    error rises and macro-F1 falls (negative: the format is better).
    """
    evaluator = reference.evaluator
    temperature = evaluator.calibration.temperature
    before, after = (np.exp(log_softmax(each.logits, temperature)) for each in (reference, format_))
    change = np.abs(after - before).max(axis=1)
    labels = [predicted(evaluator, decisions(evaluator, each.logits)) for each in (reference, format_)]
    macro_f1, ece = point_estimates(reference)
    its_macro_f1, its_ece = point_estimates(format_)
    return (
        exact("label_flip_share", float((labels[0] != labels[1]).mean())),
        exact("p99_probability_change", float(np.quantile(change, 0.99))),
        exact("max_probability_change", float(change.max())),
        exact("ece_increase", its_ece - ece),
        exact("macro_f1_drop", macro_f1 - its_macro_f1),
    )


def excess(measures: Sequence[Measure], limits: Mapping[str, float]) -> str:
    """Return which measures are above their limits, in words; empty if none is."""
    return "; ".join(
        f"{measure.key} is {measure.value:.2g}, and may be at most {limits[measure.key]:g}"
        for measure in measures
        if not measure.value <= limits[measure.key]  # written so that NaN is in excess
    )
