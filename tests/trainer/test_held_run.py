"""How a worker keeps its run, and notices that it has lost it."""

import errno
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from gnomon.errors import LeaseLostError, ServiceUnavailableError, StorageFullError
from gnomon_trainer import worker
from gnomon_trainer.adapters.work_folders import LocalWorkFolders
from gnomon_trainer.domain import runs as rules
from gnomon_trainer.domain.held_run import HeldRun
from gnomon_trainer.domain.leases import Confirmed
from gnomon_trainer.domain.run_store import Change, Lease
from gnomon_trainer.domain.runs import Progress, Run, RunState
from gnomon_trainer.domain.training import (
    Point,
    Reporter,
    RunCancelledError,
    Stage,
    Trained,
    TrainingPlan,
    WorkerStoppingError,
)
from gnomon_trainer.domain.work import Work
from tests.trainer.fake_trainer import FakeTrainer
from tests.trainer.fakes import FakeRegistrar, FakeRowStore, FakeStores
from tests.trainer.running import labelled_rows
from tests.trainer.things import draft, new_run


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A worker's work on fakes, with a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.stores, self.rows, self.clock = FakeStores(), FakeRowStore(), Clock()
        self.stop = threading.Event()
        self.registrar = FakeRegistrar()
        training, test = self.store(labelled_rows(40)), self.store(labelled_rows(20, start=35))
        self.stores.datasets.add([draft("train", training), draft("test", test)], None, 1.0)
        run = new_run()
        spec = replace(run.spec, training_set_digest=training, test_set_digest=test)
        self.run = self.stores.runs.create(replace(run, spec=spec), None)
        self.trainer = FakeTrainer()
        self.folders = LocalWorkFolders(folder)
        self.work = Work(
            worker="w-1",
            runs=self.stores.runs,
            rows=self.rows,
            folders=self.folders,
            registrar=self.registrar,
            trainer=lambda: self.trainer,
            clock=self.clock,
            elapsed=self.clock,
            lease_s=10.0,
            stop=self.stop,
        )

    def store(self, rows: list[dict[str, object]]) -> str:
        sink = self.rows.sink()
        for row in rows:
            sink.write(row | {"label": "true" if row["label"] else "false"})
        return sink.keep()[0]

    def claim(self) -> HeldRun:
        run = self.stores.runs.claim("w-1", self.clock())
        assert run is not None
        return HeldRun(self.stores.runs, run, Confirmed(10.0, self.clock, self.clock()), self.stop)

    def expire(self) -> None:
        """Do what somebody does who has seen the holder silent for a lease."""
        for sign in self.stores.runs.life_signs():
            assert self.stores.runs.expire(sign)

    def now(self) -> Run:
        return self.stores.runs.get(self.run.name)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_work_goes_on_while_nothing_speaks_against_it(bench: Bench) -> None:
    held = bench.claim()

    held.stage(Stage.FINE_TUNING)
    held.progress(1, 9, None)
    held.checkpoint_allowed()


def test_a_process_that_slept_past_its_lease_notices_before_its_heartbeat(bench: Bench) -> None:
    held = bench.claim()
    bench.clock.now += 10.0
    bench.expire()
    bench.stores.runs.claim("w-2", bench.clock())

    for attempt in (held.checkpoint_allowed, lambda: held.progress(1, 2, None), held.renew):
        with pytest.raises(LeaseLostError):
            attempt()


def test_a_lease_that_expired_and_was_not_taken_is_renewed(bench: Bench) -> None:
    held = bench.claim()
    bench.clock.now += 60.0
    bench.expire()

    held.checkpoint_allowed()

    assert bench.now().is_leased


def test_points_are_there_before_the_checkpoint_that_follows(bench: Bench) -> None:
    held = bench.claim()

    held.point(Point(1, loss=2.0))

    assert bench.stores.runs.latest_point(bench.run.uid) == Point(1, loss=2.0)


