"""The fine-tuning of a run: one pass over it, or two where the evaluator is made from all rows.

With few rows, those held out are missed. So where the plan says
`final_rows = "all"`, a first pass finds on the held-out rows how long to learn,
and gives the logits that calibration and threshold are chosen by; a second one
learns as long from all rows, those included. What is set aside for guarantees
has no part in either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import gate
from gnomon_trainer.adapters.fine_tuning.batches import Examples
from gnomon_trainer.adapters.fine_tuning.checkpoints import Checkpoints
from gnomon_trainer.adapters.fine_tuning.compute import Compute, choose, reproducible, usable
from gnomon_trainer.adapters.fine_tuning.judging import Best, Reduce, logits_of
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork
from gnomon_trainer.adapters.fine_tuning.optimizing import FineTuning
from gnomon_trainer.adapters.fine_tuning.preparing import Prepared
from gnomon_trainer.adapters.fine_tuning.scoring import Alone, Logits, one_by_one
from gnomon_trainer.adapters.fine_tuning.searching import Judged
from gnomon_trainer.domain.calibration import fit_temperature, negative_log_likelihood
from gnomon_trainer.domain.training import Parameters, Point, Reporter, Stage

_FIRST, _SECOND = "checkpoints", "checkpoints-of-all-rows"


@dataclass(frozen=True, slots=True)
class FineTuned:
    """`unseen`: an evaluator for which the held-out rows are new, if the final one has learned them."""

    network: EvaluatorNetwork
    compute: Compute
    best: Best
    unseen: Alone | None = None


@dataclass(frozen=True, slots=True)
class Passes:
    """Fine-tunes to the end, from the last checkpoint if there is one.

    `load` gives an untrained network; `reduce` makes one row of logits of those
    of windows; `plan_digest` tells the checkpoints of other plans apart.
    """

    load: Callable[[], EvaluatorNetwork]
    prepared: Prepared
    reduce: Reduce
    parameters: Parameters
    work: Path
    plan_digest: str
    reporter: Reporter
    threads: int | None
    checkpoint_interval_s: float

    def run(self, network: EvaluatorNetwork) -> FineTuned:
        """Train a network that is as `load` gives it."""
        once = self.parameters.final_rows != "all"
        first = self._first(network, self.reporter if once else _Part(self.reporter, parts=2))
        if once:
            return first
        steps = steps_of(len(self.prepared.training.windows), self.parameters)
        return self._second(network, first.compute, first.best, first.best.step / steps)

    def judged(self) -> Judged:
        """Make the first pass alone, and tell how good that is on the rows held out."""
        tuned = self._first(self.load(), self.reporter)
        validation = self.prepared.validation
        with reproducible(tuned.compute):
            logits = logits_of(
                tuned.network, validation, self.reduce, tuned.compute, self.reporter.checkpoint_allowed
            )
        temperature = fit_temperature(logits, validation.labels)
        return Judged(negative_log_likelihood(logits, validation.labels, temperature), tuned.best.macro_f1)

    def _first(self, network: EvaluatorNetwork, reporter: Reporter) -> FineTuned:
        checkpoints = Checkpoints(self.work / _FIRST, self.plan_digest)
        checkpoint = checkpoints.newest()
        compute = usable(Compute(**checkpoint.state["compute"])) if checkpoint else choose(self.threads)
        with reproducible(compute):
            tuning = self._tuning(
                network=network,
                compute=compute,
                checkpoints=checkpoints,
                training=self.prepared.training,
                reporter=reporter,
            )
            return FineTuned(network, compute, tuning.run(checkpoint))

    def _second(self, unseen: EvaluatorNetwork, compute: Compute, best: Best, share: float) -> FineTuned:
        """Learn from all rows for as large a `share` of the steps as was best."""
        prepared = self.prepared
        every = prepared.training.joined(prepared.validation)
        checkpoints = Checkpoints(self.work / _SECOND, self.plan_digest)
        network = self.load()
        before = steps_of(len(prepared.training.windows), self.parameters)
        steps = round(share * steps_of(len(every.windows), self.parameters))
        second = self._tuning(
            network=network,
            compute=compute,
            checkpoints=checkpoints,
            training=every,
            reporter=_Part(self.reporter, before=before, parts=1),
            steps=steps,
            own_head=best.own_head,
        )
        with reproducible(compute):
            second.run(checkpoints.newest())
        return FineTuned(network, compute, best, _Unexported(unseen.to("cpu")))

    def _tuning(
        self,
        *,
        network: EvaluatorNetwork,
        compute: Compute,
        checkpoints: Checkpoints,
        training: Examples,
        reporter: Reporter,
        steps: int | None = None,
        own_head: bool = False,
    ) -> FineTuning:
        return FineTuning(
            network=network,
            training=training,
            validation=self.prepared.validation,
            reduce=self.reduce,
            parameters=self.parameters,
            compute=compute,
            checkpoints=checkpoints,
            reporter=reporter,
            checkpoint_interval_s=self.checkpoint_interval_s,
            steps=steps,
            own_head=own_head,
        )


def steps_of(rows: int, parameters: Parameters) -> int:
    return -(-rows // parameters.batch_size) * parameters.epochs


class _Part:
    """A reporter for one of the passes: steps are counted over both, so that they never go back."""

    def __init__(self, reporter: Reporter, parts: int, before: int = 0) -> None:
        self._reporter, self._parts, self._before = reporter, parts, before

    def stage(self, stage: Stage) -> None:
        self._reporter.stage(stage)

    def progress(self, step: int, total_steps: int, remaining_s: float | None) -> None:
        total, left = self._before + total_steps * self._parts, total_steps - step
        if remaining_s is not None and left:
            remaining_s *= (total - self._before - step) / left
        self._reporter.progress(self._before + step, total, remaining_s)

    def point(self, point: Point) -> None:
        self._reporter.point(replace(point, step=self._before + point.step))

    def checkpoint_allowed(self) -> None:
        self._reporter.checkpoint_allowed()


class _Unexported:
    """A network as the evaluator that it would be exported to; each row goes alone."""

    def __init__(self, network: EvaluatorNetwork) -> None:
        self._network = network

    def logits(self, rows: Sequence[Tokens]) -> Logits:
        return np.concatenate([gate.reference_logits(self._network, [row], lambda: None) for row in rows])

    def logits_alone(self, rows: Sequence[Tokens], threads: int, pause: Callable[[], None]) -> Logits:
        return one_by_one(self.logits, rows, threads, pause)
