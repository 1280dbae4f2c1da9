"""The threshold of a stated aim, and the band in which a score abstains. Pure, with NumPy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gnomon.bundle import AbstainBand, Threshold
from gnomon_trainer.domain import guarantees
from gnomon_trainer.domain.calibration import Bools, Floats

BEST_F1, RECALL, PRECISION, FALSE_POSITIVE_RATE = "best_f1", "recall", "precision", "false_positive_rate"
AIMS = (BEST_F1, RECALL, PRECISION, FALSE_POSITIVE_RATE)


@dataclass(frozen=True, slots=True)
class Scores:
    """What an evaluator says of rows: the probability of the flagged classes together, shape (rows,).

    `positive`: whether the row's true class is one of them.
    """

    evidence: Floats
    positive: Bools


def estimated(aim: str, target: float, scores: Scores) -> Threshold:
    """Return the threshold that reaches an aim on these rows; how it does on others is an estimate.

    `recall`: the highest with at least the target. `precision`: of those with
    at least the target the one with the best recall; where none has it, the
    one with the best precision. Without a positive row nothing is chosen: 0.5,
    which reaches 0.
    """
    evidence, positive = scores.evidence, scores.positive
    choose: Mapping[str, Callable[[], float]] = {
        BEST_F1: lambda: best_f1_threshold(evidence, positive),
        RECALL: lambda: _at_recall(evidence, positive, target),
        PRECISION: lambda: _at_precision(evidence, positive, target),
    }
    value = choose[aim]()
    flagged = evidence >= value
    hits = int((flagged & positive).sum())
    reached = {
        BEST_F1: 2 * hits / max(1, int(flagged.sum() + positive.sum())),
        RECALL: hits / max(1, int(positive.sum())),
        PRECISION: hits / max(1, int(flagged.sum())),
    }[aim]
    return Threshold(
        value,
        aim,
        len(evidence),
        target=target,
        reached=reached,
        negatives=int((~positive).sum()),
        errors=int((flagged & ~positive).sum()),
    )


def best_f1_threshold(probabilities: Floats, positive: Bools) -> float:
    """Return the threshold at or above which to flag, for the best F1 on these rows.

    It lies midway between two neighbouring probabilities, so that it does not
    hang on one row's last digit; of equally good ones, the nearest to 0.5.
    Without a positive row there is nothing to choose by: 0.5.
    """
    if not positive.any():
        return 0.5
    hits, flagged, thresholds = _candidates(probabilities, positive)
    f1 = 2 * hits / (flagged + positive.sum())
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(min(thresholds[best], key=lambda threshold: abs(threshold - 0.5)))


def _at_recall(evidence: Floats, positive: Bools, target: float) -> float:
    if not positive.any():
        return 0.5
    hits, _, thresholds = _candidates(evidence, positive)
    return float(thresholds[np.flatnonzero(hits >= target * positive.sum() - 1e-9)[0]])


def _at_precision(evidence: Floats, positive: Bools, target: float) -> float:
    if not positive.any():
        return 0.5
    hits, flagged, thresholds = _candidates(evidence, positive)
    precision = hits / flagged
    enough = np.flatnonzero(precision >= min(target, precision.max()) - 1e-12)
    return float(thresholds[enough[-1]])  # the lowest of them finds the most


def _candidates(evidence: Floats, positive: Bools) -> tuple[Floats, Floats, Floats]:
    """Return, for every threshold that tells these rows apart, hits and flagged rows, from the highest on."""
    order = np.argsort(-evidence, kind="stable")
    descending, hits = evidence[order], np.cumsum(positive[order])
    ends = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))  # equals cannot be told apart
    thresholds: Floats = (descending + np.append(descending[1:], 0.0)) / 2
    return hits[ends].astype(np.float64), (ends + 1).astype(np.float64), thresholds[ends]


def guaranteed(target: float, confidence: float, scores: Scores) -> Threshold | None:
    """Return the threshold that flags at most `target` of all negatives, with that confidence.

    The rows must have had no part in what made the scores: see
    `gnomon_trainer.domain.guarantees`. None if too few of them are negative.
    """
    evidence, positive = scores.evidence, scores.positive
    found = guarantees.upper_threshold(evidence[~positive], target, 1 - confidence, evidence)
    if found is None:
        return None
    errors = int((evidence[~positive] >= found.value).sum())
    return Threshold(
        found.value,
        FALSE_POSITIVE_RATE,
        len(evidence),
        target=target,
        reached=errors / found.rows,
        confidence=confidence,
        method=guarantees.METHOD,
        negatives=found.rows,
        errors=errors,
    )


def abstain_band(
    error_rate: float, confidence: float, threshold: float, scores: Scores
) -> AbstainBand | None:
    """Return where to abstain so that of either kind at most `error_rate` is decided wrongly.

    Of the negatives at most that share reaches `high`, of the positives at most
    that share stays below `low`, both at once with that confidence: each side
    takes half of the risk. As each kind keeps to it, so does any mix of them:
    at most `error_rate` of all instances are decided wrongly, whatever the
    share of positives. None if either kind has too few rows.
    """
    risk = (1 - confidence) / 2
    evidence, positive = scores.evidence, scores.positive
    above = guarantees.upper_threshold(evidence[~positive], error_rate, risk, evidence)
    below = guarantees.lower_threshold(evidence[positive], error_rate, risk, evidence)
    if above is None or below is None:
        return None
    # What is decided is decided by the threshold, so that it must lie in the band or at its ends.
    return AbstainBand(
        low=min(below.value, threshold),
        high=max(above.value, threshold),
        error_rate=error_rate,
        confidence=confidence,
        method=guarantees.METHOD,
        negatives=above.rows,
        positives=below.rows,
    )
