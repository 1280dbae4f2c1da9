"""What a trainer does with a generation: rounds until there are enough rows, then the dataset."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gnomon.errors import GenerationYieldTooLowError
from gnomon.instances import Instance
from gnomon.threads import in_thread
from gnomon_trainer.domain import paid_work
from gnomon_trainer.domain.datasets import DatasetStore, RowStore
from gnomon_trainer.domain.diversity import DriftProbe
from gnomon_trainer.domain.generation_answers import Written
from gnomon_trainer.domain.generation_parts import written_text
from gnomon_trainer.domain.generation_plan import calls, missing
from gnomon_trainer.domain.generation_prompt import Wanted
from gnomon_trainer.domain.generation_result import finished
from gnomon_trainer.domain.generation_round import GENERATOR, play
from gnomon_trainer.domain.generation_seeds import Seed
from gnomon_trainer.domain.generation_sieve import Sieve
from gnomon_trainer.domain.generation_wishes import manner
from gnomon_trainer.domain.generation_writing import Generator
from gnomon_trainer.domain.generations import (
    GenerationProgress,
    GenerationSpec,
    GenerationState,
    progress_from,
    spec_from,
    wanted,
)
from gnomon_trainer.domain.held_work import HeldWork
from gnomon_trainer.domain.judge_asking import Asker, PaidAsking
from gnomon_trainer.domain.judging import Judge, Judgement
from gnomon_trainer.domain.nearness import Neighbours
from gnomon_trainer.domain.paid_work import WorkKind
from gnomon_trainer.domain.paid_work_store import Change, Outcome, PaidWorkStore
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.run_checks import read_rows
from gnomon_trainer.domain.training import MetricDefinition, Row


@dataclass(frozen=True, slots=True)
class GenerationWorker:
    """A `PaidWorker` for generations."""

    store: PaidWorkStore
    asking: PaidAsking
    datasets: DatasetStore
    rows: RowStore
    neighbours: Neighbours
    probe: DriftProbe
    clock: Callable[[], float]
    deadline_s: float  # for one answer
    heavy: asyncio.Semaphore

    @property
    def kind(self) -> WorkKind:
        return WorkKind.GENERATION

    async def work(self, held: HeldWork) -> Change:
        """Make the sample, or the rest and then the dataset.

        Raises:
            GenerationYieldTooLowError: no row of a class could be kept.
            ProviderChangedError: a provider is another one than when the generation was created.
            GnomonError: a provider refuses or is away, or the budget is spent.
        """
        spec = spec_from(held.work.spec)
        generator, judge = [
            await self.asking.endpoint(party.provider, party.base_url, party.model)
            for party in (spec.generator, spec.judge)
        ]
        desk = _Desk(
            Generator(generator, spec.judged, self.deadline_s),
            self.asking.asker(held, spec.generator.provider),
            Judge(self.asking.chat, judge, spec.judged, lambda _: b""),  # every row brings its own
            self.asking.asker(held, spec.judge.provider),
            votes=spec.votes,
            deadline_s=self.deadline_s,
        )
        async with self.heavy:
            material = await in_thread(self._material, held, spec)
        progress = await self._rounds(held, spec, material, desk)
        _check_yield(held, spec, progress)
        if not progress.approved:
            return lambda work: paid_work.waiting(work, GenerationState.AWAITING_REVIEW)
        async with self.heavy:
            records = await in_thread(self._records, held.work.uid, progress)
        result = await finished(
            held.work,
            spec,
            progress,
            records=records,
            seeds=material.seeds,
            datasets=self.datasets,
            rows=self.rows,
            probe=self.probe,
            now=self.clock(),
        )
        return lambda work: paid_work.done(work, result, self.clock())

    async def _rounds(
        self, held: HeldWork, spec: GenerationSpec, material: "_Material", desk: "_Desk"
    ) -> GenerationProgress:
        """Play rounds until every class has its rows, or too many items were asked for."""
        progress = progress_from(held.work.progress)
        while left := missing(wanted(spec, progress), progress.kept, progress.asked, progress.allotments):
            began, cost = self.clock(), held.budget.cost
            desk.round = f"{progress.part}.{progress.round}"
            asked = calls(
                left,
                progress.asked,
                material.seeds,
                manner(progress.wishes),
                shape=spec.metric.input_shape,
                avoided=material.turned_down,
                draw=random.Random(f"{spec.seed}/{desk.round}"),  # noqa: S311  no secret
            )
            found = await play(asked, desk, material.sieve, spec.metric, subject=desk.round)
            place = progress.kept_rows
            progress = progress.after(found, self.clock() - began, held.budget.cost - cost)
            for number, record in enumerate(found.kept, place + 1):
                held.add(Outcome(desk.part, number, {**record, GENERATOR: spec.generator.said}))
            played = {"asked": found.asked.total(), "kept": len(found.kept)}
            held.add(Outcome(f"r-{desk.part}", progress.round, played, desk.round))
            held.show(asdict(progress))
            await held.flush()
        return progress

    def _material(self, held: HeldWork, spec: GenerationSpec) -> "_Material":
        progress, metric = progress_from(held.work.progress), spec.metric
        seeds = [seed for rows in spec.seeds for seed in _seeds(rows, self.rows, metric)]
        own = frozenset(spec.seeds[0].numbers)
        test = [
            written_text(row.instance, metric)
            for row in read_rows(self.rows, spec.test_set_digest, metric)
            if row.number not in own
        ]
        sieve = Sieve([seed.text for seed in seeds], test, self.neighbours)
        turned_down = self._of_parts(held.work.uid, progress.turned_down_parts)
        kept = self._of_parts(held.work.uid, progress.parts)
        sieve.keep([_text(record, metric) for record in (*turned_down, *kept)])
        return _Material(seeds, sieve, turned_down)

    def _records(self, uid: str, progress: GenerationProgress) -> list[Mapping[str, Any]]:
        return self._of_parts(uid, progress.parts)

    def _of_parts(self, uid: str, parts: Sequence[str]) -> list[Mapping[str, Any]]:
        return [body for _, _, body in self.store.outcomes(uid, parts)] if parts else []


@dataclass(slots=True)
class _Material:
    """What rounds are made from."""

    seeds: list[Seed]
    sieve: Sieve
    turned_down: list[Mapping[str, Any]]


@dataclass(slots=True)
class _Desk:
    """An `Asking` that pays from the work's budget and writes every answer down, round by round."""

    generator: Generator
    to_generator: Asker
    judging: Judge
    to_judge: Asker
    votes: int
    deadline_s: float
    round: str = ""

    @property
    def part(self) -> str:
        return self.round.rpartition(".")[0]

    async def write(self, subject: str, wanted: Wanted) -> Written:
        by = self.to_generator.about(subject, kept_under=self.round)
        return await self.generator.write(by.chat, wanted, by.random_bytes)

    async def judge(self, subject: str, item: Instance) -> Judgement:
        by = self.to_judge.about(subject, kept_under=self.round)
        return await self.judging.judge(item, self.votes, deadline_s=self.deadline_s, asking=by)


