"""From logits to a score: calibration, then label, flag, and whether it abstains. Pure.

The trainer's report and the scorer's answers both come from here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.bundle import Calibration, Evaluator
from gnomon.instances import OutputType


@dataclass(frozen=True, slots=True)
class Decision:
    """`probabilities` are in the order of the evaluator's classes and sum to 1.

    One that `abstained` has a label and a flag nevertheless, as by the
    threshold alone.
    """

    probabilities: tuple[float, ...]
    label: str
    flagged: bool
    abstained: bool = False


def probabilities(logits: Sequence[float], temperature: float) -> tuple[float, ...]:
    """Return softmax(logits / temperature), shifted by the maximum so that nothing overflows."""
    return _softmax([logit / temperature for logit in logits])


def calibrated(calibration: Calibration, logits: Sequence[float]) -> tuple[float, ...]:
    """Return the probabilities of one instance's logits; see `Calibration`."""
    if not calibration.scales:
        return probabilities(logits, calibration.temperature)
    parts = zip(logits, calibration.scales, calibration.biases, strict=True)
    return _softmax([logit / calibration.temperature * scale + bias for logit, scale, bias in parts])


def _softmax(scaled: list[float]) -> tuple[float, ...]:
    highest = max(scaled)
    weights = [math.exp(value - highest) for value in scaled]
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def decide(evaluator: Evaluator, logits: Sequence[float]) -> Decision:
    """Score one instance from its logits, one a class.

    Flagged: the flagged classes together reach the threshold. A boolean label
    follows the flag; a categorical one is the most probable class. Abstained:
    the flagged classes together are in the abstain band.
    """
    shares = calibrated(evaluator.calibration, logits)
    finding = evidence(evaluator, shares)
    flagged = bool(evaluator.flagged_classes) and finding >= evaluator.threshold.value
    if evaluator.output_type is OutputType.BOOLEAN:
        label = "true" if flagged else "false"
    else:
        label = evaluator.classes[max(range(len(shares)), key=shares.__getitem__)]
    band = evaluator.abstain_band
    return Decision(shares, label, flagged, band is not None and band.low <= finding < band.high)


def evidence(evaluator: Evaluator, shares: Sequence[float]) -> float:
    """Return the probability of the flagged classes together, which threshold and band are held against."""
    flagged, found = evaluator.flagged_classes, 0.0
    for label, share in zip(evaluator.classes, shares, strict=True):
        if label in flagged:
            found += share
    return found
