"""What load an evaluator is to carry, and which of its formats carries it. Pure.

Judged by the latency profile, which is measured on the machine that exported
the formats: of another machine it says nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from gnomon.bundle import Windows
from gnomon.errors import InvalidRequestError, Violation
from gnomon.windows import spans

_TAIL = 0.05  # p95


class OnMiss(StrEnum):
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class ServiceObjective:
    """`peak_qps` instances a second of `input_tokens`, 95 of 100 answered within `p95_ms`.

    `average_qps` is told, and is what the peak is taken to be where that is 0.
    """

    input_tokens: int
    p95_ms: float
    average_qps: float = 0.0
    peak_qps: float = 0.0
    on_miss: OnMiss = OnMiss.WARN

    @property
    def load(self) -> float:
        """Instances a second that it must be kept at."""
        return self.peak_qps or self.average_qps


@dataclass(frozen=True, slots=True)
class Carried:
    """One `gnomon.v1.FormatService`; `p95_ms` is None where it cannot keep up at all."""

    format: str
    meets: bool
    p95_ms: float | None
    capacity_per_second: float
    average_utilization: float
    peak_utilization: float
    macro_f1_drop: float
    flagged_f1_drop: float | None = None  # only where the label does not follow the flag

    @property
    def loss(self) -> float:
        """The larger of what it loses in labels and in flags: neither makes up for the other."""
        if self.flagged_f1_drop is None:
            return self.macro_f1_drop
        return max(self.macro_f1_drop, self.flagged_f1_drop)


def check_objective(objective: ServiceObjective) -> ServiceObjective:
    """Return it, or raise InvalidRequestError naming what is wrong with it."""
    rules = {
        "input_tokens": (objective.input_tokens >= 1, "must be 1 or more"),
        "p95_ms": (0 < objective.p95_ms < math.inf, "must be above 0"),
        "average_qps": (0 <= objective.average_qps < math.inf, "must be 0 or more"),
        "peak_qps": (
            0 < objective.load < math.inf and not 0 < objective.peak_qps < objective.average_qps,
            "must be above 0 and at least average_qps",
        ),
    }
    violations = [
        Violation(f"service_objective.{name}", rule) for name, (holds, rule) in rules.items() if not holds
    ]
    if violations:
        first = violations[0]
        raise InvalidRequestError(f"{first.field} {first.description}.", violations=violations)
    return objective


def read_as(objective: ServiceObjective, max_tokens: int, windows: Windows | None) -> tuple[int, int]:
    """Return how many sequences an instance of the objective's length is read in, and how long each is."""
    length = min(objective.input_tokens, max_tokens)
    if windows is None:
        return 1, length
    return len(spans(objective.input_tokens, max_tokens, windows.stride, windows.most)), length


def assess(
    objective: ServiceObjective,
    formats: Sequence[Mapping[str, Any]],
    cores: int,
    *,
    max_tokens: int,
    windows: Windows | None = None,
) -> dict[str, Any]:
    """Return the `gnomon.v1.ServiceReport` of the `gnomon.v1.FormatReport`s of a run.

    The format it names is, of those that meet the objective, the one that
    loses the least on held-out rows (of macro-F1 or of the F1 of what is
    flagged, whichever falls more), and of equals the fastest; where none meets
    it, the one that comes nearest.
    """
    sequences, length = read_as(objective, max_tokens, windows)
    found = [
        carried(objective, entry, sequences, length, cores)
        for entry in formats
        if entry.get("latency_profile")
    ]
    meeting = [entry for entry in found if entry.meets]
    if meeting:
        chosen = min(meeting, key=lambda entry: (entry.loss, entry.p95_ms))
    elif found:
        chosen = min(found, key=_distance)
    else:
        chosen = None
    return {
        "objective": asdict(objective) | {"on_miss": objective.on_miss.name},
        "met": bool(meeting),
        "format": chosen.format if chosen else "",
        "formats": list(map(_report_of, found)),
        "reason": "" if meeting else _reason(objective, chosen),
    }


def carried(
    objective: ServiceObjective, report: Mapping[str, Any], sequences: int, length: int, cores: int
) -> Carried:
    """Return what a format does under the objective's peak, from its latency profile.

    The expected p95 is the time alone that 99 of 100 do not exceed, plus the
    wait that 95 of 100 do not exceed in a queue of as many servers as `cores`
    that together reach the measured capacity: Erlang's delay formula (1917)
    for arrivals at random, M/M/c. Service times vary less than that supposes,
    so that the wait is rather too long than too short.
    """
    points = sorted(report["latency_profile"], key=lambda point: point["tokens"])
    point = next((p for p in points if p["tokens"] >= length), points[-1])
    capacity = point["capacity_per_second"] / sequences
    wait_s = _wait_s(objective.load, capacity, cores)
    p95_ms = None if wait_s is None else sequences * point["alone_p99_ms"] + wait_s * 1_000
    measures = {m["key"]: m["value"] for m in report["measures"]}
    return Carried(
        format=report["format"],
        meets=p95_ms is not None and p95_ms <= objective.p95_ms,
        p95_ms=None if p95_ms is None else float(f"{p95_ms:.4g}"),
        capacity_per_second=float(f"{capacity:.4g}"),
        average_utilization=float(f"{(objective.average_qps or objective.load) / capacity:.4g}"),
        peak_utilization=float(f"{objective.load / capacity:.4g}"),
        macro_f1_drop=measures.get("macro_f1_drop", 0.0),  # one as exact as the reference loses nothing
        flagged_f1_drop=measures.get("flagged_f1_drop"),
    )


def _wait_s(arrivals: float, capacity: float, servers: int) -> float | None:
    """Return the wait that 95 of 100 do not exceed in an M/M/c queue, in seconds; None if it only grows."""
    if arrivals >= capacity:
        return None
    offered = arrivals / capacity * servers
    blocked = 1.0
    for server in range(1, servers + 1):  # Erlang B, one server more at a time
        blocked = offered * blocked / (server + offered * blocked)
    waits = blocked / (1 - offered / servers * (1 - blocked))  # Erlang C: the share that waits at all
    return max(0.0, math.log(waits / _TAIL)) / (capacity - arrivals) if waits > 0 else 0.0


def _distance(entry: Carried) -> tuple[bool, float]:
    return (entry.p95_ms is None, entry.peak_utilization if entry.p95_ms is None else entry.p95_ms)


def figures_of(entry: Mapping[str, Any]) -> str:
    """Return a `gnomon.v1.FormatService` in a few words."""
    p95 = f"p95 {entry['p95_ms']:.4g} ms" if "p95_ms" in entry else "cannot keep up"
    at = f"{entry['peak_utilization']:.0%} of {entry['capacity_per_second']:.4g} instances/s"
    return f"{entry['format']}: {p95}, {at}"


def _report_of(entry: Carried) -> dict[str, Any]:
    return {key: value for key, value in asdict(entry).items() if value is not None}


def _reason(objective: ServiceObjective, nearest: Carried | None) -> str:
    asked = (
        f"{objective.load:g} instances/s of {objective.input_tokens} tokens within {objective.p95_ms:g} ms"
    )
    if nearest is None:
        return f"No format was measured, so that nothing is known of {asked} (p95)."
    return (
        f"No format carries {asked} (p95) on this machine. The nearest is {figures_of(_report_of(nearest))}."
    )
