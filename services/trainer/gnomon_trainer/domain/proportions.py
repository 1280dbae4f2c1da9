"""Intervals of shares that were counted. Pure."""

import math
from collections.abc import Callable

_STEPS = 60  # of a bisection: each halves the error


def clopper_pearson(hits: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share of which `hits` in `count` independent draws were seen.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated
    in the case of the binomial", Biometrika 26 (1934): the shares that neither
    so many hits nor so few would refute. It holds with at least the confidence.
    """
    risk = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _root(lambda share: 1 - _below(hits, count, share), risk)
    high = 1.0 if hits == count else _root(lambda share: 1 - _below(hits + 1, count, share), 1 - risk)
    return low, high


def _root(growing: Callable[[float], float], value: float) -> float:
    """Return where a function that grows on [0, 1] reaches a value."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if growing(middle) < value else (low, middle)
    return (low + high) / 2


def _below(hits: int, count: int, share: float) -> float:
    """Return P(Binomial(count, share) < hits)."""
    if share <= 0.0:
        return 1.0
    if share >= 1.0:
        return 0.0
    log_share, log_rest = math.log(share), math.log1p(-share)
    ways = (math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(hits))
    return math.fsum(math.exp(way + k * log_share + (count - k) * log_rest) for k, way in enumerate(ways))
