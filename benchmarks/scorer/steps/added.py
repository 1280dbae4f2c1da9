"""What serving adds to a single call: the same texts at 10 calls/s, without a server and over the wire."""

from typing import Any

from benchmarks.scorer.bench import Bench, Outcome, latencies, median

_RATE = 10.0


def run(bench: Bench) -> Outcome:
    seconds = bench.long_or_quick(12, 3)
    indices = list(range(int(_RATE * seconds)))
    rounds: list[dict[str, float]] = []
    _served(bench, indices, seconds)
    bench.raw(bench.format, bench.threads).ask("singles", indices=indices, rate=_RATE * 5)
    for _ in range(3):
        raw = bench.raw(bench.format, bench.threads).ask("singles", indices=indices, rate=_RATE)
        served = _served(bench, indices, seconds)
        together = [s - r for s, r in zip(served, raw, strict=True)]
        rounds.append(
            {
                "raw_p50_ms": median(raw),
                "served_p50_ms": median(served),
                "added_p50_ms": median(served) - median(raw),
                "added_to_the_same_text_p50_ms": median(together),
            }
        )
    details: dict[str, Any] = {"rounds": rounds, "calls_a_round": len(indices), "threads": bench.threads}
    return Outcome({"served_added_p50": median(one["added_p50_ms"] for one in rounds)}, details)


def _served(bench: Bench, indices: list[int], seconds: float) -> list[float]:
    answer = bench.caller().ask(
        "open", target=bench.target(), indices=indices, rate=_RATE, seconds=seconds, kind="constant"
    )
    found = latencies(answer["samples"])
    if len(found) != len(indices):
        raise RuntimeError(f"{len(indices) - len(found)} of {len(indices)} calls failed")
    return found
