"""What a trainer does with a generation: rounds until there are enough rows, then the dataset."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gnomon.errors import GenerationYieldTooLowError, ProviderChangedError
from gnomon.instances import Instance
from gnomon.names import ProviderName
from gnomon.threads import in_thread
from gnomon_trainer.domain import paid_work
from gnomon_trainer.domain.chat import Chat, Endpoint
from gnomon_trainer.domain.datasets import DatasetStore, RowStore
from gnomon_trainer.domain.derived_bytes import DerivedBytes
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
    Party,
    progress_from,
    spec_from,
    wanted,
)
from gnomon_trainer.domain.held_work import HeldWork
from gnomon_trainer.domain.judge_use_cases import Judges
from gnomon_trainer.domain.judging import Judge, Judgement, judge_ways
from gnomon_trainer.domain.nearness import Neighbours
from gnomon_trainer.domain.paid_work import WorkKind
from gnomon_trainer.domain.paid_work_store import Change, Journal, Outcome, PaidWorkStore
from gnomon_trainer.domain.remembered_chat import RememberedChat
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.run_checks import read_rows
from gnomon_trainer.domain.training import MetricDefinition, Row


@dataclass(frozen=True, slots=True)
class GenerationWorker:
    """A `PaidWorker` for generations."""

    store: PaidWorkStore
    journal: Journal
    judges: Judges
    datasets: DatasetStore
    rows: RowStore
    neighbours: Neighbours
    probe: DriftProbe
    clock: Callable[[], float]
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
        ends = await self._endpoint(spec.generator), await self._endpoint(spec.judge)
        async with self.heavy:
            material = await in_thread(self._material, held, spec)
        progress = await self._rounds(held, spec, material, ends)
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
        self, held: HeldWork, spec: GenerationSpec, material: "_Material", ends: tuple[Endpoint, Endpoint]
    ) -> GenerationProgress:
        """Play rounds until every class has its rows, or too many items were asked for."""
        progress = progress_from(held.work.progress)
        desk = _Desk(held, self.judges, self.journal, spec, ends)
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

    async def _endpoint(self, party: Party) -> Endpoint:
        endpoint = await self.judges.providers.endpoint(ProviderName.parse(party.provider))
        if (endpoint.base_url, endpoint.model) != (party.base_url, party.model):
            raise ProviderChangedError(
                f"{party.provider} is {endpoint.model} at {endpoint.base_url} by now; the generation was "
                f"created with {party.model} at {party.base_url}. Change it back and resume, or begin anew.",
                resource=party.provider,
            )
        return endpoint

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


class _Desk:
    """An `Asking` that pays from the work's budget and writes every answer down."""

    def __init__(
        self,
        held: HeldWork,
        judges: Judges,
        journal: Journal,
        spec: GenerationSpec,
        ends: tuple[Endpoint, Endpoint],
    ) -> None:
        generator, judge = ends
        self.round = ""
        self._held = held
        self._journal = journal
        self._votes = spec.votes
        self._judged = spec.judged
        self._deadline_s = judges.deadline_s
        self._generator = Generator(generator, spec.judged, judges.deadline_s)
        self._judge_endpoint = judge
        self._ways = judge_ways()
        self._to_generator = judges.paid_chat(ProviderName.parse(spec.generator.provider), held.budget)
        self._to_judge = judges.paid_chat(ProviderName.parse(spec.judge.provider), held.budget)

    @property
    def part(self) -> str:
        return self.round.rpartition(".")[0]

    async def write(self, subject: str, wanted: Wanted) -> Written:
        return await self._generator.write(
            self._remembered(self._to_generator), wanted, self._random_bytes(subject)
        )

    async def judge(self, subject: str, item: Instance) -> Judgement:
        judge = Judge(
            self._remembered(self._to_judge),
            self._judge_endpoint,
            self._judged,
            self._random_bytes(subject),
            self._ways,
        )
        return await judge.judge(item, self._votes, deadline_s=self._deadline_s)

    def _remembered(self, chat: Chat) -> Chat:
        held = self._held
        return RememberedChat(
            chat, self._journal, held.budget, uid=held.work.uid, subject=self.round, check=held.check
        )

    def _random_bytes(self, subject: str) -> DerivedBytes:
        return DerivedBytes(self._held.work.secret.encode(), subject)


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
