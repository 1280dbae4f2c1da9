"""What users can do with generations. Blocking work runs in threads."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gnomon.errors import DatasetUnsuitableError, InvalidRequestError, NotFoundError, Violation
from gnomon.names import DatasetName, GenerationName, MetricName, OperationName, ProviderName
from gnomon.threads import in_thread
from gnomon_trainer.domain import paid_work
from gnomon_trainer.domain.catalog import Catalog
from gnomon_trainer.domain.chat_budget import Allowance
from gnomon_trainer.domain.datasets import Dataset, DatasetStore, Request, RowStore, check_labelled
from gnomon_trainer.domain.generation_origin import Origin, SeedRows
from gnomon_trainer.domain.generation_parts import check_shape
from gnomon_trainer.domain.generation_plan import shares_of
from gnomon_trainer.domain.generation_seeds import DEFAULT_SHARE, LARGEST_SHARE, MOST_SEEDS, choose
from gnomon_trainer.domain.generation_wishes import Wish, check_wish
from gnomon_trainer.domain.generations import (
    DEFAULT_ROWS,
    DEFAULT_SAMPLE_ROWS,
    MOST_ROWS,
    MOST_SAMPLE_ROWS,
    GenerationSpec,
    Party,
    approved,
    origin_of,
    progress_from,
    regenerated,
    resumed,
)
from gnomon_trainer.domain.judge_prompt import Judged
from gnomon_trainer.domain.judge_use_cases import MOST_VOTES, check_prompt
from gnomon_trainer.domain.nearness import NEAR_ROWS
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind, WorkState
from gnomon_trainer.domain.paid_work_store import Change, PaidWorkStore
from gnomon_trainer.domain.provider_use_cases import Providers
from gnomon_trainer.domain.run_checks import read_rows
from gnomon_trainer.domain.runs import new_uid
from gnomon_trainer.domain.tracing import Tracing, Untraced
from gnomon_trainer.domain.training import MetricDefinition

POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class GenerationOrder:
    """What a user asks for, with its names parsed. Zeros and empty texts stand for defaults."""

    generation: str
    metric: MetricName
    provider: ProviderName
    judge_provider: ProviderName | None
    test_set: DatasetName
    seed_set: DatasetName | None = None
    seed_share: float = 0.0
    sample_rows: int = 0
    rows: int = 0
    balance: Mapping[str, float] = field(default_factory=dict)
    votes: int = 0
    dataset: str = ""
    seed: int = 0
    allowance: Allowance = field(default_factory=Allowance)


@dataclass(frozen=True, slots=True)
class Generations:
    """Use cases of generations."""

    store: PaidWorkStore
    datasets: DatasetStore
    rows: RowStore
    catalog: Catalog
    providers: Providers
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    heavy: asyncio.Semaphore
    tracing: Tracing = field(default_factory=Untraced)

    async def create(self, order: GenerationOrder, request: Request | None) -> PaidWork:
        """Check everything that can be checked, choose the seeds, and let a trainer make the sample.

        Raises:
            NotFoundError: metric, provider or dataset.
            InvalidRequestError: a number is out of its range, or the metric has no judge prompt.
            GenerationShapeUnsupportedError: the metric reads what is not generated.
            GenerationSeedsMissingError: the test set has too few rows.
            DatasetUnsuitableError: a set is of another metric, or too large to be compared with.
        """
        if request and (known := await asyncio.to_thread(self.store.replayed, request)):
            return known
        _check(order)
        metric = await self.catalog.metric(order.metric)
        check_shape(metric.name, metric.input_shape)
        judged = await self.catalog.judged(order.metric)
        check_prompt(judged)
        generator = await self._party(order.provider)
        judge = await self._party(order.judge_provider or order.provider)
        async with self.heavy:
            return await in_thread(self._create, order, metric, judged, (generator, judge), request)

    async def _party(self, name: ProviderName) -> Party:
        endpoint = await self.providers.endpoint(name)
        return Party(str(name), endpoint.base_url, endpoint.model)

    def _create(
        self,
        order: GenerationOrder,
        metric: MetricDefinition,
        judged: Judged,
        parties: tuple[Party, Party],
        request: Request | None,
    ) -> PaidWork:
        uid = new_uid(self.random_bytes(16), WorkKind.GENERATION.letter)
        work_id = order.generation or f"generation-{uid[1:9]}"
        test = self._fitting(order.test_set, metric)
        seed_set = self._fitting(order.seed_set, metric) if order.seed_set else None
        dataset = self._result(order.dataset, work_id, metric, (test, seed_set))
        seeds, seeded = self._seeds(order, test, seed_set, metric)
        spec = GenerationSpec(
            metric=metric,
            prompt=judged.prompt,
            rubrics={each.label: each.rubric for each in judged.classes},
            generator=parties[0],
            judge=parties[1],
            votes=order.votes or 1,
            test_set=str(test.name),
            test_set_digest=test.digest,
            seeds=seeds,
            seed_share=order.seed_share or DEFAULT_SHARE,
            sample_rows=order.sample_rows or DEFAULT_SAMPLE_ROWS,
            rows=order.rows or DEFAULT_ROWS,
            shares=shares_of(order.balance, metric.classes, seeded),
            dataset=dataset,
            seed=order.seed,
            trace=self.tracing.here(),
        )
        work = PaidWork(
            uid=uid,
            kind=WorkKind.GENERATION,
            work_id=work_id,
            spec=asdict(spec),
            needs=tuple(rows.dataset for rows in seeds),
            allowance=order.allowance,
            secret=self.random_bytes(32).hex(),
            create_time=self.clock(),
            stage="sampling",
        )
        return self.store.create(work, request)

    def _fitting(self, name: DatasetName, metric: MetricDefinition) -> Dataset:
        dataset = check_labelled(self.datasets.get(name))
        if dataset.metric != metric.name:
            raise DatasetUnsuitableError(
                f"{dataset.name} is labelled for {dataset.metric}, not for {metric.name}.",
                resource=str(dataset.name),
            )
        if dataset.row_count > NEAR_ROWS:
            raise DatasetUnsuitableError(
                f"{dataset.name} has {dataset.row_count} rows. What is generated is compared with each, and "
                f"with more than {NEAR_ROWS} that takes too long. Split it: `gnomon datasets split`.",
                resource=str(dataset.name),
            )
        return dataset

    def _result(
        self, named: str, work_id: str, metric: MetricDefinition, sets: Sequence[Dataset | None]
    ) -> str:
        """Return the ID of the dataset that is to be made, or refuse one that it cannot be."""
        dataset = named or work_id
        if any(dataset == known.dataset for known in sets if known):
            raise _wrong("generation.dataset_id", "must differ from the test set and from the seed set")
        try:
            known = self.datasets.get(DatasetName(dataset))
        except NotFoundError:
            return dataset
        if known.metric != metric.name:
            raise _wrong("generation.dataset_id", f"names a dataset of {known.metric}")
        if not named:
            raise _wrong(
                "generation.dataset_id",
                f"must be given, as there is a datasets/{dataset}: the same ID to make its next version",
            )
        return dataset

    def _seeds(
        self, order: GenerationOrder, test: Dataset, seed_set: Dataset | None, metric: MetricDefinition
    ) -> tuple[tuple[SeedRows, ...], list[str]]:
        """Return the seeds, and the classes that they are of."""
        rows = list(read_rows(self.rows, test.digest, metric))
        numbers = choose(rows, metric, order.seed_share or DEFAULT_SHARE, order.seed)
        seeded = {rows[number - 1].label for number in numbers}
        seeds = [SeedRows(str(test.name), test.digest, numbers)]
        if seed_set:
            count = min(seed_set.row_count, MOST_SEEDS)
            seeds.append(SeedRows(str(seed_set.name), seed_set.digest, tuple(range(1, count + 1))))
            seeded |= {row.label for row in seeds[1].read(self.rows, metric)}
        return tuple(seeds), [label for label in metric.classes if label in seeded]

    # ------------------------------------------------------------------------- afterwards

    async def get(self, name: GenerationName | OperationName) -> PaidWork:
        if isinstance(name, OperationName):
            return await asyncio.to_thread(self.store.find, name.operation)
        return await asyncio.to_thread(self.store.get, WorkKind.GENERATION, name.generation)

    async def cancel(self, name: OperationName) -> None:
        now = self.clock()
        change = self.store.change
        await asyncio.to_thread(change, name.operation, lambda work: paid_work.cancelled(work, now))

    async def wait(self, name: OperationName, timeout_s: float | None) -> PaidWork:
        """Return the generation once it is done, or as it is when the time is over."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not (work := await self.get(name)).is_done:
            left = POLL_S if deadline is None else deadline - time.monotonic()
            if left <= 0:
                break
            await asyncio.sleep(min(POLL_S, left))
        return work

    async def page(self, before: int | None, size: int) -> Sequence[PaidWork]:
        return await asyncio.to_thread(self.store.page, [WorkKind.GENERATION], before, size)

    async def rows_page(
        self, name: GenerationName, after: int, size: int
    ) -> tuple[PaidWork, Sequence[tuple[int, Mapping[str, Any]]]]:
        """Return numbered rows of the newest sample, and of what came after it was approved."""
        work = await self.get(name)
        parts = progress_from(work.progress).parts
        found = await asyncio.to_thread(self.store.outcomes, work.uid, parts, after, size)
        return work, [(place, body) for _, place, body in found]

    async def regenerate(self, name: GenerationName, wish: Wish, sample: int) -> PaidWork:
        """Turn the sample down and have another one made; see `regenerated`."""
        check_wish(wish)
        return await self._change(name, lambda work: regenerated(work, wish, sample))

    async def approve(self, name: GenerationName, sample: int) -> PaidWork:
        """Have the rest made; see `approved`."""
        return await self._change(name, lambda work: approved(work, sample))

    async def resume(self, name: GenerationName, allowance: Allowance | None) -> PaidWork:
        """Go on with what failed or was cancelled, or WorkStateError."""
        return await self._change(name, lambda work: resumed(work, allowance))

    async def _change(self, name: GenerationName, change: Change) -> PaidWork:
        work = await self.get(name)
        return await asyncio.to_thread(self.store.change, work.uid, change)

    async def watch(self, name: GenerationName) -> AsyncGenerator[PaidWork, None]:
        """Yield the generation, then again on every change, until nothing more happens by itself."""
        seen = -1
        while True:
            work = await self.get(name)
            if work.revision != seen:
                seen = work.revision
                yield work
            if work.state is not WorkState.WORKING:
                return
            await asyncio.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class StoredOrigins:
    """An `Origins` that knows the generations of this trainer."""

    store: PaidWorkStore

    def of(self, generation: str) -> Origin:
        name = GenerationName.parse(generation)
        return origin_of(self.store.get(WorkKind.GENERATION, name.generation))


def _check(order: GenerationOrder) -> None:
    ranges = {
        "seed_share": (order.seed_share, LARGEST_SHARE),
        "sample_row_count": (order.sample_rows, MOST_SAMPLE_ROWS),
        "row_count": (order.rows, MOST_ROWS),
        "votes": (order.votes, MOST_VOTES),
    }
    for name, (value, most) in ranges.items():
        if not 0 <= value <= most:
            raise _wrong(f"generation.{name}", f"must be 0, for the default, to {most:g}")
    if (order.rows or DEFAULT_ROWS) < (order.sample_rows or DEFAULT_SAMPLE_ROWS):
        raise _wrong("generation.row_count", "must be at least as many rows as the sample has")


def _wrong(field: str, rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field} {rule}.", violations=[Violation(field, rule)])
