"""All engines of this machine as one runtime: chooses the format, measures, opens.

A format that was asked for is used or refused, never replaced. Where none was,
it is the one that meets the service objective of a version's run, if that works
and keeps up here; else the fastest of those that a bundle has and this machine
can run. What is measured is measured once for all evaluators of the same build,
and remembered; again, if it was disturbed (`domain.tuning.is_trusted`).
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from gnomon.bundle import ONNX_FP32
from gnomon.errors import VersionUnloadableError
from gnomon.tokens import Tokens
from gnomon_scorer.adapters.backend import ModelBackend
from gnomon_scorer.adapters.bench import Bench, processor
from gnomon_scorer.adapters.engines import Engine, Model
from gnomon_scorer.adapters.priority import Priorities
from gnomon_scorer.domain.loaded import first_line
from gnomon_scorer.domain.objective import Objective
from gnomon_scorer.domain.ports import FIRST_BATCH_TOKENS, Bundle, Opened, Trial, Tuning, Tunings, Way
from gnomon_scorer.domain.probing import mixed, stretched
from gnomon_scorer.domain.tuning import MOST_BLOCKS, is_trusted, tune

log = structlog.get_logger(__name__)

AUTO = "auto"
_METHOD = 3  # to be raised when tunings that are stored are no longer as good as new ones


@dataclass(frozen=True, slots=True)
class _Loading:
    """A bundle that is loaded: the formats to choose from, likely the fastest first, and where to try them.

    `known` is a text that it has a score for; `skipped` are trials of formats that cannot be run here.
    """

    bench: Bench
    bundle: Bundle
    known: Tokens
    formats: Sequence[str]
    skipped: tuple[Trial, ...]


class Runtimes:
    """The engines of a machine with so many cores; see the port `Runtime`.

    `asked`: the format to use, or `auto`. `tuning_s`: how long measuring may
    take, beside opening what is measured; 0: nothing is measured. `nice`: how
    much computing gives way. `clock`: seconds since the epoch.
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cores = cores
        self._engines: Mapping[str, Engine] = {f: engine for engine in engines for f in engine.formats}
        self._tunings = tunings
        self._asked = asked
        self._most_batch_tokens = most_batch_tokens
        self._tuning_s = tuning_s
        self._clock = clock
        self._priorities = Priorities(cores, nice)
        self.machine = ", ".join([processor(), f"{cores} cores", *(engine.version for engine in engines)])
        self.problem = None if asked == AUTO else self._problem(asked)

    def load(self, bundle: Bundle, known: Tokens) -> Opened:
        formats, skipped = self._formats(bundle)
        with Bench(lambda way: self._open(bundle, way), self.cores, self._steps()) as bench:
            tuning, reason = self._chosen(_Loading(bench, bundle, known, formats, skipped))
            way = tuning.chosen.way
            model = bench.take(way)
        reopen = lambda: self._open(bundle, replace(way, threads=1))  # noqa: E731
        limits = way.limits(self._engines[way.format].length_step)
        return Opened(ModelBackend(model, limits, reopen, self._priorities), tuning, reason)

    def _chosen(self, loading: _Loading) -> tuple[Tuning, str]:
        """Return how to run a bundle, and why in that format."""
        if self._asked != AUTO:
            return self._tuned(loading), "The scorer was told to use it."
        why_not = ""
        if objective := loading.bundle.objective:
            tuning, said = self._by_objective(loading, objective)
            if tuning is not None:
                return tuning, said
            log.warning("the format is not chosen by the service objective", reason=said)
            why_not = f" {said}"
        tuning = self._tuned(loading)
        how = "Nothing was measured here." if tuning.measured_at is None else "The fastest measured here."
        return tuning, how + why_not

    def _by_objective(self, loading: _Loading, objective: Objective) -> tuple[Tuning | None, str]:
        """Return how to run the format that meets a service objective, and why; or None, and why not."""
        if not objective.format:
            return None, f"No format met the service objective of the run: {objective}."
        met = f"{objective.format} met the service objective of the run, {objective}"
        if objective.format not in loading.formats:
            return None, f"{met}, but cannot be run on this machine."
        count, length = objective.sequences(loading.bundle.evaluator)
        try:
            tuning = self._tuned(replace(loading, formats=[objective.format]), length)
            loading.bench.open(tuning.chosen.way)
        except Exception as error:  # whatever a format fails with, others may work
            return None, f"{met}, but does not work here: {first_line(error)}"
        if tuning.measured_at is None:
            return tuning, f"{met}."
        reached = tuning.objective_per_s / count
        if reached < objective.per_second:
            return None, f"{met}, where it was exported, but reaches only {reached:.3g} instances/s here."
        return tuning, f"{met}; here it reaches {reached:.3g} instances/s."

    def _tuned(self, loading: _Loading, objective_tokens: int = 0) -> Tuning:
        """Return how to run one of the formats, measured unless that is known.

        `objective_tokens`: the length to measure for a service objective as well; 0: for none.
        """
        key = self._key(loading, objective_tokens)
        known = self._tunings.find(self.machine, key)
        if known and known.chosen.way.format in loading.formats and is_trusted(known, self._clock()):
            return known
        tuning = self._measured(loading)
        if tuning.measured_at is None:
            return tuning
        if objective_tokens:
            row = stretched(loading.known, objective_tokens)
            reached = self._reached(loading.bench, tuning.chosen.way, row)
            tuning = replace(tuning, objective_per_s=reached)
        self._tunings.keep(key, tuning)
        return tuning

    def _reached(self, bench: Bench, way: Way, row: Tokens) -> float:
        """Return how many rows of one length a second can be run, all cores busy twice over."""
        limits = way.limits(self._engines[way.format].length_step)
        in_batch = max(1, min(limits.max_instances, limits.max_padded_tokens // limits.padded(len(row))))
        rows = [row] * (2 * in_batch * max(1, self.cores // way.threads))
        seconds = min(bench.measure(way, rows) for _ in range(2))  # the first pass warms up
        return len(rows) / max(seconds, 1e-9)

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

    def _measured(self, loading: _Loading) -> Tuning:
        formats, skipped = loading.formats, loading.skipped
        if not self._tuning_s:
            format_ = ONNX_FP32 if ONNX_FP32 in formats else formats[0]
            chosen = Trial(Way(format_, 1, min(FIRST_BATCH_TOKENS, self._most_batch_tokens)))
            return Tuning(chosen, skipped, self.machine)
        rows = mixed(loading.known, loading.bundle.evaluator.max_tokens, MOST_BLOCKS)
        choices = {format_: self._engines[format_].threads(self.cores) for format_ in formats}
        best, trials = tune(
            choices,
            self._most_batch_tokens,
            self._tuning_s,
            lambda way, count: loading.bench.measure(way, rows[:count]),
        )
        speed = round(best.sequences_per_s, 1)
        log.info("a way was measured", machine=self.machine, trials=len(trials), sequences_per_s=speed)
        return Tuning(best, (*trials, *skipped), self.machine, self._clock())

    def _key(self, loading: _Loading, objective_tokens: int) -> str:
        """Return a digest of what decides the speed of an evaluator, its weights excepted."""
        bundle, evaluator = loading.bundle, loading.bundle.evaluator
        parts = {
            "method": _METHOD,
            "base_model": evaluator.lineage.base_model_digest or bundle.digest,
            "max_tokens": evaluator.max_tokens,
            "classes": (len(evaluator.classes) - 1).bit_length(),
            "formats": sorted(entry.format for entry in evaluator.formats),
            "asked": self._asked,
            "most_batch_tokens": self._most_batch_tokens,
            "objective": [*loading.formats, objective_tokens] if objective_tokens else [],
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
