"""1,000 cancelled calls: their neighbours do not notice, and the work of the cancelled ones is not done."""

import time
from typing import Any

from benchmarks.scorer.bench import Bench, Outcome

_WITHIN_S = 0.03


def run(bench: Bench) -> Outcome:
    count, wave = (100, 50) if bench.quick else (1_000, 100)
    long = sorted(range(len(bench.texts)), key=lambda i: -bench.lengths()[i])[:200]
    kept = list(range(64))
    target = bench.target()
    groups = [[index] for index in kept]
    alone = bench.caller().ask("scores", target=target, groups=groups)
    rate = bench.capacity()
    neighbours = bench.caller("neighbours")
    neighbours.begin("scores", target=target, groups=groups * (1 if bench.quick else 8), callers=4)
    watch = bench.cpu()
    cancelled = bench.caller("cancelling").ask(
        "cancel", target=target, indices=long, count=count, wave=wave, within_s=_WITHIN_S
    )
    during = watch.stop()
    beside = neighbours.end()
    failed = sum("error" in one[0] for one in beside)
    worst = max(
        (
            abs(one[0]["p"][0] - alone[i % len(kept)][0]["p"][0])
            for i, one in enumerate(beside)
            if "p" in one[0]
        ),
        default=None,
    )
    return Outcome(
        {},
        {
            "cancelled": count,
            "codes": cancelled["codes"],
            "neighbours": len(beside),
            "neighbours_failed": failed,
            "neighbours_largest_probability_change": worst,
            "cpu_while_cancelling": during,
            "backlog": _backlog(bench, target, long, rate),
        },
    )


def _backlog(bench: Bench, target: dict[str, Any], long: list[int], rate: float) -> dict[str, float]:
    """Cancel a backlog of long texts at once; return how long the scorer goes on working on it."""
    count = 100
    indices = (long * (count // len(long) + 1))[:count]
    tokens = sum(bench.lengths()[index] for index in indices)
    whole_s = tokens / (rate * sum(bench.lengths()) / len(bench.lengths()))
    bench.caller("cancelling").ask(
        "cancel", target=target, indices=indices, count=count, wave=count, within_s=0.05
    )
    watch = bench.cpu()
    time.sleep(2.0)
    spent = watch.stop()
    return {
        "texts": count,
        "work_of_all_s": whole_s,
        "lanes_busy_after_the_last_was_cancelled_s": spent["lanes_s"],
    }
