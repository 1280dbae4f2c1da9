"""A bulk job of at least 50,000 rows beside guardrail calls: what each loses by the other.

The job is real and open-ended; of each phase a window is measured, and the job is then ended.
"""

import time
from typing import Any

from benchmarks.scorer.bench import Bench, Outcome, latencies, percentiles

_ROWS = 50_000
_SHARE = 0.2
_WARM_S = 5.0
_SLACK_S = 10.0


def run(bench: Bench) -> Outcome:
    """Measure.

    Raises:
        RuntimeError: the job ended before its second window did.
    """
    window = bench.long_or_quick(40, 4)
    capacity = bench.capacity()
    rate = _SHARE * capacity
    guard = {"target": bench.target(lane="guardrail"), "rate": rate, "seconds": window, "deadline_s": 5.0}
    bench.caller().ask("open", **guard | {"seconds": 2}, seed=1)
    idle = bench.caller().ask("open", **guard, seed=2)
    job = bench.caller("bulk")
    length = _WARM_S + 2 * window + _SLACK_S
    rows = max(_ROWS, int(4 * capacity * length))  # requests of 64 go faster than single texts
    job.begin("stream", target=bench.target(), rows=rows, seconds=length, size=64)
    time.sleep(_WARM_S)
    solo_began = time.monotonic()
    time.sleep(window)
    busy = bench.caller().ask("open", **guard, seed=3)
    bulk = job.end()
    last = bulk["timeline"][-1][0] if bulk["timeline"] else bulk["began"]
    if last < busy["started"] + window:
        early = busy["started"] + window - last
        raise RuntimeError(f"the job ended {early:.1f} s too early: {bulk['code']}, {bulk['errors']}")
    solo = _rate(bulk["timeline"], solo_began, solo_began + window)
    shared = _rate(bulk["timeline"], busy["started"], busy["started"] + window)
    details: dict[str, Any] = {
        "rows_of_the_job": rows,
        "window_s": window,
        "guardrail_calls_per_s": rate,
        "guardrail_idle": _guarded(idle),
        "guardrail_beside_bulk": _guarded(busy),
        "bulk_solo_per_s": solo,
        "bulk_shared_per_s": shared,
        "bulk_kept": shared / solo if solo else 0.0,
        "job_ended": bulk["code"],
        "row_errors": bulk["errors"],
    }
    p99 = [details[name]["p99_ms"] for name in ("guardrail_beside_bulk", "guardrail_idle")]
    details["guardrail_failed"] = sum(
        details[name]["failed"] for name in ("guardrail_beside_bulk", "guardrail_idle")
    )
    details["guardrail_p99_ratio"] = p99[0] / p99[1] if all(p99) else None
    return Outcome({}, details)


def _guarded(answer: dict[str, Any]) -> dict[str, Any]:
    failed = sum(code != "OK" for *_, code in answer["samples"])
    return percentiles(latencies(answer["samples"])) | {"calls": len(answer["samples"]), "failed": failed}


def _rate(timeline: list[list[float]], start: float, end: float) -> float:
    """Return the rows answered a second in the window."""

    def rows(at: float) -> float:
        return max((count for when, count in timeline if when <= at), default=0)

    return (rows(end) - rows(start)) / (end - start)
