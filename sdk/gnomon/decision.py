"""From logits to a score: calibration, then label and flag. Pure.

The trainer's report and the scorer's answers both come from here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.bundle import Evaluator
from gnomon.instances import OutputType


@dataclass(frozen=True, slots=True)
class Decision:
    """`probabilities` are in the order of the evaluator's classes and sum to 1."""

    probabilities: tuple[float, ...]
    label: str
    flagged: bool


def probabilities(logits: Sequence[float], temperature: float) -> tuple[float, ...]:
    """Return softmax(logits / temperature), shifted by the maximum so that nothing overflows."""
    scaled = [logit / temperature for logit in logits]
    highest = max(scaled)
    weights = [math.exp(value - highest) for value in scaled]
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def decide(evaluator: Evaluator, logits: Sequence[float]) -> Decision:
    """Score one instance from its logits, one a class.

    Flagged: the flagged classes together reach the threshold. A boolean label
    follows the flag; a categorical one is the most probable class.
    """
    shares = probabilities(logits, evaluator.calibration.temperature)
    finding = sum(p for c, p in zip(evaluator.classes, shares, strict=True) if c in evaluator.flagged_classes)
    flagged = bool(evaluator.flagged_classes) and finding >= evaluator.threshold.value
    if evaluator.output_type is OutputType.BOOLEAN:
        label = "true" if flagged else "false"
    else:
        label = evaluator.classes[max(range(len(shares)), key=shares.__getitem__)]
    return Decision(shares, label, flagged)
