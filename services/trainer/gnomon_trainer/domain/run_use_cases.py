"""What users can do with runs. Blocking work runs in threads."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from gnomon.errors import (
    EtagMismatchError,
    InvalidRequestError,
    NotFoundError,
    RunStateError,
    Violation,
)
from gnomon.names import DatasetName, OperationName, RunName
from gnomon.threads import in_thread
from gnomon_trainer.domain import runs
from gnomon_trainer.domain.catalog import Catalog
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.recipes import check_ranges
from gnomon_trainer.domain.run_orders import RunOrder
from gnomon_trainer.domain.run_planning import RunPlanner
from gnomon_trainer.domain.run_store import RunStore, taken
from gnomon_trainer.domain.runs import Progress, Run
from gnomon_trainer.domain.service_objective import check_objective
from gnomon_trainer.domain.tracing import Tracing, Untraced
from gnomon_trainer.domain.training import MetricDefinition, Point, Row
from gnomon_trainer.domain.training_set_work import TrainingSetWork, WorkOutlook, check_usable

POLL_S = 0.25
MAX_DISPLAY_NAME = 63


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


@dataclass(frozen=True, slots=True)
class Runs:
    """Use cases of training runs."""

    store: RunStore
    catalog: Catalog
    planner: RunPlanner
    work: TrainingSetWork
    predictions: PredictionStore
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    heavy: asyncio.Semaphore  # so that large sets leave threads for short calls
    tracing: Tracing = field(default_factory=Untraced)

    async def create(
        self, order: RunOrder, request: Request | None = None, *, validate_only: bool = False
    ) -> Run:
        """Check everything that can be checked, then queue the run, or let it wait for its training set.

        With `validate_only` nothing is stored, and the run has no number.

        Raises:
            NotFoundError: project, metric, dataset, recipe or the work that makes the training set.
            InvalidRequestError: a parameter is out of its range.
            AlreadyExistsError: the project has a run of this ID.
            GnomonError: as `RunPlanner.plan` and `check_usable`.
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
            run = await in_thread(self._planned, order, metric)
        keep = self._check_free if validate_only else self.store.create
        return await asyncio.to_thread(keep, run, request)

    def _planned(self, order: RunOrder, metric: MetricDefinition) -> Run:
        progress = Progress()
        if order.made_by:
            status = self.work.status(order.made_by)
            check_usable(status, metric.name)
            if status.outlook is WorkOutlook.ENDED:
                order = replace(order, training_set=DatasetName.parse(status.dataset))
            else:
                progress = Progress(work=status.progress)
        is_there = order.training_set is not None
        spec = (self.planner.plan if is_there else self.planner.plan_ahead)(order, metric)
        uid = runs.new_uid(self.random_bytes(16))
        return Run(
            uid=uid,
            project=order.project.project,
            run=order.run or f"run-{uid[1:9]}",
            display_name=order.display_name,
            spec=replace(spec, trace=self.tracing.here()),
            state=runs.first_state(spec),
            progress=progress,
            create_time=self.clock(),
        )

    def _check_free(self, run: Run, _request: Request | None) -> Run:
        with contextlib.suppress(NotFoundError):
            self.store.get(run.name)
            raise taken(run)
        return run

    async def get(self, name: RunName | OperationName) -> Run:
        return await asyncio.to_thread(self.store.get, name)

    async def latest_point(self, run: Run) -> Point | None:
        """Return the newest point of a run's curves."""
        return await asyncio.to_thread(self.store.latest_point, run.uid)

    async def page(self, projects: frozenset[str] | None, before: int | None, size: int) -> Sequence[Run]:
        return await asyncio.to_thread(self.store.page, projects, before, size)

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
        """Stop a run, and the work that it waits for."""
        now = self.clock()
        if (run := await self.get(name)).waits:  # first, so that nothing is paid for a run that is gone
            await asyncio.to_thread(self.work.cancel, run.spec.made_by)
        return await asyncio.to_thread(self.store.change, name, lambda run: runs.cancelled(run, now))

    async def resume(self, name: RunName) -> Run:
        """Queue a stopped run again, or wait again for its training set.

        Raises:
            RunStateError: it has not stopped, or is registered.
            WorkStateError: the work that it waits for is still being cancelled.
        """
        now = self.clock()
        run = runs.resumed(await self.get(name), now)
        if run.waits:  # first: what the run finds stopped would stop it again
            await asyncio.to_thread(self.work.resume, run.spec.made_by)
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
