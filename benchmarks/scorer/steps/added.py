"""What serving adds to a single call: the same texts at 10 calls/s, without a server and over the wire.

A server that answers every call at once is called in the same way: that much
of it is gRPC and the machine's waking up, whatever is served.
"""

from typing import Any

from benchmarks.scorer.bench import Bench, Outcome, latencies, median
from benchmarks.scorer.children import Child

_RATE = 10.0


def run(bench: Bench) -> Outcome:
    seconds = bench.long_or_quick(12, 3)
    indices = list(range(int(_RATE * seconds)))
    rounds: list[dict[str, float]] = []
    bare = Child("bare")
    bench.stack.callback(bare.close)
    bare_target = bench.target() | {"grpc": bare.ask("address")}
    _served(bench, indices, seconds, bench.target())
    bench.raw(bench.format, bench.threads).ask("singles", indices=indices, rate=_RATE * 5)
    for _ in range(3):
        raw = bench.raw(bench.format, bench.threads).ask("singles", indices=indices, rate=_RATE)
        served = _served(bench, indices, seconds, bench.target())
        nothing = _served(bench, indices, seconds, bare_target)
        together = [s - r for s, r in zip(served, raw, strict=True)]
        rounds.append(
            {
                "raw_p50_ms": median(raw),
                "served_p50_ms": median(served),
                "bare_grpc_p50_ms": median(nothing),
                "added_p50_ms": median(served) - median(raw),
                "added_to_the_same_text_p50_ms": median(together),
            }
        )
    details: dict[str, Any] = {"rounds": rounds, "calls_a_round": len(indices), "threads": bench.threads}
    return Outcome({"served_added_p50": median(one["added_p50_ms"] for one in rounds)}, details)


def _served(bench: Bench, indices: list[int], seconds: float, target: dict[str, Any]) -> list[float]:
    answer = bench.caller().ask(
        "open", target=target, indices=indices, rate=_RATE, seconds=seconds, kind="constant"
    )
    found = latencies(answer["samples"])
    if len(found) != len(indices):
        raise RuntimeError(f"{len(indices) - len(found)} of {len(indices)} calls failed")
    return found
