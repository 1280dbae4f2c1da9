"""All engines of this machine as one runtime: chooses the format, measures, opens.

A format that was asked for is used or refused, never replaced. Where none was,
the fastest of those that a bundle has and this machine can run is measured,
once for all evaluators of the same build, and remembered.
"""

import contextlib
import hashlib
import json
import platform
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from gnomon.bundle import ONNX_FP32
from gnomon.errors import VersionUnloadableError
from gnomon.tokens import Tokens
from gnomon_scorer.domain.loaded import first_line
from gnomon_scorer.domain.ports import BatchLimits, Bundle, Logits, Opened, Trial, Tuning, Tunings, Way
from gnomon_scorer.domain.probing import mixed
from gnomon_scorer.domain.tuning import MOST_BLOCKS, batches, tune

log = structlog.get_logger(__name__)

AUTO = "auto"
_METHOD = 1  # to be raised when tunings that are stored are no longer as good as new ones


class Engine(Protocol):
    """One library that runs models. `formats`: what it reads, the fastest first as a rule."""

    @property
    def formats(self) -> Sequence[str]: ...

    @property
    def length_step(self) -> int:
        """What it pads lengths up to a multiple of."""

    @property
    def version(self) -> str: ...

    def problem(self, format: str, /) -> str | None:  # noqa: A002
        """Return why this machine cannot run a format, and what to do; None if it can."""

    def threads(self, cores: int) -> Sequence[int]:
        """Return how many threads a call may have, from 1 on."""

    def open(self, file: Path, format: str, threads: int, cores: int, max_tokens: int) -> "Model":  # noqa: A002
        """Open a model for `cores` / `threads` calls at a time; blocks.

        Raises:
            Exception: it cannot be opened.
        """


class Model(Protocol):
    """A model in memory. `run` is called from several threads at once."""

    @property
    def computes_in_caller(self) -> bool:
        """Whether all work is done by the calling thread, with its priority."""

    @property
    def memory_bytes(self) -> int: ...

    def run(self, batch: Sequence[Tokens], /) -> Logits: ...

    def close(self) -> None: ...


