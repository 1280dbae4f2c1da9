"""Runs that wait for a labelling or a generation, and the task that looks after them."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest

from gnomon.errors import (
    DatasetTooSmallError,
    DatasetUnsuitableError,
    GnomonError,
    JudgeBudgetSpentError,
    NotFoundError,
    ServiceUnavailableError,
    TrainingSetWorkStoppedError,
    TrainingSetWorkUnsuitableError,
    WorkStateError,
)
from gnomon_trainer.domain import paid_work, runs, waiting_runs
from gnomon_trainer.domain.chat import ChatAnswer
from gnomon_trainer.domain.chat_budget import Allowance, Prices, Tokens
from gnomon_trainer.domain.paid_training_sets import PaidTrainingSets
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind, WorkState
from gnomon_trainer.domain.run_orders import RunOrder
from gnomon_trainer.domain.runs import Run, RunSpec, RunState
from gnomon_trainer.domain.training import MetricDefinition
from gnomon_trainer.domain.training_set_work import WorkOutlook, check_usable
from gnomon_trainer.domain.waiting_runs import WaitingRuns
from gnomon_trainer.domain.work_progress import WorkProgress
from tests.trainer.fake_paid_work import FakePaidWorkStore
from tests.trainer.fakes import FakeStores
from tests.trainer.things import TOXICITY, draft, new_run, waiting_run

NOW = 100.0
LABELLING = "labellings/l"


def labelling(**fields: Any) -> PaidWork:
    values: dict[str, Any] = {
        "uid": "l0",
        "kind": WorkKind.LABELLING,
        "work_id": "l",
        "spec": {"purpose": "label", "metric": asdict(TOXICITY), "row_count": 12},
        "needs": (),
        "allowance": Allowance(None, None, Prices(1.0, 2.0)),
        "secret": "s",
        "create_time": 1.0,
    }
    return PaidWork(**(values | fields))


@dataclass
class Planner:
    """Stands in for a `RunPlanner`: what it is asked for is fine, or is refused with `error`."""

    error: Exception | None = None
    orders: list[RunOrder] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def plan(self, order: RunOrder, metric: MetricDefinition) -> RunSpec:
        assert metric == TOXICITY
        self.orders.append(order)
        self.meanwhile()
        if self.error:
            raise self.error
        return replace(new_run().spec, training_set=str(order.training_set), made_by=order.made_by)


class Trainer:
    """One trainer of those that look after the runs of some stores."""

    def __init__(self, stores: FakeStores, store: FakePaidWorkStore) -> None:
        self.planner = Planner()
        self.waiting = WaitingRuns(
            stores.runs,
            PaidTrainingSets(store, lambda: NOW),
            self.planner,  # type: ignore[arg-type]
            clock=lambda: NOW,
            heavy=asyncio.Semaphore(2),
        )

    async def look(self) -> None:
        """Look once, and wait until what was begun is over."""
        await self.waiting.look()
        await asyncio.gather(*self.waiting._planning.values())


class Site:
    """A labelling, and a run that waits for it."""

    def __init__(self) -> None:
        self.stores = FakeStores()
        self.work = FakePaidWorkStore(self.stores)
        self.stores.datasets.add([draft("train"), draft("test", "b" * 64)], None, 1.0)
        self.work.create(labelling(), None)
        self.stores.runs.create(waiting_run(LABELLING), None)
        self.sets = PaidTrainingSets(self.work, lambda: NOW)

    @property
    def run(self) -> Run:
        return self.stores.runs.get(new_run().name)

    def trainer(self) -> Trainer:
        return Trainer(self.stores, self.work)

    def end_well(self) -> None:
        result = {"dataset": "datasets/train@1"}
        self.work.change("l0", lambda work: paid_work.done(work, result, NOW))

    def fail(self, error: GnomonError) -> None:
        self.work.change("l0", lambda work: paid_work.failed(work, error, NOW))


async def test_a_run_shows_how_far_its_work_is() -> None:
    site = Site()
    shown = {"judged": 4, "failures": {"PROVIDER_REFUSED": 2}, "total": 12, "remaining_s": 7.5}
    site.work.change("l0", lambda work: replace(work, progress=shown))
    site.work.keep("l0", "row 1", "key", ChatAnswer("{}", "tiny-1", 10, 5), Tokens(10**6, 10**6))
    trainer = site.trainer()

    await trainer.look()

    assert site.run.progress.work == WorkProgress(4, 2, 12, 10**6, 10**6, 3.0, 6.0, 7.5)
    assert site.run.state is RunState.LABELLING
    revision = site.run.revision
    await trainer.look()
    assert site.run.revision == revision  # nothing is written where nothing is new


async def test_a_run_is_queued_with_what_came_out_once_its_checks_pass() -> None:
    site = Site()
    site.end_well()
    trainer = site.trainer()

    await trainer.look()

    assert (site.run.state, site.run.spec.training_set) == (RunState.QUEUED, "datasets/train@1")
    assert site.run.progress.work is None
    (order,) = trainer.planner.orders
    assert (str(order.test_set), order.parameters) == ("datasets/test@1", {"epochs": 4})
    await trainer.look()
    assert len(trainer.planner.orders) == 1


async def test_a_check_that_refuses_fails_the_run_and_says_where_the_rows_are() -> None:
    site = Site()
    site.end_well()
    trainer = site.trainer()
    trainer.planner.error = DatasetTooSmallError("datasets/train@1 has 3 rows.", row_count="3")

    await trainer.look()

    assert site.run.state is RunState.FAILED
    assert site.run.error is not None
    assert (site.run.error.reason, site.run.error.metadata) == ("DATASET_TOO_SMALL", {"row_count": "3"})
    assert "kept as datasets/train@1" in site.run.error.message


async def test_what_nobody_foresaw_in_a_check_fails_the_run_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    site.end_well()
    trainer = site.trainer()
    trainer.planner.error = KeyError("what a user wrote")

    with caplog.at_level(logging.INFO):
        await trainer.look()

    assert site.run.state is RunState.FAILED
    assert site.run.error is not None
    assert "KeyError" in site.run.error.message
    assert "what a user wrote" not in site.run.error.message + caplog.text


async def test_a_check_that_cannot_be_made_now_is_made_again() -> None:
    site = Site()
    site.end_well()
    trainer = site.trainer()
    trainer.planner.error = ServiceUnavailableError("Busy.")

    await trainer.look()
    assert site.run.state is RunState.LABELLING

    trainer.planner.error = None
    await trainer.look()
    assert site.run.state is RunState.QUEUED


async def test_a_run_fails_with_its_work_and_says_how_to_go_on() -> None:
    site = Site()
    site.fail(JudgeBudgetSpentError("The budget is spent.", spent_tokens="17"))

    await site.trainer().look()

    assert site.run.state is RunState.FAILED
    assert site.run.error is not None
    assert (site.run.error.reason, site.run.error.metadata) == ("JUDGE_BUDGET_SPENT", {"spent_tokens": "17"})
    assert "`gnomon runs resume demo/first`, with a larger budget" in site.run.error.message


async def test_a_run_is_cancelled_with_its_work() -> None:
    site = Site()
    site.sets.cancel(LABELLING)

    await site.trainer().look()

    assert site.run.state is RunState.CANCELLED


async def test_a_run_whose_work_is_not_there_fails_and_keeps_no_other_waiting() -> None:
    site = Site()
    site.stores.runs.create(waiting_run("labellings/absent", run="other"), None)
    site.end_well()

    await site.trainer().look()

    other = site.stores.runs.get(new_run("other").name)
    assert other.error is not None
    assert other.error.reason == "RESOURCE_NOT_FOUND"
    assert site.run.state is RunState.QUEUED


async def test_a_dataset_that_is_deleted_while_it_is_checked_fails_the_run() -> None:
    site = Site()
    site.end_well()
    trainer = site.trainer()
    trainer.planner.meanwhile = lambda: site.stores.datasets.delete("train", NOW)

    await trainer.look()

    assert site.run.error is not None
    assert site.run.error.reason == "RESOURCE_NOT_FOUND"
    assert "kept" not in site.run.error.message


async def test_a_look_that_breaks_ends_no_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    site.end_well()
    trainer = site.trainer()
    found, breaks = site.stores.runs.waiting, iter([KeyError("what"), ServiceUnavailableError("Busy.")])

    def waiting() -> Any:
        if error := next(breaks, None):
            raise error
        return found()

    monkeypatch.setattr(site.stores.runs, "waiting", waiting)
    monkeypatch.setattr(waiting_runs, "_POLL_S", 0.01)

    trainer.waiting.start()
    async with asyncio.timeout(10):
        while site.run.state is not RunState.QUEUED:
            await asyncio.sleep(0.01)
    await trainer.waiting.stop()

    assert next(breaks, None) is None  # both looks broke before the one that found the run


async def test_two_trainers_queue_a_run_once() -> None:
    site = Site()
    site.end_well()
    both = threading.Barrier(2, timeout=10)
    trainers = site.trainer(), site.trainer()
    for trainer in trainers:
        trainer.planner.meanwhile = both.wait  # both have checked before either writes
    fence = site.run.fence

    await asyncio.gather(*(trainer.look() for trainer in trainers))

    assert (site.run.state, site.run.fence) == (RunState.QUEUED, fence + 1)


async def test_a_run_that_is_cancelled_while_it_is_checked_stays_so() -> None:
    site = Site()
    site.end_well()
    trainer = site.trainer()
    trainer.planner.meanwhile = lambda: site.stores.runs.change(
        site.run.name, lambda run: runs.cancelled(run, NOW)
    )

    await trainer.look()

    assert site.run.state is RunState.CANCELLED


# --------------------------------------------------------------- the work, as runs see it


def test_resuming_goes_on_with_work_that_stopped_and_leaves_other_work_alone() -> None:
    site = Site()
    before = site.work.find("l0")
    site.sets.resume(LABELLING)
    assert site.work.find("l0") == before

    site.fail(JudgeBudgetSpentError("Spent."))
    site.sets.resume(LABELLING)
    assert site.work.find("l0").state is WorkState.WORKING

    site.end_well()
    ended = site.work.find("l0")
    site.sets.resume(LABELLING)
    site.sets.cancel(LABELLING)
    assert site.work.find("l0") == ended


def test_work_that_is_still_being_cancelled_cannot_be_resumed() -> None:
    site = Site()
    site.work.claim([WorkKind.LABELLING], "t-1", NOW)
    site.sets.cancel(LABELLING)

    with pytest.raises(WorkStateError, match="in a moment"):
        site.sets.resume(LABELLING)


@pytest.mark.parametrize("name", ["labellings/absent", "generations/l"])
def test_work_that_is_not_there_is_not_found(name: str) -> None:
    with pytest.raises(NotFoundError):
        Site().sets.status(name)


def test_a_new_run_waits_only_for_work_that_makes_its_training_set() -> None:
    site = Site()
    status = site.sets.status(LABELLING)
    check_usable(status, "metrics/toxicity")

    with pytest.raises(DatasetUnsuitableError, match="metrics/topic"):
        check_usable(status, "metrics/topic")
    with pytest.raises(TrainingSetWorkUnsuitableError):
        check_usable(replace(status, makes_dataset=False), "metrics/toxicity")
    for outlook in (WorkOutlook.FAILED, WorkOutlook.CANCELLED):
        with pytest.raises(TrainingSetWorkStoppedError, match="gnomon judge resume l"):
            check_usable(replace(status, outlook=outlook), "metrics/toxicity")
