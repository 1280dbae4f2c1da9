"""Three times more than the scorer can do, with deadlines of 300 ms; and how it comes back."""

import time
from collections import Counter
from typing import Any

from benchmarks.scorer.bench import Bench, Outcome, latencies, percentiles
from benchmarks.scorer.watching import memory_mib

from loadtests.open_loop import quantile

_DEADLINE_S = 0.3
_TIMES = 3.0
_CALM_SHARE = 0.2
_NORMAL = 1.5  # × the p99 before, of windows of 5 s
_WINDOW_S = 5.0


def run(bench: Bench) -> Outcome:
    peak_before = bench.capacity()
    calm = {
        "target": bench.target(),
        "rate": _CALM_SHARE * peak_before,
        "seconds": bench.long_or_quick(15, 4),
    }
    before = bench.caller("calm").ask("open", **calm, seed=1)
    memory_before = memory_mib(bench.site.pid)
    seconds = bench.long_or_quick(30, 4)
    watch = bench.cpu()
    storm = bench.caller("storm").ask(
        "open",
        target=bench.target(channels=2),
        rate=_TIMES * peak_before,
        seconds=seconds,
        deadline_s=_DEADLINE_S,
        seed=2,
    )
    cpu = watch.stop()
    after = bench.caller("calm").ask("open", **calm, seed=3)
    time.sleep(1)
    peaks = [peak_before, bench.capacity()]
    peak = sum(peaks) / 2
    found = _storm(storm, seconds)
    found["peak_per_s"] = peaks
    found["goodput_in_tokens"] = _tokens(bench, storm) / seconds / (peak * _mean(bench.lengths()))
    found["cpu"] = cpu | {"caller_s": storm["cpu_s"]}
    found["memory_growth_mib"] = memory_mib(bench.site.pid) - memory_before
    found["p99_before_ms"] = percentiles(latencies(before["samples"]))["p99_ms"]
    gap_s = after["started"] - (storm["started"] + seconds)
    found |= {"calm_again_after_s": _calm(after["samples"], found["p99_before_ms"], gap_s)}
    found["calm_calls_failed"] = sum(code != "OK" for *_, code in after["samples"])
    return Outcome({"overload_goodput": found["goodput_per_s"] / peak}, found)


def _storm(answer: dict[str, Any], seconds: float) -> dict[str, Any]:
    samples = answer["samples"]
    took = {code: latencies(samples, code) for code in {code for *_, code in samples}}
    from_sending = [(done - sent) * 1e3 for _, sent, done, code in samples if code == "OK"]
    refused = [(done - sent) * 1e3 for _, sent, done, code in samples if code == "RESOURCE_EXHAUSTED"]
    return {
        "sent_per_s": len(samples) / seconds,
        "codes": Counter(code for *_, code in samples),
        "goodput_per_s": sum(ms <= _DEADLINE_S * 1e3 for ms in from_sending) / seconds,
        "answers_after_their_deadline": sum(ms > _DEADLINE_S * 1e3 for ms in from_sending),
        "ran_out_of_time": len(took.get("DEADLINE_EXCEEDED", [])),
        "answered": percentiles(from_sending),
        "refused": percentiles(refused),
        "own_lag_p99_ms": quantile(((sent - at) * 1e3 for at, sent, *_ in samples), 0.99),
    }


def _tokens(bench: Bench, answer: dict[str, Any]) -> int:
    """Return the tokens of all texts that were answered: short ones are refused less often."""
    lengths = bench.lengths()
    codes = [code for *_, code in answer["samples"]]
    return sum(lengths[i % len(lengths)] for i, code in enumerate(codes) if code == "OK")


def _mean(values: list[int]) -> float:
    return sum(values) / len(values)


def _calm(samples: list[list[Any]], normal_ms: float | None, gap_s: float) -> float | None:
    """Return how long after the load fell the p99 of a window of 5 s was normal first; None: not at all."""
    if normal_ms is None or not samples:
        return None
    length_s = min(_WINDOW_S, samples[-1][0] / 2)
    for start in range(int(samples[-1][0] - length_s) + 1):
        window = [one for one in samples if start <= one[0] < start + length_s]
        p99 = quantile(latencies(window), 0.99)
        if p99 is not None and p99 <= _NORMAL * normal_ms and all(one[3] == "OK" for one in window):
            return gap_s + start
    return None
