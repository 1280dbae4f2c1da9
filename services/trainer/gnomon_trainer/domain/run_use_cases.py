"""What users can do with runs. Blocking work runs in threads."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from gnomon.errors import (
    BaseModelMissingError,
    EtagMismatchError,
    InvalidRequestError,
    NotFoundError,
    RunStateError,
    Violation,
)
from gnomon.names import DatasetName, MetricName, OperationName, ProjectName, RecipeName, RunName
from gnomon.threads import in_thread
from gnomon_trainer.domain import runs
from gnomon_trainer.domain.catalog import Catalog
from gnomon_trainer.domain.choosing import facts_of
from gnomon_trainer.domain.datasets import Dataset, DatasetStore, Request, RowStore
from gnomon_trainer.domain.feedback import FeedbackOrigin
from gnomon_trainer.domain.findings import Finding, finding
from gnomon_trainer.domain.generation_origin import FROM, Origin, Origins, SeedRows, named_seeds
from gnomon_trainer.domain.lengths import TokenReaders, length_findings
from gnomon_trainer.domain.nearness import Neighbours
from gnomon_trainer.domain.recipes import (
    Recipe,
    Recipes,
    check_at_hand,
    check_ranges,
    choose_recipe,
    find,
    resolve,
)
from gnomon_trainer.domain.run_checks import check_sets, read_rows
from gnomon_trainer.domain.run_store import RunStore
from gnomon_trainer.domain.runs import Run, RunSpec
from gnomon_trainer.domain.service_objective import ServiceObjective, check_objective
from gnomon_trainer.domain.set_aside import check_set_aside
from gnomon_trainer.domain.training import MetricDefinition, Parameters, Point, ReportOptions, Row

POLL_S = 0.25
MAX_DISPLAY_NAME = 63


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What a user asks for, with its names parsed. `run` is empty if the server is to choose."""

    project: ProjectName
    run: str
    metric: MetricName
    training_set: DatasetName
    test_set: DatasetName
    recipe: RecipeName
    parameters: Mapping[str, Any]
    allow_small: bool = False
    display_name: str = ""
    service_objective: ServiceObjective | None = None
    report_options: ReportOptions = field(default_factory=ReportOptions)
    feedback_origin: FeedbackOrigin | None = None


@dataclass(frozen=True, slots=True)
class PredictedRow:
    """What a run's evaluator said of a row of the test set; `classes` are in the order of `logits`."""

    row: Row
    classes: tuple[str, ...]
    logits: tuple[float, ...]
    probabilities: tuple[float, ...]
    label: str
    flagged: bool
    threshold: float
    token_count: int
    truncated: bool
    window_count: int
    deciding_window: int | None
    abstained: bool = False


class PredictionStore(Protocol):
    """Reads what a run predicted."""

    def page(self, run: Run, after: int, size: int) -> Sequence[PredictedRow]:
        """Return predictions of rows after a row's number, in the order of the test set.

        Raises:
            ArtifactCorruptError: the run's files are missing.
        """
        ...

    def all(self, run: Run) -> Iterator[PredictedRow]:
        """Yield the predictions of all rows, in the order of the test set; raises as `page` does."""
        ...


def check_display_name(display_name: str) -> str:
    if len(display_name) > MAX_DISPLAY_NAME:
        raise InvalidRequestError(
            f"display_name has {len(display_name)} characters; at most {MAX_DISPLAY_NAME} are kept.",
            violations=[Violation("display_name", f"must be at most {MAX_DISPLAY_NAME} characters")],
        )
    return display_name


def check_report_options(options: ReportOptions, test: Dataset) -> ReportOptions:
    """Return the options, or raise InvalidRequestError naming the columns that the test set lacks."""
    named = {f"slice_columns[{n}]": column for n, column in enumerate(options.slice_columns)}
    if options.judge_column:
        named["judge_column"] = options.judge_column
    absent = {field: column for field, column in named.items() if column not in test.extra_columns}
    if absent:
        known = ", ".join(map(repr, test.extra_columns)) or "none"
        rule = f"must be an extra column of {test.name}: it has {known}"
        raise InvalidRequestError(
            f"{test.name} has no extra column {next(iter(absent.values()))[:40]!r}; it has {known}.",
            violations=[Violation(f"run.report_options.{field}", rule) for field in absent],
        )
    return options


