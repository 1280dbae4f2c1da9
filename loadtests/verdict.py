"""Whether a load met its service objective. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from loadtests.objective import Objective
from loadtests.open_loop import Sample, arrivals, call_count, quantile

_MOST_OFF = 15.0  # percent by which the mean length of the inputs may miss what was asked
_ROUNDING = 1e-9  # a share of a limit that floating point may take or give


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a load at one rate."""

    name: Literal["average", "peak"]
    start_s: float
    end_s: float
    rate_per_s: float

    @property
    def calls(self) -> int:
        """How many are planned."""
        return call_count(self.rate_per_s, self.end_s - self.start_s)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load came to. QPS are calls answered a second; None is what no call was there for.

    `tokens_off` is by how many percent the mean length of the inputs missed what was asked.
    """

    average_qps: float | None
    peak_qps: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_share: float
    tokens_off: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One demand of an objective beside what was measured."""

    demand: str
    limit: float
    measured: float | None
    unit: str
    at_most: bool = True  # else at least

    @property
    def is_met(self) -> bool:
        if self.measured is None:
            return False
        if math.isclose(self.measured, self.limit, rel_tol=_ROUNDING):
            return True
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit

    def __str__(self) -> str:
        measured = "nothing measured" if self.measured is None else f"{self.measured:.4g}{self.unit}"
        wanted = f"{'at most' if self.at_most else 'at least'} {self.limit:.4g}{self.unit}"
        return f"{'met' if self.is_met else 'MISSED'}: {self.demand} {measured}, {wanted} asked"


def phases(objective: Objective, seconds: float) -> list[Phase]:
    """Return a load of three equal parts: average, peak, average."""
    third = seconds / 3
    return [
        Phase("average", 0.0, third, objective.average_qps),
        Phase("peak", third, 2 * third, objective.peak_qps),
        Phase("average", 2 * third, seconds, objective.average_qps),
    ]


def profile(
    parts: Sequence[Phase], seed: int, kind: Literal["poisson", "constant"] = "poisson"
) -> list[float]:
    """Return when calls leave, ascending, in seconds from the start."""
    return [
        min(part.start_s + at, math.nextafter(part.end_s, 0.0))  # a sum may round up to the next phase
        for n, part in enumerate(parts)
        for at in arrivals(part.rate_per_s, part.end_s - part.start_s, seed * len(parts) + n, kind)
    ]


def percent_off(lengths: Sequence[tuple[float, float]]) -> float | None:
    """Return by how many percent the mean length read misses the mean one asked; None of none.

    `lengths` are, of each call, the tokens asked and those that the evaluator read.
    """
    asked, read = (sum(each) for each in zip(*lengths, strict=True)) if lengths else (0, 0)
    return 100 * abs(read / asked - 1) if asked else None


def measure(samples: Sequence[Sample], parts: Sequence[Phase], tokens_off: float | None) -> Measured:
    """Sum up the calls of a load. A call belongs to the phase in which it was meant to leave."""
    answered = [one for one in samples if one.code == "OK"]
    latencies = [one.latency_ms for one in answered]
    return Measured(
        average_qps=_rate(answered, [part for part in parts if part.name == "average"]),
        peak_qps=_rate(answered, [part for part in parts if part.name == "peak"]),
        p95_ms=quantile(latencies, 0.95),
        p99_ms=quantile(latencies, 0.99),
        error_share=(len(samples) - len(answered)) / len(samples) if samples else 1.0,
        tokens_off=tokens_off,
    )


def _rate(answered: Sequence[Sample], parts: Sequence[Phase]) -> float | None:
    """Return the share of the planned calls that were answered, of the rate.

    Not calls by seconds: a plan has whole calls, and so seldom the very rate that was asked.
    """
    planned = sum(part.calls for part in parts)
    if not planned:
        return None
    number = sum(part.start_s <= one.intended_s < part.end_s for one in answered for part in parts)
    return parts[0].rate_per_s * (number / planned)


def judge(objective: Objective, measured: Measured, slack: float = 0.0) -> list[Finding]:
    """Compare. A rate counts as reached if all but the allowed errors were answered.

    `slack` is the share of a rate that a generator may miss by itself.
    """
    reached = (1 - objective.max_error_share) * (1 - slack)
    findings = [
        Finding("average QPS", objective.average_qps * reached, measured.average_qps, "/s", at_most=False),
        Finding("peak QPS", objective.peak_qps * reached, measured.peak_qps, "/s", at_most=False),
        Finding("p95 latency", objective.p95_latency_ms, measured.p95_ms, " ms"),
        Finding("error share", objective.max_error_share, measured.error_share, ""),
        Finding("mean input tokens off by", _MOST_OFF, measured.tokens_off, " %"),
    ]
    if objective.p99_latency_ms is not None:
        findings.insert(3, Finding("p99 latency", objective.p99_latency_ms, measured.p99_ms, " ms"))
    return findings
