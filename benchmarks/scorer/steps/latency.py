"""p50 and p99 at fixed rates, open loop: the scorer and the peers, rate by rate."""

import contextlib
from collections import Counter
from contextlib import nullcontext
from typing import Any

from benchmarks.scorer.bench import Bench, Outcome, percentiles
from benchmarks.scorer.peering import PeerEndedError

_RATES = (20, 40, 80)
_DEADLINE_S = 10.0  # a call that takes longer, or fails, counts as this long
_LATE_S = 1.0


def run(bench: Bench) -> Outcome:
    names = ["gnomon", *bench.peers()]
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for rate in _RATES:
        for name in list(found):
            lost = any(not one["kept_up"] for one in found[name].values())
            seconds = bench.long_or_quick(8 if lost else 20, 3)
            with contextlib.suppress(PeerEndedError):
                found[name][str(rate)] = _measure(bench, name, rate, seconds)
            peer = bench.peers().get(name)
            if peer and not peer.is_alive:
                bench.lose(name, f"it ended at {rate} calls/s")
                del found[name]
    figures = {
        "p99_at_20": found["gnomon"]["20"]["p99_ms"],
        "infinity_p99_at_20": found["infinity"]["20"]["p99_ms"] if "infinity" in found else None,
    }
    return Outcome(
        figures, {"by_server": found, "deadline_s": _DEADLINE_S, "peers_failed": bench.peer_failures}
    )


def _measure(bench: Bench, name: str, rate: int, seconds: float) -> dict[str, Any]:
    peer = bench.peers().get(name)
    target = peer.target if peer else bench.target()
    deadline_s = min(_DEADLINE_S, bench.long_or_quick(_DEADLINE_S, 3))
    command = {"target": target, "seconds": seconds, "deadline_s": deadline_s}
    with peer.awake() if peer else nullcontext():
        bench.caller().ask("open", **command | {"rate": 5, "seconds": 2, "seed": 99})
        answer = bench.caller().ask("open", **command, rate=rate, seed=rate)
    return measured(answer["samples"], seconds, deadline_s)


def measured(samples: list[list[Any]], seconds: float, deadline_s: float) -> dict[str, Any]:
    """Return what a load came to. A call that fails at once is not a quick one: it counts as the deadline.

    A server keeps up if it answers all calls, and 99 % of them within a second of the load's end.
    """
    times = [
        1e3 * (done - intended if code == "OK" else max(deadline_s, done - intended))
        for intended, _, done, code in samples
    ]
    codes = Counter(code for *_, code in samples)
    in_time = sum(code == "OK" and done < seconds + _LATE_S for _, _, done, code in samples)
    return percentiles(times) | {
        "calls": len(samples),
        "seconds": seconds,
        "codes": codes,
        "kept_up": codes["OK"] == len(samples) and in_time >= 0.99 * len(samples),
        "answered_a_second": in_time / seconds,
        "own_lag_p99_ms": percentiles((sent - at) * 1e3 for at, sent, *_ in samples)["p99_ms"],
    }
