"""From the logits of held-out rows to a temperature and a threshold. Pure, with NumPy."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_LOWEST, _HIGHEST = 0.05, 20.0  # beyond these a few separable rows, not the evaluator, set the temperature
_GOLDEN = (math.sqrt(5) - 1) / 2


def log_softmax(logits: NDArray[Any], temperature: float = 1.0) -> Floats:
    """Return the log-probabilities of logits of shape (rows, classes)."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    result: Floats = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return result


def negative_log_likelihood(logits: NDArray[Any], truth: Ints, temperature: float = 1.0) -> float:
    """Return the mean over the rows, in nats; `truth` holds class indices."""
    return float(-log_softmax(logits, temperature)[np.arange(len(truth)), truth].mean())


def fit_temperature(logits: NDArray[Any], truth: Ints) -> float:
    """Return the temperature that minimises the negative log-likelihood, in [0.05, 20].

    The likelihood is unimodal in 1/temperature, so a golden-section search on
    its logarithm finds the one minimum.
    """
    low, high = math.log(_LOWEST), math.log(_HIGHEST)
    while high - low > 1e-6:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if negative_log_likelihood(logits, truth, math.exp(left)) <= negative_log_likelihood(
            logits, truth, math.exp(right)
        ):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def best_f1_threshold(probabilities: Floats, positive: Bools) -> float:
    """Return the threshold at or above which to flag, for the best F1 on these rows.

    It lies midway between two neighbouring probabilities, so that it does not
    hang on one row's last digit; of equally good ones, the nearest to 0.5.
    Without a positive row there is nothing to choose by: 0.5.
    """
    if not positive.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    descending, hits = probabilities[order], np.cumsum(positive[order])
    flagged = np.arange(1, len(order) + 1)
    f1 = 2 * hits / (flagged + positive.sum())
    last_of_equals = np.append(descending[1:] != descending[:-1], True)
    f1[~last_of_equals] = -1.0  # equal probabilities cannot be told apart
    thresholds = (descending + np.append(descending[1:], 0.0)) / 2
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(min(thresholds[best], key=lambda threshold: abs(threshold - 0.5)))
