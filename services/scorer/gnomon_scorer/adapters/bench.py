"""Measures models on this machine."""

import contextlib
import hashlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from gnomon.tokens import Tokens
from gnomon_scorer.adapters.engines import Model
from gnomon_scorer.domain.loaded import first_line
from gnomon_scorer.domain.ports import Way
from gnomon_scorer.domain.tuning import batches

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Seat:
    model: Model
    speed: float = 0.0


class Bench:
    """Models that are open to be measured: the fastest so far, and the current one."""

    def __init__(self, open_: Callable[[Way], Model], cores: int, length_steps: Mapping[str, int]) -> None:
        self._open = open_
        self._cores = cores
        self._length_steps = length_steps
        self._seats: dict[tuple[str, int], _Seat] = {}

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        for seat in self._seats.values():
            seat.model.close()
        self._seats.clear()

    def measure(self, way: Way, rows: Sequence[Tokens]) -> float:
        """Return the seconds that it takes to run rows, by as many callers as have room."""
        try:
            seat = self._seat(way)
            made = batches(rows, way.limits(self._length_steps[way.format]))
            with ThreadPoolExecutor(max(1, self._cores // way.threads), thread_name_prefix="tune") as callers:
                began = time.perf_counter()
                for _ in callers.map(seat.model.run, made):
                    pass
                seconds = time.perf_counter() - began
        except Exception as error:
            log.warning("a format cannot be used", format=way.format, error=first_line(error))
            raise
        seat.speed = max(seat.speed, len(rows) / max(seconds, 1e-9))
        return seconds

    def open(self, way: Way) -> None:
        """Open a model, unless it is, or raise what makes that impossible."""
        self._seat(way)

    def take(self, way: Way) -> Model:
        """Return the model to go on with; the caller closes it."""
        seat = self._seat(way)
        del self._seats[way.format, way.threads]
        return seat.model

    def _seat(self, way: Way) -> _Seat:
        place = (way.format, way.threads)
        if place not in self._seats:
            fastest = max(self._seats, key=lambda one: self._seats[one].speed, default=None)
            for other in [one for one in self._seats if one != fastest]:
                self._seats.pop(other).model.close()
            self._seats[place] = _Seat(self._open(way))
        return self._seats[place]


def processor() -> str:
    """Return what tells this processor's speed and abilities from another's."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        flags = hashlib.sha256(told.get("flags", told.get("Features", "")).encode()).hexdigest()[:8]
        numbers = [told[key] for key in ("cpu family", "model", "stepping") if key in told]
        name = " ".join([told.get("model name", name), "/".join(numbers), flags]).strip()
    return name
