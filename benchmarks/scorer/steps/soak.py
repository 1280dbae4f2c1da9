"""Mixed traffic for long: singles, batches, a bulk job, cancelled calls; what is held over time."""

import time
from collections import Counter
from typing import Any

from benchmarks.scorer.bench import Bench, Outcome, latencies, percentiles
from benchmarks.scorer.watching import held, slope

_SHARE = 0.3
_CHUNK_S = 30.0
_WARM_SHARE = 0.2


def run(bench: Bench) -> Outcome:
    seconds = bench.soak_minutes * 60
    chunk = min(_CHUNK_S, seconds / 4)
    rate = _SHARE * bench.capacity()
    codes: Counter[str] = Counter()
    times_ms: list[float] = []
    seen: list[dict[str, float]] = []
    bulk = bench.caller("bulk")
    bulk.begin("stream", target=bench.target(), rows=10**7, seconds=seconds)
    began, seed = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        seed += 1
        singles = bench.caller("singles")
        singles.begin("open", target=bench.target(), rate=rate, seconds=chunk, deadline_s=5.0, seed=seed)
        batch = bench.caller().ask("closed", target=bench.target(), callers=1, size=64, limit_s=2)
        codes.update(batch["codes"])
        indices = list(range(100))
        bench.caller().ask(
            "cancel", target=bench.target(), indices=indices, count=50, wave=50, within_s=0.05, seed=seed
        )
        _watch(bench, seen, began, began + seed * chunk)
        answer = singles.end()
        codes.update(code for *_, code in answer["samples"])
        times_ms += latencies(answer["samples"])
    job = bulk.end()
    return Outcome({}, _trend(seen) | _load(codes, times_ms, job, began))


def _watch(bench: Bench, seen: list[dict[str, float]], began: float, until: float) -> None:
    while True:
        seen.append({"at_s": time.monotonic() - began, **held(bench.site.pid)})
        if time.monotonic() >= until:
            return
        time.sleep(min(5.0, max(0.1, until - time.monotonic())))


def _trend(seen: list[dict[str, float]]) -> dict[str, Any]:
    """Return slopes after the warm-up: its first 20 %."""
    settled = [one for one in seen if one["at_s"] >= _WARM_SHARE * seen[-1]["at_s"]]
    at = [one["at_s"] for one in settled]
    held_over_time = {kind: [one[kind] for one in settled] for kind in ("memory_mib", "files", "threads")}
    return {
        "minutes": seen[-1]["at_s"] / 60,
        **{f"{kind}_per_minute": 60 * slope(at, values) for kind, values in held_over_time.items()},
        **{kind: [values[0], values[-1]] for kind, values in held_over_time.items()},
        "seen": seen[:: max(1, len(seen) // 60)],
    }


def _load(codes: Counter[str], times_ms: list[float], job: dict[str, Any], began: float) -> dict[str, Any]:
    return {
        "codes": codes,
        **percentiles(times_ms),
        "bulk_rows": job["timeline"][-1][1] if job["timeline"] else 0,
        "bulk_errors": job["errors"],
        "bulk_ended": job["code"],
        "wall_s": time.monotonic() - began,
    }