@dataclass(frozen=True, slots=True)
class Runs:
    """Use cases of training runs."""

    store: RunStore
    datasets: DatasetStore
    rows: RowStore
    catalog: Catalog
    recipes: Recipes
    predictions: PredictionStore
    neighbours: Neighbours
    readers: TokenReaders
    origins: Origins
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    heavy: asyncio.Semaphore  # so that large sets leave threads for short calls

    async def create(self, order: RunOrder, request: Request | None) -> Run:
        """Check everything that can be checked, then queue the run.

        Raises:
            NotFoundError: project, metric, dataset or recipe.
            InvalidRequestError: a parameter is out of its range.
            BaseModelMissingError: see the recipe's `unavailable_reason`.
            DatasetUnsuitableError, DatasetTooSmallError: see `check_sets` and `check_set_aside`.
        """
        if request and (known := await asyncio.to_thread(self.store.replayed, request)):
            return known
        check_display_name(order.display_name)
        check_ranges(order.parameters, "run.parameters")
        if order.service_objective is not None:
            check_objective(order.service_objective)
        await self.catalog.check_project(order.project)
        metric = await self.catalog.metric(order.metric)
        async with self.heavy:
            return await in_thread(self._create, order, metric, request)

    def _create(self, order: RunOrder, metric: MetricDefinition, request: Request | None) -> Run:
        training, test = self.datasets.get(order.training_set), self.datasets.get(order.test_set)
        asked = find(self.recipes, order.recipe.recipe)
        check_at_hand(asked, self.recipes)
        spec = self._spec(order, metric, training, test, asked)
        uid = runs.new_uid(self.random_bytes(16))
        run = Run(
            uid=uid,
            project=order.project.project,
            run=order.run or f"run-{uid[1:9]}",
            display_name=order.display_name,
            spec=spec,
            create_time=self.clock(),
        )
        return self.store.create(run, request)

    def _spec(
        self, order: RunOrder, metric: MetricDefinition, training: Dataset, test: Dataset, asked: Recipe
    ) -> RunSpec:
        origin = self.origins.of(training.generation) if training.generation else None
        checked = check_sets(
            training,
            test,
            metric,
            self.rows,
            allow_small=order.allow_small,
            neighbours=self.neighbours,
            seeds=self._seeds(origin, training, metric),
        )

        def left() -> Iterator[Row]:
            every = read_rows(self.rows, training.digest, metric)
            return (row for row in every if row.number not in checked.left_out)

        recipe, chosen = asked, None
        if asked.choice is not None:
            facts = facts_of(left(), metric, order.service_objective)
            recipe, chosen = choose_recipe(asked.choice, facts, self.recipes)
        parameters, origins = resolve(
            recipe, order.parameters, checked.training_rows, flags=bool(metric.flagged_classes)
        )
        check_set_aside(left(), metric, parameters, str(training.name))
        return RunSpec(
            metric=metric,
            training_set=str(training.name),
            training_set_digest=training.digest,
            test_set=str(test.name),
            test_set_digest=test.digest,
            recipe=str(order.recipe),
            base_model=recipe.base_model,
            requested=dict(order.parameters),
            parameters=parameters,
            origins=origins,
            allow_small=order.allow_small,
            findings=(
                *checked.findings,
                *([finding("RECIPE_CHOSEN", chosen.reason)] if chosen else ()),
                *self._lengths(training, test, metric, recipe, parameters),
            ),
            warnings=checked.warnings,
            left_out=tuple(sorted(checked.left_out)),
            service_objective=order.service_objective,
            report_options=check_report_options(order.report_options, test),
            chosen_recipe=f"recipes/{chosen.recipe}" if chosen else "",
            recipe_reason=chosen.reason if chosen else "",
            feedback_origin=order.feedback_origin,
            generation=training.generation,
            generator=origin.generator if origin else "",
            test_left_out=tuple(sorted(checked.test_left_out)),
        )

    def _seeds(self, origin: Origin | None, training: Dataset, metric: MetricDefinition) -> list[Row]:
        """Return the rows that the training set was generated from, as far as they are here."""
        if training.unlabelled or training.metric != metric.name:  # which is refused anyway
            return []
        seeds = list(origin.seeds) if origin else []
        if FROM in training.extra_columns:
            for name, numbers in named_seeds(read_rows(self.rows, training.digest, metric)).items():
                seeds += self._named(DatasetName.parse(name), numbers, metric)
        return [row for each in seeds for row in each.read(self.rows, metric)]

    def _named(self, name: DatasetName, numbers: Set[int], metric: MetricDefinition) -> list[SeedRows]:
        try:
            dataset = self.datasets.get(name, deleted=True)
        except NotFoundError:
            return []
        there = tuple(number for number in numbers if number <= dataset.row_count)
        return [SeedRows(str(name), dataset.digest, there)] if dataset.metric == metric.name else []

    def _lengths(
        self,
        training: Dataset,
        test: Dataset,
        metric: MetricDefinition,
        recipe: Recipe,
        parameters: Parameters,
    ) -> Iterator[Finding]:
        """Find rows that are longer than is read at once; nothing where no tokenizer is at hand."""
        with contextlib.suppress(BaseModelMissingError):
            for which, dataset in (("training", training), ("test", test)):
                rows = read_rows(self.rows, dataset.digest, metric)
                yield from length_findings(
                    which,
                    rows,
                    metric,
                    readers=self.readers,
                    base_model=recipe.base_model,
                    parameters=parameters,
                )

    async def get(self, name: RunName | OperationName) -> Run:
        return await asyncio.to_thread(self.store.get, name)

    async def latest_point(self, run: Run) -> Point | None:
        """Return the newest point of a run's curves."""
        return await asyncio.to_thread(self.store.latest_point, run.uid)

    async def page(self, project: str | None, before: int | None, size: int) -> Sequence[Run]:
        return await asyncio.to_thread(self.store.page, project, before, size)

    async def rename(self, name: RunName, display_name: str, etag: str) -> Run:
        """Change the display name; EtagMismatchError if an etag is given and is not the newest."""
        check_display_name(display_name)

        def change(run: Run) -> Run:
            if etag and etag != run.etag:
                raise EtagMismatchError(
                    f"{run.name} was changed in between. Read it again and repeat.", resource=str(run.name)
                )
            return runs.renamed(run, display_name)

        return await asyncio.to_thread(self.store.change, name, change)

    async def cancel(self, name: OperationName) -> Run:
        now = self.clock()
        return await asyncio.to_thread(self.store.change, name, lambda run: runs.cancelled(run, now))

    async def resume(self, name: RunName) -> Run:
        """Queue a stopped run again, or RunStateError."""
        now = self.clock()
        return await asyncio.to_thread(self.store.change, name, lambda run: runs.resumed(run, now))

    async def wait(self, name: OperationName, timeout_s: float | None) -> Run:
        """Return the run once it is done, or as it is when the time is over."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not (run := await self.get(name)).is_done:
            left = POLL_S if deadline is None else deadline - time.monotonic()
            if left <= 0:
                break
            await asyncio.sleep(min(POLL_S, left))
        return run

    async def watch(
        self, name: RunName, after_step: int
    ) -> AsyncGenerator[tuple[Run, Sequence[Point]], None]:
        """Yield the run with all its points, then again on every change, until it is done."""
        seen, place = -1, 0
        while True:
            run = await self.get(name)
            if run.revision != seen:
                seen = run.revision
                written = await asyncio.to_thread(self.store.points, run.uid, place)
                place = written[-1][0] if written else place
                yield run, [point for _, point in written if not after_step or point.step > after_step]
            if run.is_done:
                return
            await asyncio.sleep(POLL_S)

    async def predictions_page(self, name: RunName, after: int, size: int) -> Sequence[PredictedRow]:
        """Return what the run's evaluator said of its test set.

        Raises:
            RunStateError: the run has no evaluator yet.
        """
        run = _with_predictions(await self.get(name))
        return await asyncio.to_thread(self.predictions.page, run, after, size)

    async def compare(self, first: RunName, second: RunName) -> tuple[Run, Run, Mapping[str, Any]]:
        """Return two runs, and what a `gnomon.v1.CompareRunsResponse` says of their predictions.

        Raises:
            RunStateError: one has no evaluator yet.
            RunsNotComparableError: see `check_comparable`.
        """
        from gnomon_trainer.domain import run_comparison  # NumPy, which nothing else here needs

        a, b = _with_predictions(await self.get(first)), _with_predictions(await self.get(second))
        run_comparison.check_comparable(a, b)
        said_a, said_b = run_comparison.on_shared_rows(a, b, self.predictions)
        metric, options = a.spec.metric, a.spec.report_options
        async with self.heavy:
            return a, b, await in_thread(run_comparison.compared, said_a, said_b, metric, options)


def _with_predictions(run: Run) -> Run:
    if run.bundle_digest:
        return run
    raise RunStateError(
        f"{run.name} is {run.state.upper()} and has no predictions; they come with FINE_TUNED.",
        resource=str(run.name),
        state=run.state.upper(),
    )
