"""What something took: seconds of the clock, and seconds that processors worked for it.

Where other work runs beside a benchmark, the clock goes on while it waits; seconds of processors hardly do.
"""

import contextlib
import resource
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Seconds:
    """`wall`: of the clock; `processor`: user and system, of all threads together."""

    wall: float = 0.0
    processor: float = 0.0

    def __sub__(self, before: "Seconds") -> "Seconds":
        return Seconds(self.wall - before.wall, self.processor - before.processor)

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.wall + other.wall, self.processor + other.processor)


def now() -> Seconds:
    """Return where this process stands, with the children that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Seconds(time.monotonic(), sum(one.ru_utime + one.ru_stime for one in used))


def now_of(pid: int) -> Seconds:
    """Return where another process stands, with all below it, whether they run or were waited for."""
    processor = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                processor += sum(process.cpu_times()[:4])  # user, system, and those of ended children
    return Seconds(time.monotonic(), processor)
