"""What every store of datasets and runs promises: the fake, SQLite and PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gnomon.errors import (
    AlreadyExistsError,
    ArtifactCorruptError,
    DatasetUnsuitableError,
    LeaseLostError,
    NotFoundError,
    RequestIdReusedError,
    ResourceInUseError,
    StorageFullError,
)
from gnomon.names import DatasetName, OperationName, RunName
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.sql_datasets import SqlDatasetStore
from gnomon_trainer.adapters.sql_runs import SqlRunStore
from gnomon_trainer.domain import runs as rules
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.findings import matched
from gnomon_trainer.domain.run_store import Lease
from gnomon_trainer.domain.runs import Progress, RunState
from gnomon_trainer.domain.training import Point, Stage
from tests.databases import ENGINES, trainer_database
from tests.trainer.fakes import FakeStores
from tests.trainer.things import draft, new_run

FIRST = RunName("demo", "first")


class SqlStores:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.datasets = SqlDatasetStore(self.database)
        self.runs = SqlRunStore(self.database)


def sqlite_stores(path: Path) -> SqlStores:
    database = Database(f"sqlite:///{path}")
    database.migrate()
    return SqlStores(database)


@pytest.fixture(params=["fake", *ENGINES])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "fake":
        yield FakeStores()
    else:
        stores = SqlStores(trainer_database(request.param, request, tmp_path))
        yield stores
        stores.database.close()


def test_a_version_tells_what_its_rows_are_from(stores: Any) -> None:
    (stored,) = stores.datasets.add([draft(generation="generations/first")], None, 1.0)

    assert stored.generation == "generations/first"
    assert stores.datasets.get(stored.name) == stored
    (later,) = stores.datasets.add([draft(digest="c" * 64)], None, 2.0)
    assert not stores.datasets.get(later.name).generation


@pytest.fixture
def with_sets(stores: Any) -> Any:
    stores.datasets.add([draft("train"), draft("test", "b" * 64)], None, 1.0)
    return stores


# ----------------------------------------------------------------------- datasets


def test_a_dataset_comes_back_as_it_was_stored(stores: Any) -> None:
    (stored,) = stores.datasets.add([draft(display_name="Mine")], None, 17.5)

    assert stores.datasets.get(DatasetName("train")) == stored
    assert stores.datasets.get(DatasetName("train", 1)) == stored
    assert (stored.version, stored.create_time, stored.delete_time) == (1, 17.5, None)
    assert stored.findings[0].rows == (1, 3)
    assert stores.datasets.digests() == {"a" * 64}


def test_findings_of_a_version_can_be_replaced_until_it_is_deleted(with_sets: Any) -> None:
    found = (matched("NEAR_CONFLICTING_LABELS", "Two.", {9: 2, 4: 1}),)

    kept = with_sets.datasets.keep_findings(DatasetName("train", 1), found)

    assert kept == with_sets.datasets.get(DatasetName("train"))
    assert (kept.findings, kept.findings[0].matches) == (found, (1, 2))
    assert with_sets.datasets.get(DatasetName("test")).findings != found
    with_sets.datasets.delete("train", 2.0)
    with pytest.raises(NotFoundError):
        with_sets.datasets.keep_findings(DatasetName("train", 1), ())


def test_drafts_are_stored_together_or_not_at_all(stores: Any) -> None:
    stores.datasets.add([draft("test", metric="metrics/topic")], None, 1.0)

    with pytest.raises(DatasetUnsuitableError):
        stores.datasets.add([draft("train"), draft("test")], None, 2.0)

    with pytest.raises(NotFoundError):
        stores.datasets.get(DatasetName("train"))


def test_a_replayed_request_gives_what_it_gave_before(stores: Any) -> None:
    request = Request("17", "body")
    assert stores.datasets.replayed(request) is None
    first = stores.datasets.add([draft()], request, 1.0)
    stores.datasets.add([draft(digest="c" * 64)], None, 2.0)
    stores.datasets.delete("train", 3.0)

    again = stores.datasets.add([draft()], request, 4.0)

    assert [dataset.name for dataset in again] == [dataset.name for dataset in first]
    assert stores.datasets.replayed(request) == again
    with pytest.raises(RequestIdReusedError):
        stores.datasets.add([draft()], Request("17", "other"), 5.0)


def test_deleted_versions_are_found_only_where_asked_for(stores: Any) -> None:
    stores.datasets.add([draft()], None, 1.0)
    stores.datasets.delete("train", 2.0)

    assert stores.datasets.get(DatasetName("train", 1), deleted=True).delete_time == 2.0
    assert stores.datasets.page(None, 10) == []
    assert stores.datasets.digests() == {"a" * 64}
    (back,) = stores.datasets.add([draft()], None, 3.0)
    assert back.version == 2


def test_datasets_are_paged_by_id(stores: Any) -> None:
    for name in "bca":
        stores.datasets.add([draft(name)], None, 1.0)
    stores.datasets.add([draft("b", "c" * 64)], None, 1.0)

    assert [d.name for d in stores.datasets.page(None, 2)] == [DatasetName("a", 1), DatasetName("b", 2)]
    assert [d.name for d in stores.datasets.page("b", 2)] == [DatasetName("c", 1)]


def test_a_dataset_is_in_use_until_its_run_has_ended(with_sets: Any) -> None:
    with_sets.datasets.add([draft("tra")], None, 1.0)  # its name is the start of another's
    with_sets.runs.create(new_run(), None)

    with_sets.datasets.delete("tra", 2.0)
    with pytest.raises(ResourceInUseError):
        with_sets.datasets.delete("train", 2.0)
    with_sets.runs.change(FIRST, lambda run: rules.cancelled(run, 3.0))
    with_sets.datasets.delete("train", 4.0)


# --------------------------------------------------------------------------- runs


def test_a_run_comes_back_as_it_was_stored(with_sets: Any) -> None:
    run = new_run()
    stored = with_sets.runs.create(run, None)

    assert stored == replace(run, number=stored.number)
    assert with_sets.runs.get(FIRST) == stored
    assert with_sets.runs.get(OperationName(run.uid)) == stored


def test_a_run_name_is_taken_once_in_a_project(with_sets: Any) -> None:
    with_sets.runs.create(new_run(), None)

    with pytest.raises(AlreadyExistsError):
        with_sets.runs.create(replace(new_run(), uid="rother"), None)


def test_a_run_needs_both_of_its_sets(with_sets: Any) -> None:
    with_sets.datasets.delete("test", 2.0)

    with pytest.raises(NotFoundError):
        with_sets.runs.create(new_run(), None)


def test_a_request_creates_one_run(with_sets: Any) -> None:
    request = Request("17", "body")
    first = with_sets.runs.create(new_run(), request)

    assert with_sets.runs.create(replace(new_run("second")), request) == first
    assert with_sets.runs.replayed(request) == first
    with pytest.raises(RequestIdReusedError):
        with_sets.runs.replayed(Request("17", "other"))
    with pytest.raises(RequestIdReusedError):
        with_sets.datasets.replayed(Request("17", "other"))


def test_runs_are_paged_newest_first(with_sets: Any) -> None:
    for project, run in (("demo", "a"), ("other", "b"), ("demo", "c")):
        with_sets.runs.create(new_run(run, project), None)

    newest = with_sets.runs.page(None, None, 2)

    assert [run.run for run in newest] == ["c", "b"]
    assert [run.run for run in with_sets.runs.page(None, newest[-1].number, 2)] == ["a"]
    assert [run.run for run in with_sets.runs.page(frozenset({"demo"}), None, 9)] == ["c", "a"]


def test_runs_of_some_projects_are_paged_as_if_there_were_no_others(with_sets: Any) -> None:
    for number in range(12):
        with_sets.runs.create(new_run(f"r{number}", f"p{number % 4}"), None)
    every = with_sets.runs.page(None, None, 99)

    for projects in (frozenset({"p0"}), frozenset({"p1", "p3"}), frozenset({"p2", "none"}), frozenset()):
        before, found = None, []
        while page := with_sets.runs.page(projects, before, 2):
            found += page
            before = page[-1].number
        assert found == [run for run in every if run.project in projects]


def test_every_write_makes_a_revision_and_no_change_makes_none(with_sets: Any) -> None:
    created = with_sets.runs.create(new_run(), None)

    same = with_sets.runs.change(FIRST, lambda run: run)
    renamed = with_sets.runs.change(FIRST, lambda run: rules.renamed(run, "Mine"))

    assert same == created
    assert renamed.revision == created.revision + 1
    assert renamed.etag != created.etag
    with pytest.raises(NotFoundError):
        with_sets.runs.change(RunName("demo", "absent"), lambda run: run)


def test_a_change_that_raises_changes_nothing(with_sets: Any) -> None:
    created = with_sets.runs.create(new_run(), None)

    def refuse(run: Any) -> Any:
        raise NotFoundError("No.")

    with pytest.raises(NotFoundError):
        with_sets.runs.change(FIRST, refuse)
    assert with_sets.runs.get(FIRST) == created


def test_the_oldest_run_is_claimed_once(with_sets: Any) -> None:
    for run in "ab":
        with_sets.runs.create(new_run(run), None)

    first = with_sets.runs.claim("w-1", 100.0)
    second = with_sets.runs.claim("w-2", 100.0)

    assert (first.run, first.state, first.fence, first.attempts) == ("a", RunState.TRAINING, 1, 1)
    assert (first.worker, first.is_leased, first.start_time) == ("w-1", True, 100.0)
    assert second.run == "b"
    assert with_sets.runs.claim("w-3", 100.0) is None
    assert with_sets.runs.get(RunName("demo", "a")) == first


def test_an_expired_lease_is_taken_over_and_its_holder_can_write_no_more(with_sets: Any) -> None:
    with_sets.runs.create(new_run(), None)
    zombie = with_sets.runs.claim("w-1", 100.0)
    assert with_sets.runs.claim("w-2", 1e9) is None  # no clock decides
    [sign] = with_sets.runs.life_signs()
    assert with_sets.runs.expire(sign)
    assert not with_sets.runs.expire(replace(sign, fence=7))
    assert with_sets.runs.life_signs() == []
    successor = with_sets.runs.claim("w-2", 110.0)

    assert (successor.fence, successor.attempts, successor.crashes) == (2, 2, 1)
    lost = Lease(zombie.uid, zombie.fence)
    with pytest.raises(LeaseLostError):
        with_sets.runs.write_leased(lost, lambda run: rules.registered(run, "x", 111.0), [Point(1)])
    assert with_sets.runs.get(FIRST) == successor
    assert with_sets.runs.points(zombie.uid) == []


def test_a_dead_workers_runs_are_free_at_once(with_sets: Any) -> None:
    with_sets.runs.create(new_run(), None)
    with_sets.runs.claim("w-1", 100.0)

    assert with_sets.runs.expire_leases("w-2") == 0
    assert with_sets.runs.expire_leases("w-1") == 1
    assert with_sets.runs.expire_leases("w-1") == 0
    assert with_sets.runs.claim("w-2", 100.0).crashes == 1


def test_the_runs_of_a_worker_that_was_told_to_end_are_free_without_a_crash(with_sets: Any) -> None:
    with_sets.runs.create(new_run(), None)
    killed = with_sets.runs.claim("w-1", 100.0)

    assert with_sets.runs.free_leases("w-2") == 0
    assert with_sets.runs.free_leases("w-1") == 1
    assert with_sets.runs.free_leases("w-1") == 0
    successor = with_sets.runs.claim("w-2", 100.0)
    assert (successor.crashes, successor.fence) == (0, killed.fence + 1)


def test_a_run_that_waits_for_the_registry_is_claimed_when_its_time_has_come(with_sets: Any) -> None:
    with_sets.runs.create(new_run(), None)
    lease = leased(with_sets.runs.claim("w-1", 100.0))
    with_sets.runs.write_leased(lease, fine_tuned)
    with_sets.runs.write_leased(lease, lambda run: rules.given_back(run, 105.0))

    assert with_sets.runs.claim("w-1", 104.0) is None
    again = with_sets.runs.claim("w-1", 105.0)
    assert (again.state, again.crashes, again.bundle_digest) == (RunState.FINE_TUNED, 0, "d" * 64)
    assert again.report == {"test_rows": 3}
    with_sets.runs.write_leased(leased(again), lambda run: rules.failed(run, NotFoundError("No."), 106.0))
    assert with_sets.runs.claim("w-1", 1000.0) is None
    assert with_sets.runs.get(FIRST).error.message == "No."


def test_progress_and_points_are_written_with_the_lease(with_sets: Any) -> None:
    with_sets.runs.create(new_run(), None)
    lease = leased(with_sets.runs.claim("w-1", 100.0))
    progress = Progress(Stage.FINE_TUNING, 3, 40, 12.5)

    with_sets.runs.write_leased(
        lease, lambda run: rules.progressed(run, progress), [Point(1, loss=2.0), Point(2, loss=1.5)]
    )

    run = with_sets.runs.get(FIRST)
    assert (run.progress, run.best_mark) == (progress, progress.mark)
    assert [point for _, point in with_sets.runs.points(run.uid)] == [Point(1, loss=2.0), Point(2, loss=1.5)]
    assert with_sets.runs.latest_point(run.uid) == Point(2, loss=1.5)


def test_points_of_one_step_are_merged_and_a_resumed_training_drops_what_came_after(
    with_sets: Any,
) -> None:
    with_sets.runs.create(new_run(), None)
    lease = leased(with_sets.runs.claim("w-1", 100.0))

    def write(*points: Point) -> None:
        with_sets.runs.write_leased(lease, replace, points)

    write(Point(1, loss=3.0), Point(2, loss=2.0), Point(3, loss=1.0))
    place = with_sets.runs.points(lease.uid)[-1][0]
    write(Point(2, validation_loss=0.5))

    points = with_sets.runs.points(lease.uid)
    assert [point for _, point in points] == [Point(1, loss=3.0), Point(2, loss=2.0, validation_loss=0.5)]
    assert with_sets.runs.points(lease.uid, place) == points[1:]  # a watcher sees what was written anew


def test_a_cancellation_that_its_worker_did_not_live_to_see_is_settled(with_sets: Any) -> None:
    with_sets.runs.create(new_run(), None)
    with_sets.runs.claim("w-1", 100.0)
    with_sets.runs.change(FIRST, lambda run: rules.cancelled(run, 105.0))

    assert with_sets.runs.get(FIRST).cancel_requested
    assert with_sets.runs.settle_cancelled(1e9) == 0
    assert [with_sets.runs.expire(sign) for sign in with_sets.runs.life_signs()] == [True]
    assert with_sets.runs.settle_cancelled(110.0) == 1
    assert with_sets.runs.get(FIRST).state is RunState.CANCELLED
    assert with_sets.runs.settle_cancelled(111.0) == 0


def test_whatever_a_holder_writes_is_a_sign_of_life_and_renews_an_expired_lease(with_sets: Any) -> None:
    with_sets.runs.create(new_run(), None)
    lease = leased(with_sets.runs.claim("w-1", 100.0))
    [before] = with_sets.runs.life_signs()
    with_sets.runs.write_leased(lease, lambda run: run)

    assert not with_sets.runs.expire(before)
    [sign] = with_sets.runs.life_signs()
    assert with_sets.runs.expire(sign)
    assert not with_sets.runs.get(FIRST).is_leased
    with_sets.runs.write_leased(lease, lambda run: run)

    assert with_sets.runs.get(FIRST).is_leased
    assert with_sets.runs.claim("w-2", 1e9) is None
    with_sets.runs.write_leased(lease, lambda run: rules.given_back(run, 101.0))
    assert with_sets.runs.life_signs() == []


@pytest.mark.parametrize("shown", [-3600.0, 3600.0])
def test_a_clock_that_was_set_holds_no_attempt_back(with_sets: Any, shown: float) -> None:
    with_sets.runs.create(new_run(), None)
    lease = leased(with_sets.runs.claim("w-1", 10_000.0))
    with_sets.runs.write_leased(lease, fine_tuned)
    with_sets.runs.write_leased(lease, lambda run: rules.given_back(run, 10_030.0))

    assert with_sets.runs.claim("w-1", 10_000.0) is None
    assert with_sets.runs.claim("w-1", 10_000.0 + shown) is not None


def leased(run: Any) -> Lease:
    return Lease(run.uid, run.fence)


def fine_tuned(run: Any) -> Any:
    return rules.fine_tuned(
        run,
        work_folder="w",
        bundle_folder="b",
        predictions_file="p",
        bundle_digest="d" * 64,
        report={"test_rows": 3},
    )


# -------------------------------------------------------------- SQLite alone


def test_a_full_disk_is_told_and_nothing_is_half_stored(tmp_path: Path) -> None:
    stores = sqlite_stores(tmp_path / "trainer.db")
    stores.datasets.add([draft("train")], None, 1.0)

    def fill(connection: Any, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    from sqlalchemy import event

    event.listen(stores.database.engine, "connect", fill)
    stores.database.engine.dispose()
    huge = draft("huge", display_name="x" * 1_000_000)
    with pytest.raises(StorageFullError):
        stores.datasets.add([draft("small"), huge], None, 2.0)

    assert [d.dataset for d in stores.datasets.page(None, 10)] == ["train"]
    stores.database.close()


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    stores = sqlite_stores(tmp_path / "trainer.db")
    stores.datasets.add([draft("train")], None, 1.0)
    stores.database.close()
    (tmp_path / "trainer.db").write_bytes(b"no database at all" * 1000)

    with pytest.raises(ArtifactCorruptError, match="backup"):
        stores.datasets.page(None, 10)
    stores.database.close()


def test_a_disk_too_full_for_shared_memory_is_told_as_full(tmp_path: Path) -> None:
    stores = sqlite_stores(tmp_path / "trainer.db")
    cause = sqlite3.OperationalError("disk I/O error")
    cause.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE

    with pytest.raises(StorageFullError), stores.database.read():
        raise DBAPIError("SELECT 1", (), cause)
    stores.database.close()


def test_errors_of_the_database_do_not_tell_what_users_wrote(tmp_path: Path) -> None:
    stores = sqlite_stores(tmp_path / "trainer.db")

    with pytest.raises(DBAPIError) as raised, stores.database.read() as connection:
        connection.execute(text("SELECT :what FROM nowhere"), {"what": "a secret"})

    assert "a secret" not in str(raised.value)
    stores.database.close()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    stores = sqlite_stores(tmp_path / "trainer.db")
    stores.datasets.add([draft()], None, 1.0)

    stores.database.migrate()

    assert stores.datasets.get(DatasetName("train")).version == 1
    stores.database.close()