class Runtimes:
    """The engines of a machine with so many cores; see the port `Runtime`.

    `asked`: the format to use, or `auto`. `tuning_s`: how long measuring may
    take, beside opening what is measured; 0: nothing is measured.
    """

    gives_way = True

    def __init__(
        self,
        engines: Sequence[Engine],
        cores: int,
        tunings: Tunings,
        *,
        asked: str = AUTO,
        most_batch_tokens: int = 2048,
        tuning_s: float = 3.0,
    ) -> None:
        self.cores = cores
        self._engines: Mapping[str, Engine] = {f: engine for engine in engines for f in engine.formats}
        self._tunings = tunings
        self._asked = asked
        self._most_batch_tokens = most_batch_tokens
        self._tuning_s = tuning_s
        self.machine = ", ".join([_processor(), f"{cores} cores", *(engine.version for engine in engines)])
        self.problem = None if asked == AUTO else self._problem(asked)

    def load(self, bundle: Bundle, known: Tokens) -> Opened:
        formats, skipped = self._formats(bundle)
        key = self._key(bundle)
        tuning = self._tunings.find(self.machine, key)
        with _Bench(lambda way: self._open(bundle, way), self.cores, self._steps()) as bench:
            if tuning is None or tuning.chosen.way.format not in formats:
                tuning = self._measured(bench, formats, skipped, mixed(known, bundle.evaluator.max_tokens, MOST_BLOCKS))
                if tuning.measured_at is not None:
                    self._tunings.keep(key, tuning)
            way = tuning.chosen.way
            model = bench.take(way)
        reopen = lambda: self._open(bundle, replace(way, threads=1))  # noqa: E731
        limits = way.limits(self._engines[way.format].length_step)
        return Opened(_Backend(model, limits, reopen), tuning)

    def _problem(self, format_: str) -> str | None:
        if format_ not in self._engines:
            return f"This release has no engine for {format_}; it has {', '.join(sorted(self._engines))}."
        return self._engines[format_].problem(format_)

    def _formats(self, bundle: Bundle) -> tuple[list[str], tuple[Trial, ...]]:
        """Return the formats to choose from, the fastest first as a rule, and a trial of those that cannot run here."""
        published = [entry.format for entry in bundle.evaluator.formats]
        if self._asked != AUTO:
            if self.problem is not None:
                raise VersionUnloadableError(self.problem)
            if self._asked not in published:
                raise VersionUnloadableError(
                    f"The version does not have {self._asked}, which this scorer was told to use; it has "
                    f"{', '.join(published)}. Register a version that has it, or set the scorer's format to `auto`."
                )
            return [self._asked], ()
        usable, skipped = [], []
        for format_ in self._engines:
            if format_ not in published:
                continue
            if problem := self._problem(format_):
                log.warning("a format cannot be run here", format=format_, reason=problem)
                skipped.append(Trial(Way(format_, 0, 0)))
            else:
                usable.append(format_)
        if not usable:
            raise VersionUnloadableError(f"This machine can run none of {', '.join(published)}.")
        return usable, tuple(skipped)

    def _measured(
        self, bench: "_Bench", formats: Sequence[str], skipped: tuple[Trial, ...], rows: list[Tokens]
    ) -> Tuning:
        if not self._tuning_s:
            format_ = ONNX_FP32 if ONNX_FP32 in formats else formats[0]
            chosen = Trial(Way(format_, 1, min(Way(format_).batch_tokens, self._most_batch_tokens)))
            return Tuning(chosen, skipped, self.machine)
        choices = {format_: self._engines[format_].threads(self.cores) for format_ in formats}
        best, trials = tune(
            choices,
            self._most_batch_tokens,
            self._tuning_s,
            lambda way, count: bench.measure(way, rows[:count]),
        )
        log.info("tuned", machine=self.machine, trials=len(trials), sequences_per_s=round(best.sequences_per_s, 1))
        return Tuning(best, (*trials, *skipped), self.machine, time.time())

    def _key(self, bundle: Bundle) -> str:
        """Return a digest of what decides the speed of an evaluator, its weights excepted."""
        evaluator = bundle.evaluator
        parts = {
            "method": _METHOD,
            "base_model": evaluator.lineage.base_model_digest or bundle.digest,
            "max_tokens": evaluator.max_tokens,
            "classes": (len(evaluator.classes) - 1).bit_length(),
            "formats": sorted(entry.format for entry in evaluator.formats),
            "asked": self._asked,
            "most_batch_tokens": self._most_batch_tokens,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    def _steps(self) -> Mapping[str, int]:
        return {format_: engine.length_step for format_, engine in self._engines.items()}

    def _open(self, bundle: Bundle, way: Way) -> Model:
        path = next(entry.path for entry in bundle.evaluator.formats if entry.format == way.format)
        file = bundle.folder / path
        if not file.resolve().is_relative_to(bundle.folder.resolve()) or not file.is_file():
            raise VersionUnloadableError(f"The bundle lacks {path}, which its format {way.format} names.")
        engine = self._engines[way.format]
        return engine.open(file, way.format, way.threads, self.cores, bundle.evaluator.max_tokens)


@dataclass(slots=True)
class _Seat:
    model: Model
    speed: float = 0.0


class _Bench:
    """Models that are open to be measured: the fastest so far, and the current one."""

    def __init__(self, open_: Callable[[Way], Model], cores: int, length_steps: Mapping[str, int]) -> None:
        self._open = open_
        self._cores = cores
        self._length_steps = length_steps
        self._seats: dict[tuple[str, int], _Seat] = {}

    def __enter__(self) -> "_Bench":
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


class _Backend:
    """A model, and once there is work in the background, the same again for that.

    Where a model computes in threads of its own, their priority is that of
    whoever opened it; so the background opens its own, and batches of the two
    never wait for each other.
    """

    def __init__(self, model: Model, limits: BatchLimits, reopen: Callable[[], Model]) -> None:
        self.limits = limits
        self._model = model
        self._reopen = reopen
        self._behind: Model | None = model if model.computes_in_caller else None
        self._lock = threading.Lock()

    @property
    def memory_bytes(self) -> int:
        behind = self._behind
        extra = behind.memory_bytes if behind is not None and behind is not self._model else 0
        return self._model.memory_bytes + extra

    def run(self, batch: Sequence[Tokens]) -> Logits:
        return self._model.run(batch)

    def run_in_background(self, batch: Sequence[Tokens]) -> Logits:
        return (self._behind or self._open_behind()).run(batch)

    def _open_behind(self) -> Model:
        with self._lock:
            if self._behind is None:
                try:
                    self._behind = self._reopen()
                except Exception as error:  # the cache was emptied, or memory is short: work goes on
                    log.warning("background work shares a model", error=first_line(error))
                    self._behind = self._model
            return self._behind

    def close(self) -> None:
        if self._behind is not None and self._behind is not self._model:
            self._behind.close()
        self._model.close()


def _processor() -> str:
    """Return what tells this processor's speed and abilities from another's."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        flags = hashlib.sha256(told.get("flags", told.get("Features", "")).encode()).hexdigest()[:8]
        numbers = [told[key] for key in ("cpu family", "model", "stepping") if key in told]
        name = " ".join([told.get("model name", name), "/".join(numbers), flags]).strip()
    return name
