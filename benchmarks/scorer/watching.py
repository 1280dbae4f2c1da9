"""What a process costs, seen from outside: processor time by thread, memory, open files."""

import time
from dataclasses import dataclass, field
from typing import Any

import psutil

MIB = 1024**2


def memory_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / MIB


def held(pid: int) -> dict[str, float]:
    process = psutil.Process(pid)
    return {
        "memory_mib": memory_mib(pid),
        "files": process.num_fds(),
        "threads": process.num_threads(),
    }


@dataclass
class Cpu:
    """Processor seconds of one process between `start` and `stop`, by kind of thread.

    The main thread runs the event loop; the `lanes` busiest others run the evaluator, be they the
    scorer's or its runtime's; the rest tokenize, or belong to gRPC.
    """

    pid: int
    lanes: int
    _before: dict[int, float] = field(default_factory=dict)
    _began: float = 0.0

    def start(self) -> "Cpu":
        self._before, self._began = self._threads(), time.monotonic()
        return self

    def stop(self) -> dict[str, Any]:
        spent = {id_: s - self._before.get(id_, 0.0) for id_, s in self._threads().items()}
        loop = spent.pop(self.pid, 0.0)
        others = sorted(spent.values(), reverse=True)
        return {
            "wall_s": time.monotonic() - self._began,
            "event_loop_s": loop,
            "lanes_s": sum(others[: self.lanes]),
            "other_threads_s": sum(others[self.lanes :]),
        }

    def _threads(self) -> dict[int, float]:
        return {t.id: t.user_time + t.system_time for t in psutil.Process(self.pid).threads()}


def slope(times_s: list[float], values: list[float]) -> float:
    """Return the least-squares slope of values over time, per second."""
    n = len(times_s)
    mean_t, mean_v = sum(times_s) / n, sum(values) / n
    spread = sum((t - mean_t) ** 2 for t in times_s)
    if not spread:
        return 0.0
    return sum((t - mean_t) * (v - mean_v) for t, v in zip(times_s, values, strict=True)) / spread
