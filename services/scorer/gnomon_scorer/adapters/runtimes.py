"""All engines of this machine as one runtime: chooses the format, measures, opens.

A format that was asked for is used or refused, never replaced. Where none was,
the fastest of those that a bundle has and this machine can run is measured,
once for all evaluators of the same build, and remembered.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from gnomon.bundle import ONNX_FP32
from gnomon.errors import VersionUnloadableError
from gnomon.tokens import Tokens
from gnomon_scorer.adapters.backend import ModelBackend
from gnomon_scorer.adapters.bench import Bench, processor
from gnomon_scorer.adapters.engines import Engine, Model
from gnomon_scorer.adapters.priority import Priorities
from gnomon_scorer.domain.ports import FIRST_BATCH_TOKENS, Bundle, Opened, Trial, Tuning, Tunings, Way
from gnomon_scorer.domain.probing import mixed
from gnomon_scorer.domain.tuning import MOST_BLOCKS, tune

log = structlog.get_logger(__name__)

AUTO = "auto"
_METHOD = 2  # to be raised when tunings that are stored are no longer as good as new ones


class Runtimes:
    """The engines of a machine with so many cores; see the port `Runtime`.

    `asked`: the format to use, or `auto`. `tuning_s`: how long measuring may
    take, beside opening what is measured; 0: nothing is measured. `nice`: how
    much computing gives way.
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
        nice: int = 0,
    ) -> None:
        self.cores = cores
        self._engines: Mapping[str, Engine] = {f: engine for engine in engines for f in engine.formats}
        self._tunings = tunings
        self._asked = asked
        self._most_batch_tokens = most_batch_tokens
        self._tuning_s = tuning_s
        self._priorities = Priorities(cores, nice)
        self.machine = ", ".join([processor(), f"{cores} cores", *(engine.version for engine in engines)])
        self.problem = None if asked == AUTO else self._problem(asked)

    def load(self, bundle: Bundle, known: Tokens) -> Opened:
        formats, skipped = self._formats(bundle)
        key = self._key(bundle)
        tuning = self._tunings.find(self.machine, key)
        with Bench(lambda way: self._open(bundle, way), self.cores, self._steps()) as bench:
            if tuning is None or tuning.chosen.way.format not in formats:
                rows = mixed(known, bundle.evaluator.max_tokens, MOST_BLOCKS)
                tuning = self._measured(bench, formats, skipped, rows)
                if tuning.measured_at is not None:
                    self._tunings.keep(key, tuning)
            way = tuning.chosen.way
            model = bench.take(way)
        reopen = lambda: self._open(bundle, replace(way, threads=1))  # noqa: E731
        limits = way.limits(self._engines[way.format].length_step)
        return Opened(ModelBackend(model, limits, reopen, self._priorities), tuning)

    def _problem(self, format_: str) -> str | None:
        if format_ not in self._engines:
            return f"This release has no engine for {format_}; it has {', '.join(sorted(self._engines))}."
        return self._engines[format_].problem(format_)

    def _formats(self, bundle: Bundle) -> tuple[list[str], tuple[Trial, ...]]:
        """Return the formats to choose from, likely the fastest first, and trials of those to leave out."""
        published = [entry.format for entry in bundle.evaluator.formats]
        if self._asked != AUTO:
            if self.problem is not None:
                raise VersionUnloadableError(self.problem)
            if self._asked not in published:
                raise VersionUnloadableError(
                    f"The version does not have {self._asked}, which this scorer was told to use; it has "
                    f"{', '.join(published)}. Register a version that has it, or set the scorer's format to "
                    "`auto`."
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
        self, bench: Bench, formats: Sequence[str], skipped: tuple[Trial, ...], rows: list[Tokens]
    ) -> Tuning:
        if not self._tuning_s:
            format_ = ONNX_FP32 if ONNX_FP32 in formats else formats[0]
            chosen = Trial(Way(format_, 1, min(FIRST_BATCH_TOKENS, self._most_batch_tokens)))
            return Tuning(chosen, skipped, self.machine)
        choices = {format_: self._engines[format_].threads(self.cores) for format_ in formats}
        best, trials = tune(
            choices,
            self._most_batch_tokens,
            self._tuning_s,
            lambda way, count: bench.measure(way, rows[:count]),
        )
        speed = round(best.sequences_per_s, 1)
        log.info("a way was measured", machine=self.machine, trials=len(trials), sequences_per_s=speed)
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