def _seeds(rows: Any, store: RowStore, metric: MetricDefinition) -> list[Seed]:
    records = store.pick(rows.digest, frozenset(rows.numbers))
    return [
        _seed(rows.dataset, row_of(number, record, metric), record, metric)
        for number, record in sorted(records.items())
    ]


def _seed(dataset: str, row: Row, record: Mapping[str, Any], metric: MetricDefinition) -> Seed:
    return Seed(dataset, row.number, row.label, record, written_text(row.instance, metric))


def _text(record: Mapping[str, Any], metric: MetricDefinition) -> str:
    return written_text(row_of(1, record, metric).instance, metric)


def _check_yield(held: HeldWork, spec: GenerationSpec, progress: GenerationProgress) -> None:
    """Raise GenerationYieldTooLowError if there is a class without a row."""
    lacking = [label for label, n in wanted(spec, progress).items() if n and not progress.kept.get(label)]
    if not lacking:
        return
    dropped = ", ".join(f"{count} {cause.replace('_', ' ')}" for cause, count in progress.dropped.items())
    raise GenerationYieldTooLowError(
        f"Of {sum(progress.asked.values())} items that {held.work.name} asked for, none of class "
        f"{lacking[0]!r} could be kept (dropped: {dropped or 'none'}). Look at the metric's prompt and "
        "rubrics, or take another model; then begin anew, or resume to ask for as many again.",
        resource=held.work.name,
        dropped=dropped,
    )
