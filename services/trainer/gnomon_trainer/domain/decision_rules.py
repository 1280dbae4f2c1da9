"""From logits to how an evaluator decides: calibration, threshold, abstain band. Pure, with NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.bundle import AbstainBand, Calibration, Threshold
from gnomon.instances import OutputType
from gnomon_trainer.domain import thresholds
from gnomon_trainer.domain.calibration import HIGHEST, LOWEST, Ints, calibrate, log_probabilities
from gnomon_trainer.domain.thresholds import BEST_F1, FALSE_POSITIVE_RATE, Scores
from gnomon_trainer.domain.training import MetricDefinition, Parameters
from gnomon_trainer.domain.validation_split import LEAST_HELD_OUT_FROM

_FEW = 20  # of fewer rows of a kind, one more or less right moves a rate by more than 5 points
_HELD_OUT = {True: "held-out row", False: "held-out rows"}
_AT_LIMIT = 1.0001  # a search ends near a limit, not on it


@dataclass(frozen=True, slots=True)
class Labelled:
    """Logits of rows, shape (rows, classes), and the indices of their true classes."""

    logits: NDArray[Any]
    truth: Ints


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """What `gnomon.decision.decide` is told; `log_losses` as in `calibration.Calibrated`."""

    calibration: Calibration
    threshold: Threshold
    abstain_band: AbstainBand | None
    log_losses: dict[str, float]


def rule_of(
    metric: MetricDefinition, parameters: Parameters, held_out: Labelled, aside: Sequence[Labelled]
) -> DecisionRule:
    """Return how to decide.

    Calibration and a threshold without a guarantee come from the `held_out`
    rows. Guarantees come from the rows set aside, as each format scores them:
    the same rows every time, first those of the reference. A guarantee holds
    for each of the formats, as the strictest of their thresholds is taken.
    """
    flagged = [metric.classes.index(label) for label in metric.flagged_classes]
    by_threshold = metric.output_type is OutputType.BOOLEAN
    found = calibrate(held_out.logits, held_out.truth, parameters.seed, sets_label=not by_threshold)
    if not flagged:
        return DecisionRule(found.calibration, Threshold(0.5, "none", 0), None, found.log_losses)

    def scores(rows: Labelled) -> Scores:
        shares = np.exp(log_probabilities(rows.logits, found.calibration))[:, flagged].sum(axis=1)
        return Scores(shares, np.isin(rows.truth, flagged))

    guaranteed = [scores(rows) for rows in aside]
    threshold = _threshold(parameters, scores(held_out), guaranteed)
    band = _abstain_band(parameters, threshold.value, guaranteed)
    return DecisionRule(found.calibration, threshold, band, found.log_losses)


def _threshold(parameters: Parameters, held_out: Scores, aside: Sequence[Scores]) -> Threshold:
    target, confidence = parameters.threshold_target, parameters.threshold_confidence
    if parameters.threshold_aim != FALSE_POSITIVE_RATE:
        return thresholds.estimated(parameters.threshold_aim, target, held_out)
    found = [thresholds.guaranteed(target, confidence, scores) for scores in aside]
    return max((entry for entry in found if entry is not None), key=lambda entry: entry.value)


def _abstain_band(parameters: Parameters, threshold: float, aside: Sequence[Scores]) -> AbstainBand | None:
    if not (rate := parameters.abstain_error_rate):
        return None
    found = [
        thresholds.abstain_band(rate, parameters.threshold_confidence, threshold, scores) for scores in aside
    ]
    bands = [band for band in found if band is not None]
    widest = bands[0]
    low, high = min(band.low for band in bands), max(band.high for band in bands)
    return AbstainBand(
        low=low,
        high=high,
        error_rate=rate,
        confidence=widest.confidence,
        method=widest.method,
        negatives=widest.negatives,
        positives=widest.positives,
    )


def cautions(rule: DecisionRule) -> list[str]:
    """Return what a reader of the report must know of calibration and threshold."""
    threshold, temperature = rule.threshold, rule.calibration.temperature
    found = []
    if not LOWEST * _AT_LIMIT < temperature < HIGHEST / _AT_LIMIT:
        found.append(
            f"The temperature, {temperature:.4g}, is at a limit, as the logits are far too "
            f"{'small' if temperature < 1 else 'large'} for what the held-out rows show. Do not rely on the "
            "probabilities."
        )
    found += _few_rows(threshold)
    if _is_missed(threshold):
        found.append(
            f"No threshold reaches a {threshold.aim} of {threshold.target:g} on the held-out rows: the best "
            f"one, with {threshold.reached:.3f}, was taken."
        )
    if threshold.value > 1:
        found.append(
            "Nothing is flagged: no threshold keeps to the false-positive rate on the rows set aside."
        )
    return found


def _is_missed(threshold: Threshold) -> bool:
    has_target = threshold.aim not in (BEST_F1, FALSE_POSITIVE_RATE, "none")
    return has_target and threshold.positives > 0 and threshold.reached < threshold.target


def _few_rows(threshold: Threshold) -> list[str]:
    """Say so where few or no rows of a kind speak for an estimate; a guarantee has counted its rows."""
    if threshold.aim in (FALSE_POSITIVE_RATE, "none"):
        return []
    if not threshold.positives:
        return [
            f"No held-out row is of a flagged class: the threshold of {threshold.value:g} was not chosen, "
            "and nothing is known of how much it finds. Add rows of a flagged class: a class needs "
            f"{LEAST_HELD_OUT_FROM} for one of them to be held out."
        ]
    if not threshold.negatives:
        return [
            "No held-out row is of no flagged class: nothing is known of how often the threshold flags one. "
            f"Add rows of such a class: it needs {LEAST_HELD_OUT_FROM} for one of them to be held out."
        ]
    kinds = {"a flagged class": threshold.positives, "none": threshold.negatives}
    few = [f"{rows} {_HELD_OUT[rows == 1]} of {kind}" for kind, rows in kinds.items() if rows < _FEW]
    if not few:
        return []
    return [f"The threshold rests on only {' and '.join(few)}: on other rows it may do quite differently."]
