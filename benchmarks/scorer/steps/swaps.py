"""20 new versions, one after the other, under 60 % load: no call fails, and old versions give memory back."""

import time
from collections import Counter
from dataclasses import replace
from typing import Any

from benchmarks.scorer import evaluators
from benchmarks.scorer.bench import METRIC, Bench, Outcome, latencies, percentiles
from benchmarks.scorer.watching import held, memory_mib

_ALIAS = "production"
_SHARE = 0.6


def run(bench: Bench) -> Outcome:
    """The memory budget holds two versions and a half, so that old ones must leave.

    Raises:
        RuntimeError: the load ended before the last swap.
    """
    count = 2 if bench.quick else 20
    rate = _SHARE * bench.capacity()
    size = bench.site.loaded()[bench.version].memory_bytes
    bench.site.restart({"GNOMON_SCORER_MEMORY_BUDGET_BYTES": str(int(2.5 * size))})
    bench.site.client.aliases.set(METRIC, _ALIAS, bench.version.rpartition("@")[2])
    target = bench.target(version=f"{METRIC}@{_ALIAS}")
    bench.site.wait_until_scored(target["version"])
    _publish(bench, 0)
    _publish(bench, 1)  # both places are taken now, as they will be after each swap
    bench.caller().ask("closed", target=target, callers=16, limit_s=20)
    before = held(bench.site.pid)
    load = bench.caller("swaps")
    seconds, room = bench.long_or_quick(120, 20), bench.long_or_quick(15, 8)
    load.begin("open", target=target, rate=rate, seconds=seconds, deadline_s=10.0, seed=5)
    began, swaps = time.monotonic(), []
    for number in range(count):
        swaps.append(_publish(bench, number + 2))
        time.sleep(max(0.0, began + (number + 1) * (seconds - room) / count - time.monotonic()))
    swapped = time.monotonic()
    answer = load.end()
    if swapped > answer["started"] + seconds:
        raise RuntimeError(f"the swaps took {swapped - began:.0f} s, the load ended before")
    time.sleep(3)
    after = held(bench.site.pid)
    failed = Counter(code for *_, code in answer["samples"] if code != "OK")
    details: dict[str, Any] = {
        "swaps": count,
        "calls": len(answer["samples"]),
        "failed": failed,
        "calls_per_s": rate,
        **percentiles(latencies(answer["samples"])),
        "longest_swap_s": max(swaps),
        "before": before,
        "after": after,
        "memory_change": after["memory_mib"] / before["memory_mib"] - 1,
    }
    bench.site.restart()
    bench.site.wait_until_scored(bench.version)
    details["memory_of_a_fresh_process_mib"] = memory_mib(bench.site.pid)
    return Outcome({}, details)


def _publish(bench: Bench, number: int) -> float:
    """Register a version that differs in its threshold, move the alias, wait until it answers."""
    began = time.monotonic()
    folder = evaluators.cut(bench.source, bench.work / "swapped", METRIC)
    evaluator = evaluators.read(folder)
    threshold = replace(evaluator.threshold, value=evaluator.threshold.value + 1e-6 * (number + 1))
    evaluators.rewrite(folder, replace(evaluator, threshold=threshold))
    version = bench.site.client.versions.create(METRIC, folder)
    bench.site.client.aliases.set(METRIC, _ALIAS, version.name.rpartition("/")[2])
    until = time.monotonic() + 60
    while bench.site.wait_until_scored(f"{METRIC}@{_ALIAS}").metric_version != version.name:
        if time.monotonic() > until:
            raise RuntimeError(f"{version.name} did not take over within 60 s")
        time.sleep(0.1)
    return time.monotonic() - began
