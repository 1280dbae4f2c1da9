"""What every store of runs promises of waiting runs: the fake, SQLite and PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.errors import LeaseLostError, NotFoundError, ResourceInUseError
from gnomon_trainer.domain import runs as rules
from gnomon_trainer.domain.run_store import Lease
from gnomon_trainer.domain.runs import Run, RunState
from gnomon_trainer.domain.work_progress import WorkProgress
from tests.databases import ENGINES, trainer_database
from tests.trainer.fakes import FakeStores
from tests.trainer.test_stores_contract import SqlStores
from tests.trainer.things import draft, new_run, waiting_run

NOW = 100.0


@pytest.fixture(params=["fake", *ENGINES])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    is_fake = request.param == "fake"
    stores: Any = FakeStores() if is_fake else SqlStores(trainer_database(request.param, request, tmp_path))
    stores.datasets.add([draft("train"), draft("test", "b" * 64)], None, 1.0)
    yield stores
    if not is_fake:
        stores.database.close()


def test_a_run_without_a_training_set_comes_back_as_it_was_stored(stores: Any) -> None:
    stored = stores.runs.create(waiting_run(), None)

    assert stores.runs.get(stored.name) == stored
    assert (stored.state, stored.spec) == (RunState.LABELLING, waiting_run().spec)


def test_runs_that_wait_are_found_oldest_first(stores: Any) -> None:
    stores.runs.create(waiting_run(run="a"), None)
    stores.runs.create(new_run("b"), None)
    stores.runs.create(waiting_run("generations/g", run="c"), None)

    assert [run.run for run in stores.runs.waiting()] == ["a", "c"]


def test_a_run_that_waits_is_claimed_only_once_it_is_queued(stores: Any) -> None:
    run = stores.runs.create(waiting_run(), None)
    assert stores.runs.claim("w-1", NOW) is None

    queued = stores.runs.write_leased(lease(run), lambda run: rules.queued(run, new_run().spec))

    assert queued.spec == stores.runs.get(run.name).spec == new_run().spec
    assert stores.runs.waiting() == []
    assert stores.runs.claim("w-1", NOW).name == run.name


RUNS = st.builds(
    lambda state, worker, expired, next_attempt, failed: replace(
        waiting_run() if state.waits else new_run(),
        state=state,
        worker=worker,
        lease_expired=expired,
        next_attempt=next_attempt,
        error=rules.failure(NotFoundError("No.")) if failed else None,
    ),
    st.sampled_from(RunState),
    st.sampled_from(["", "w-0"]),
    st.booleans(),
    st.sampled_from([0.0, NOW, NOW + 1, NOW + 3600]),
    st.booleans(),
)


@pytest.mark.slow
@given(run=RUNS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_a_row_a_worker_gets_it_only_if_the_rules_say_so(stores: Any, run: Run) -> None:
    number = len(stores.runs.page(None, None, 1000))
    stored = stores.runs.create(replace(run, run=f"run-{number}", uid=f"r{number}"), None)

    claimed = stores.runs.claim("w-1", NOW)

    assert (claimed is not None) == stored.is_claimable(NOW)
    assert not (claimed and stored.waits)
    stores.runs.change(stored.name, lambda run: replace(run, state=RunState.REGISTERED))


def test_how_far_the_work_is_comes_back(stores: Any) -> None:
    run = stores.runs.create(waiting_run(), None)
    shown = WorkProgress(3, 1, 9, 100, 20, 0.5, 1.25, 7.5, awaits_review=True)

    stores.runs.write_leased(lease(run), lambda run: rules.work_shown(run, shown))
    after = stores.runs.write_leased(lease(run), lambda run: run)

    assert after.progress.work == stores.runs.get(run.name).progress.work == shown
    assert after.fence == run.fence  # showing it takes nothing from who queues it


def test_of_two_trainers_that_queue_a_run_one_does(stores: Any) -> None:
    run = stores.runs.create(waiting_run(), None)
    stores.runs.write_leased(lease(run), lambda run: rules.queued(run, new_run().spec))

    with pytest.raises(LeaseLostError):
        stores.runs.write_leased(lease(run), lambda run: rules.queued(run, new_run().spec))


def test_a_run_that_was_cancelled_meanwhile_is_not_queued(stores: Any) -> None:
    run = stores.runs.create(waiting_run(), None)
    stores.runs.change(run.name, lambda run: rules.cancelled(run, NOW))

    with pytest.raises(LeaseLostError):
        stores.runs.write_leased(lease(run), lambda run: rules.queued(run, new_run().spec))

    assert stores.runs.get(run.name).state is RunState.CANCELLED


def test_a_run_is_not_queued_with_a_set_that_is_gone(stores: Any) -> None:
    run = stores.runs.create(waiting_run(), None)
    stores.datasets.delete("train", 2.0)

    with pytest.raises(NotFoundError):
        stores.runs.write_leased(lease(run), lambda run: rules.queued(run, new_run().spec))

    assert stores.runs.get(run.name) == run


def test_the_test_set_of_a_run_that_waits_is_in_use(stores: Any) -> None:
    run = stores.runs.create(waiting_run(), None)

    with pytest.raises(ResourceInUseError):
        stores.datasets.delete("test", 2.0)

    stores.runs.change(run.name, lambda run: rules.cancelled(run, NOW))
    stores.datasets.delete("test", 2.0)
    with pytest.raises(NotFoundError):
        stores.runs.create(waiting_run(run="second"), None)


def test_a_resumed_run_waits_again_until_it_has_a_training_set(stores: Any) -> None:
    run = stores.runs.create(waiting_run("generations/g"), None)
    stores.runs.change(run.name, lambda run: rules.cancelled(run, NOW))

    again = stores.runs.change(run.name, lambda run: rules.resumed(run, NOW))
    assert again.state is RunState.GENERATING

    stores.runs.write_leased(lease(again), lambda run: rules.queued(run, new_run().spec))
    stores.runs.change(run.name, lambda run: rules.cancelled(run, NOW))
    assert stores.runs.change(run.name, lambda run: rules.resumed(run, NOW)).state is RunState.QUEUED


def lease(run: Run) -> Lease:
    return Lease(run.uid, run.fence)
