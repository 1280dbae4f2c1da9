"""Thresholds that keep an error rate, on rows not seen yet, below a bound with a stated confidence. Pure.

The rows are n independent draws of one kind, such as instances without the
property, and nothing that made their scores has seen them. Let k be the most
errors with P(Binomial(n, rate) ≤ k) ≤ risk. A threshold above the (n - k)-th
smallest score lets k of them through, and its true rate exceeds the bound
with a probability of at most `risk`: were it to, at most k of n draws would
have lain above the place where the rate *is* the bound. k hangs on n alone,
not on the scores, so that nothing is tested twice; ties and jumps only make
it safer.

That is the one-sided tolerance limit of Wilks, "Determination of Sample Sizes
for Setting Tolerance Limits", Annals of Mathematical Statistics 12 (1941), as
Tong, Feng and Li use it in "Neyman-Pearson classification algorithms and NP
receiver operating characteristics", Science Advances 4 (2018), proposition 1.
The bound equals that of Clopper and Pearson (1934) for k errors in n.
"""

import math
from dataclasses import dataclass

import numpy as np

from gnomon.bundle import ABOVE_ALL
from gnomon_trainer.domain.calibration import Floats

METHOD = "binomial_order_statistic"
_MARGIN = 1e-9  # a score is computed here and in service alike, but for the last digits


@dataclass(frozen=True, slots=True)
class Bounded:
    """A threshold, and how many of the `rows` it was chosen on may reach it: `errors`."""

    value: float
    rows: int
    errors: int


def needed_rows(rate: float, risk: float) -> int:
    """Return the fewest rows that can show a rate of at most `rate`, none of them being an error."""
    rows = max(1, math.ceil(math.log(risk) / math.log1p(-rate)))
    return rows if allowed_errors(rows, rate, risk) is not None else rows + 1  # the logarithms were rounded


def allowed_errors(rows: int, rate: float, risk: float) -> int | None:
    """Return the largest k with P(Binomial(rows, rate) ≤ k) ≤ risk; None if even k = 0 is too likely."""
    below, errors = 0.0, -1
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    while True:
        k = errors + 1
        ways = math.lgamma(rows + 1) - math.lgamma(k + 1) - math.lgamma(rows - k + 1)
        below += math.exp(ways + k * log_rate + (rows - k) * log_rest)
        if below > risk:
            return None if errors < 0 else errors
        errors = k


def upper_threshold(scores: Floats, rate: float, risk: float, among: Floats) -> Bounded | None:
    """Return the lowest threshold that, with confidence 1 - `risk`, at most `rate` of such scores reach.

    It lies midway to the next score of the rows `among` which it divides, so
    that no last digit decides: any place above would do. None if there are
    fewer than `needed_rows`.
    """
    errors = allowed_errors(len(scores), rate, risk)
    if errors is None:
        return None
    last = float(np.sort(scores)[len(scores) - errors - 1])
    above = among[among > last]
    value = max(last + _MARGIN, (last + float(above.min())) / 2 if len(above) else 0.0)
    return Bounded(value if value <= 1.0 else ABOVE_ALL, len(scores), errors)


def lower_threshold(scores: Floats, rate: float, risk: float, among: Floats) -> Bounded | None:
    """Return the highest threshold that, with confidence 1 - `risk`, at most `rate` of such are below."""
    errors = allowed_errors(len(scores), rate, risk)
    if errors is None:
        return None
    last = float(np.sort(scores)[errors])
    below = among[among < last]
    value = min(last - _MARGIN, (last + float(below.max())) / 2 if len(below) else 1.0)
    return Bounded(max(0.0, value), len(scores), errors)