def test_points_wait_while_the_database_cannot_be_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = bench.claim()

    def full(*_: object) -> Run:
        raise StorageFullError("Full.")

    with monkeypatch.context() as patch:
        patch.setattr(bench.stores.runs, "write_leased", full)
        held.point(Point(1, loss=2.0))
    held.point(Point(2, loss=1.0))

    assert [p.step for _, p in bench.stores.runs.points(bench.run.uid)] == [1, 2]


def test_a_run_is_put_off_and_not_failed_while_the_database_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, away = bench.stores.runs.write_leased, threading.Event()

    def write_leased(lease: Lease, change: Change, points: Sequence[Point] = ()) -> Run:
        if change(bench.now()).state is RunState.FINE_TUNED and not away.is_set():
            away.set()
            raise ServiceUnavailableError("Away.", retry_after_s=1.0)
        return write(lease, change, points)

    monkeypatch.setattr(bench.stores.runs, "write_leased", write_leased)
    bench.work.take_one()
    assert (bench.now().state, bench.now().worker, bench.now().crashes) == (RunState.TRAINING, "", 0)
    bench.work.take_one()

    assert bench.now().state is RunState.REGISTERED


def test_cancelling_and_stopping_end_the_work_between_steps(bench: Bench) -> None:
    held = bench.claim()
    bench.stop.set()
    with pytest.raises(WorkerStoppingError):
        held.checkpoint_allowed()

    bench.stores.runs.change(bench.run.name, lambda run: rules.cancelled(run, bench.clock()))
    held.renew()
    with pytest.raises(RunCancelledError):
        held.checkpoint_allowed()


def test_the_steps_of_a_search_are_not_those_of_the_training_after_it(bench: Bench) -> None:
    held = bench.claim()
    held.stage(Stage.SEARCHING)
    held.progress(500, 900, 60.0)
    held.stage(Stage.FINE_TUNING)
    held.renew()
    assert bench.now().progress == Progress(Stage.FINE_TUNING)
    before = bench.now().best_mark
    held.progress(1, 40, None)
    held.renew()
    assert bench.now().best_mark > before
    held.stage(Stage.EVALUATING)
    held.renew()
    assert bench.now().progress == Progress(Stage.EVALUATING, 1, 40)


def test_a_worker_outlasts_an_error_that_nobody_foresaw() -> None:
    stop, calls = threading.Event(), []

    class Failing:
        def tidy_registered(self) -> None:
            raise OSError("cannot tidy")

        def take_one(self) -> bool:
            calls.append(1)
            if len(calls) == 1:
                raise OSError("cannot work")
            stop.set()
            return False

    worker._work_until(stop, cast(Work, Failing()))

    assert len(calls) == 2


# --------------------------------------------------------------------------- work


def test_a_run_is_trained_and_registered(bench: Bench) -> None:
    assert bench.work.take_one()

    run = bench.now()
    assert run.state is RunState.REGISTERED
    assert run.metric_version == "metrics/toxicity/versions/1"
    assert run.progress.stage is Stage.REGISTERING
    left = bench.folders.path(run.work_folder).iterdir()
    assert {path.name for path in left} == {"bundle", "predictions.jsonl"}
    assert not bench.work.take_one()


def test_what_a_worker_killed_after_registering_left_is_tidied_by_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bench.folders, "tidy", lambda _: None)  # killed before it
        bench.work.take_one()
    run = bench.now()
    folder = bench.folders.path(run.work_folder)
    (folder / "checkpoints").mkdir()
    late = folder.parent / "0"  # made again by a worker that was stopped
    late.mkdir()

    bench.work.tidy_registered()
    bench.work.tidy_registered()

    assert {path.name for path in folder.iterdir()} == {"bundle", "predictions.jsonl"}
    assert not late.exists()


