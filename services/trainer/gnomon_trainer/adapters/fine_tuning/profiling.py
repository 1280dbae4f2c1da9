"""How fast a format is on this machine: alone, and with all cores busy."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning.scoring import Alone

LENGTHS = (32, 128, 512)
_BATCHES = (1, 4, 16)
_MOST_TOKENS = 4_096  # in a batch
_LEAST_CALLS, _MOST_CALLS = 20, 200


@dataclass(frozen=True, slots=True)
class LatencyPoint:
    """One `gnomon.v1.LatencyPoint`."""

    tokens: int
    alone_p50_ms: float
    alone_p99_ms: float
    capacity_per_second: float
    capacity_batch: int


class Profiler(Protocol):
    """Says how fast an evaluator is for instances of some lengths."""

    def profile(
        self,
        evaluator: Alone,
        like: Tokens,
        max_tokens: int,
        threads: int,
        pause: Callable[[], None],
        *,
        lengths: Sequence[int] = LENGTHS,
    ) -> list[LatencyPoint]: ...


@dataclass(frozen=True, slots=True)
class LatencyProfiler:
    """Measures each figure for about `seconds`, and the time alone in 20 calls at least."""

    seconds: float = 0.25
    clock: Callable[[], float] = time.perf_counter

    def profile(
        self,
        evaluator: Alone,
        like: Tokens,
        max_tokens: int,
        threads: int,
        pause: Callable[[], None],
        *,
        lengths: Sequence[int] = LENGTHS,
    ) -> list[LatencyPoint]:
        """Return a point for each length, 32, 128 and 512 tokens, as far as the evaluator reads them.

        Rows are made of the tokens of `like`, over and over: what they say
        does not matter to the time. `threads` calls run at once for the
        capacity, in batches of 1, 4 or 16, whichever does most. `pause` is
        called between measurements.
        """
        points = []
        for length in sorted({min(length, max_tokens) for length in lengths}):
            row = _of_length(like, length)
            pause()
            alone = self._alone(evaluator, row)
            capacity, batch = 0.0, 1
            for size in _BATCHES:
                if size == 1 or size * length <= _MOST_TOKENS:
                    pause()
                    capacity, batch = max(
                        (capacity, batch), (self._busy(evaluator, row, size, threads), size)
                    )
            p50, p99 = np.percentile(alone, [50, 99])
            points.append(LatencyPoint(length, _rounded(p50), _rounded(p99), _rounded(capacity), batch))
        return points

    def _alone(self, evaluator: Alone, row: Tokens) -> list[float]:
        """Return milliseconds of one call after another."""
        evaluator.logits([row])  # the first call of a shape is slower
        found: list[float] = []
        until = self.clock() + self.seconds
        while len(found) < _LEAST_CALLS or (self.clock() < until and len(found) < _MOST_CALLS):
            start = self.clock()
            evaluator.logits([row])
            found.append((self.clock() - start) * 1_000)
        return found

    def _busy(self, evaluator: Alone, row: Tokens, size: int, threads: int) -> float:
        """Return instances a second of `threads` callers that never wait."""
        rows = [row] * size
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: evaluator.logits(rows), range(threads)))
            start = self.clock()

            def calls(_: int) -> int:
                done = 0
                while not done or self.clock() < start + self.seconds:
                    evaluator.logits(rows)
                    done += 1
                return done

            done = sum(pool.map(calls, range(threads)))
            return done * size / (self.clock() - start)


def machine(package: str, threads: int) -> str:
    """Return what was measured on: processor, cores used of those there are, the runtime's version."""
    return f"{_processor()}, {threads} of {os.cpu_count()} cores, {package} {version(package)}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _of_length(like: Tokens, length: int) -> Tokens:
    times = -(-length // len(like))
    return Tokens((list(like.ids) * times)[:length], [0] * length, truncated=False)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
