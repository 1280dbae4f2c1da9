"""Two labellers on the same rows: is one better, or is it chance? Pure, with NumPy."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gnomon_trainer.domain import measures
from gnomon_trainer.domain.measures import Bools, Floats


def compared(
    right_first: Bools, right_second: Bools, first: Mapping[str, Floats], second: Mapping[str, Floats]
) -> dict[str, Any]:
    """Return a `gnomon.v1.PairedComparison`.

    Args:
        right_first: whether the first is right, shape (rows,).
        right_second: the same of the second.
        first: measures of the first, one value a resample; those that both have are compared.
        second: the same, of the same resamples.
    """
    only_first = int((right_first & ~right_second).sum())
    only_second = int((right_second & ~right_first).sum())
    return {
        "rows": len(right_first),
        "differences": [
            found
            for key, values in first.items()
            if key in second and (found := difference(key, values, second[key]))
        ],
        "only_first_right": only_first,
        "only_second_right": only_second,
        "mcnemar_p": mcnemar_p(only_first, only_second),
    }


def difference(key: str, first: Floats, second: Floats) -> dict[str, Any] | None:
    """Return first less second with its interval, resample by resample; None where it is not defined.

    Both were measured on the same resamples, so that what makes a row easy or
    hard for both cancels out.
    """
    found = measures.interval(key, first - second)
    return asdict(found) if found else None


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 1947: of the rows on which
    exactly one of two is right, each is right on half if both are equally
    accurate, a binomial with p = ½. 1.0 where there is no such row.
    """
    discordant, fewer = only_first + only_second, min(only_first, only_second)
    log_half = discordant * math.log(2)
    tail = sum(math.exp(_log_choose(discordant, k) - log_half) for k in range(fewer + 1))
    return min(1.0, 2 * tail)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
