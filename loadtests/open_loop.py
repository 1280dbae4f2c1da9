"""An open-loop load: calls leave at times drawn before the start, whatever became of earlier ones.

Applications do not wait for each other, so a load that does (a loop of callers, each
waiting for its answer) asks less of a slow server and hides the slowness. Here a
latency counts from the moment a call was *meant* to leave: what a stall delays is
counted as late ("coordinated omission", G. Tene, "How NOT to measure latency").

Run it as `python -m loadtests.open_loop --help`.
"""

import asyncio
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loadtests.target import GrpcTarget, score_requests

__all__ = [
    "GrpcTarget",
    "Sample",
    "Send",
    "arrivals",
    "call_count",
    "quantile",
    "run",
    "score_requests",
    "summary",
]

REFUSED = "RESOURCE_EXHAUSTED"

# Makes call number i; returns its status, such as "OK", and when a refusal said to come back, in seconds.
Send = Callable[[int], Awaitable[tuple[str, float | None]]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One call. Times are seconds from the start of the run; `code` is the name of its gRPC status."""

    intended_s: float
    sent_s: float
    done_s: float
    code: str
    lane: str
    retry_after_s: float | None

    @property
    def latency_ms(self) -> float:
        return (self.done_s - self.intended_s) * 1e3

    @property
    def lag_ms(self) -> float:
        """How late the generator itself was."""
        return (self.sent_s - self.intended_s) * 1e3


def call_count(rate_per_s: float, seconds: float) -> int:
    """Return how many calls leave in so many seconds: whole ones."""
    return round(rate_per_s * seconds)


def arrivals(
    rate_per_s: float, seconds: float, seed: int, kind: Literal["poisson", "constant"] = "poisson"
) -> list[float]:
    """Return the times at which calls leave, ascending, in [0, `seconds`), `call_count` of them.

    "poisson": as those of many independent callers. Given how many there are, the arrivals of
    a Poisson process are independent and uniform, so the rate is exact and only the gaps are drawn.
    "constant": equal gaps.
    """
    number = call_count(rate_per_s, seconds)
    if kind == "constant":
        return [n * seconds / number for n in range(number)]
    draw = random.Random(seed)
    return sorted(draw.random() * seconds for _ in range(number))


async def run(send: Send, times: Sequence[float], lane: str = "") -> list[Sample]:
    """Call `send(i)` at `times[i]` (ascending, seconds from now) without waiting for earlier calls.

    Returns one sample a call, in the order of `times`, when all are done.

    Raises:
        ExceptionGroup: what `send` raised; the other calls are cancelled. A failed call is no
            exception but a code.
    """
    loop = asyncio.get_running_loop()
    samples: list[Sample | None] = [None] * len(times)
    all_sent = asyncio.Event()
    left = threading.Event()
    started = time.perf_counter()

    async def call(i: int) -> None:
        sent = time.perf_counter() - started
        code, retry_after_s = await send(i)
        samples[i] = Sample(times[i], sent, time.perf_counter() - started, code, lane, retry_after_s)

    # A thread keeps the time: the event loop's own timers are up to a millisecond late.
    def keep_time() -> None:
        due = 0
        while due < len(times) and not left.wait(max(0.0, times[due] - (time.perf_counter() - started))):
            passed = time.perf_counter() - started
            first = due
            while due < len(times) and times[due] <= passed:
                due += 1
            if due > first and not left.is_set():
                loop.call_soon_threadsafe(fire, first, due)
        if not left.is_set():
            loop.call_soon_threadsafe(all_sent.set)

    try:
        async with asyncio.TaskGroup() as calls:

            def fire(first: int, end: int) -> None:
                if not left.is_set():
                    for i in range(first, end):
                        calls.create_task(call(i))

            clock = threading.Thread(target=keep_time, name="arrivals", daemon=True)
            clock.start()
            try:
                await all_sent.wait()
            finally:
                left.set()
                clock.join()
    finally:
        left.set()
    return [one for one in samples if one is not None]


def quantile(values: Iterable[float], share: float) -> float | None:
    """Return the smallest value that at least that share of the values does not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def summary(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what a run came to. Latencies are of calls that were answered, from the intended time."""
    answered = sorted(one.latency_ms for one in samples if one.code == "OK")
    refused = sorted(one.latency_ms for one in samples if one.code == REFUSED)
    seconds = max((one.done_s for one in samples), default=0.0)
    return {
        "count": len(samples),
        "ok": len(answered),
        "codes": dict(Counter(one.code for one in samples).most_common()),
        "seconds": seconds,
        "sent_per_s": len(samples) / seconds if seconds else 0.0,
        "goodput_per_s": len(answered) / seconds if seconds else 0.0,
        "p50_ms": quantile(answered, 0.5),
        "p95_ms": quantile(answered, 0.95),
        "p99_ms": quantile(answered, 0.99),
        "max_ms": answered[-1] if answered else None,
        "refused_p50_ms": quantile(refused, 0.5),
        "refused_p99_ms": quantile(refused, 0.99),
        "lag_p99_ms": quantile((one.lag_ms for one in samples), 0.99),
    }


if __name__ == "__main__":
    import sys

    from loadtests.command import main

    sys.exit(main())