def test_the_folders_of_runs_that_are_not_registered_are_not_tidied(bench: Bench) -> None:
    folder = bench.folders.take(bench.run)
    (folder / "checkpoint").write_text("1")

    bench.work.tidy_registered()

    assert (folder / "checkpoint").exists()


def test_a_worker_that_is_to_stop_leaves_the_tidying_to_the_next(bench: Bench) -> None:
    bench.work.take_one()
    late = bench.folders.path(bench.now().work_folder) / "checkpoints"
    late.mkdir()

    bench.stop.set()
    bench.work.tidy_registered()
    assert late.exists()
    bench.stop.clear()
    bench.work.tidy_registered()
    assert not late.exists()


def test_overlapping_rows_are_not_trained_on(bench: Bench) -> None:
    plans: list[TrainingPlan] = []

    class Looking(FakeTrainer):
        def train(self, plan: TrainingPlan, work_folder: Path, reporter: Reporter) -> Trained:
            plans.append(plan)
            return super().train(plan, work_folder, reporter)

    bench.trainer = Looking()
    bench.work.take_one()

    assert [row.number for row in plans[0].training_rows] == list(range(1, 36))
    assert len(plans[0].test_rows) == 20
    assert plans[0].warnings == ("Some.",)
    assert plans[0].lineage.training_set == "datasets/train@1"


def test_a_lease_lost_during_registration_changes_nothing(bench: Bench) -> None:
    def overtaken() -> None:
        bench.clock.now += 60.0
        bench.expire()
        bench.stores.runs.claim("w-2", bench.clock())

    bench.registrar.before = overtaken
    bench.work.take_one()

    run = bench.now()
    assert (run.state, run.worker) == (RunState.FINE_TUNED, "w-2")
    bench.registrar.before = lambda: None
    bench.expire()
    bench.work.take_one()
    assert bench.now().state is RunState.REGISTERED
    assert len(bench.registrar.registered) == 1  # the same request, whoever makes it


def test_a_full_disk_fails_the_run_and_leaves_its_checkpoint(bench: Bench) -> None:
    class Full(FakeTrainer):
        def train(self, plan: TrainingPlan, work_folder: Path, reporter: Reporter) -> Trained:
            (work_folder / "checkpoint.json").write_text('{"step": 2}')
            raise OSError(errno.ENOSPC, "No space left on device")

    bench.trainer = Full()
    bench.work.take_one()
    failed = bench.now()
    assert failed.state is RunState.FAILED
    assert failed.error is not None
    assert failed.error.reason == "STORAGE_FULL"

    bench.trainer = FakeTrainer()
    bench.stores.runs.change(failed.name, lambda run: rules.resumed(run, bench.clock()))
    bench.work.take_one()
    assert bench.now().state is RunState.REGISTERED
    assert [p.step for _, p in bench.stores.runs.points(failed.uid)] == [3, 4]


# ------------------------------------------------------------------- work folders


def test_a_new_lease_takes_the_folder_away_from_the_one_before(tmp_path: Path) -> None:
    folders = LocalWorkFolders(tmp_path)
    first = folders.take(new_run(fence=1))
    (first / "checkpoint").write_text("1")

    second = folders.take(new_run(fence=3))

    assert not first.exists()
    assert (second / "checkpoint").read_text() == "1"
    assert folders.take(new_run(fence=3)) == second
    with pytest.raises(FileNotFoundError):
        (first / "late").write_text("from a zombie")


def test_what_a_stopped_worker_made_again_goes_with_the_next_lease(tmp_path: Path) -> None:
    folders = LocalWorkFolders(tmp_path)
    first = folders.take(new_run(fence=1))
    (first / "checkpoint").write_text("1")
    folders.take(new_run(fence=2))
    first.mkdir()
    (first / "late").write_text("from a zombie")

    third = folders.take(new_run(fence=3))

    assert [path.name for path in third.iterdir()] == ["checkpoint"]
    assert list(third.parent.iterdir()) == [third]
