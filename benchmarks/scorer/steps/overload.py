"""Three times more than the scorer can do, with deadlines of 300 ms; and how it comes back."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.scorer.bench import Bench, Outcome, latencies, percentiles
from benchmarks.scorer.watching import memory_mib

from loadtests.open_loop import quantile

_DEADLINE_S = 0.3
_TIMES = 3.0
_CALM_SHARE = 0.2
_NORMAL = 1.5  # × the p99 before, of windows of 5 s
_WINDOW_S = 5.0
_LAG_MS = 100.0
Send = Callable[[int], list[dict[str, Any]]]


def run(bench: Bench) -> Outcome:
    """Measure.

    Raises:
        RuntimeError: the callers were late themselves: the load was not what it was to be.
    """
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

    def send(senders: int) -> list[dict[str, Any]]:
        nonlocal watch
        watch = bench.cpu()
        return _sent(bench, _TIMES * peak_before, seconds, senders)

    storms = punctual(send, patient=bench.quick)
    cpu = watch.stop()
    after = bench.caller("calm").ask("open", **calm, seed=3)
    time.sleep(1)
    peaks = [peak_before, bench.capacity()]
    peak = sum(peaks) / 2
    started, samples = merged(storms)
    found = share(samples, seconds)
    lengths = bench.lengths()
    tokens = sum(_tokens(lengths, one["samples"]) for one in storms)
    found["goodput_in_tokens"] = tokens / found["seconds"] / (peak * _mean(lengths))
    found["peak_per_s"] = peaks
    found["senders"] = len(storms)
    found["cpu"] = cpu | {"callers_s": sum(one["cpu_s"] for one in storms)}
    found["memory_growth_mib"] = memory_mib(bench.site.pid) - memory_before
    found["p99_before_ms"] = percentiles(latencies(before["samples"]))["p99_ms"]
    gap_s = after["started"] - (started + found["seconds"])
    found |= {"calm_again_after_s": _calm(after["samples"], found["p99_before_ms"], gap_s)}
    found["calm_calls_failed"] = sum(code != "OK" for *_, code in after["samples"])
    return Outcome({"overload_goodput": found["goodput_per_s"] / peak}, found)


def _sent(bench: Bench, rate: float, seconds: float, senders: int) -> list[dict[str, Any]]:
    """Send at `rate` from so many processes."""
    target = bench.target(channels=2 if senders == 1 else 1)
    fields = {"target": target, "rate": rate / senders, "seconds": seconds, "deadline_s": _DEADLINE_S}
    callers = [bench.caller(f"storm {number}") for number in range(senders)]
    for number, caller in enumerate(callers):
        caller.begin("open", **fields, seed=2 + 10 * number)
    return [caller.end() for caller in callers]


def punctual(send: Send, patient: bool = False) -> list[dict[str, Any]]:
    """Return what one sender found, or two if one alone is too late to be what it pretends to be.

    Raises:
        RuntimeError: two are too late as well, and nobody is `patient`.
    """
    answers: list[dict[str, Any]] = []
    for senders in (1, 2):
        answers = send(senders)
        if _lag_ms(merged(answers)[1]) <= _LAG_MS:
            return answers
    if patient:
        return answers
    lag = _lag_ms(merged(answers)[1])
    raise RuntimeError(f"the callers' own lag is {lag:.0f} ms at p99: the load is not what it was to be")


def _lag_ms(samples: list[list[Any]]) -> float:
    return quantile(((sent - at) * 1e3 for at, sent, *_ in samples), 0.99) or 0.0


def merged(answers: list[dict[str, Any]]) -> tuple[float, list[list[Any]]]:
    """Return when the first sender started, and all samples in seconds from then."""
    started = min(one["started"] for one in answers)
    samples = [
        [*(at + one["started"] - started for at in times), code]
        for one in answers
        for *times, code in one["samples"]
    ]
    return started, sorted(samples, key=lambda sample: sample[0])


def share(samples: list[list[Any]], planned_s: float) -> dict[str, Any]:
    """Return what became of the calls, by the caller's clock from sending.

    Rates are of the time in which calls were really sent. The caller's own deadline cuts calls off,
    so an answer that the scorer gives too late is among those that `ran_out_of_time`: of the calls
    that were not refused, those without an answer in time.
    """
    seconds = max(planned_s, max((sent for _, sent, *_ in samples), default=0.0))
    codes = Counter(code for *_, code in samples)
    from_sending = [(done - sent) * 1e3 for _, sent, done, code in samples if code == "OK"]
    refused = [(done - sent) * 1e3 for _, sent, done, code in samples if code == "RESOURCE_EXHAUSTED"]
    out_of_time, admitted = codes["DEADLINE_EXCEEDED"], codes["DEADLINE_EXCEEDED"] + codes["OK"]
    return {
        "seconds": seconds,
        "sent_per_s": len(samples) / seconds,
        "codes": codes,
        "goodput_per_s": sum(ms <= _DEADLINE_S * 1e3 for ms in from_sending) / seconds,
        "answers_after_their_deadline": sum(ms > _DEADLINE_S * 1e3 for ms in from_sending),
        "ran_out_of_time": out_of_time,
        "ran_out_of_time_share": out_of_time / admitted if admitted else None,
        "answered": percentiles(from_sending),
        "refused": percentiles(refused),
        "own_lag_p99_ms": _lag_ms(samples),
    }


def _tokens(lengths: list[int], samples: list[list[Any]]) -> int:
    """Return the tokens of all texts that one sender had answered in time."""
    return sum(
        lengths[i % len(lengths)]
        for i, (_, sent, done, code) in enumerate(samples)
        if code == "OK" and done - sent <= _DEADLINE_S
    )


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
