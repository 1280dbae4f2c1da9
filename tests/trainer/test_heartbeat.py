"""The thread that keeps a run for its worker: what it sees, shows and outlasts, and when it ends."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import LeaseLostError
from gnomon_trainer.domain import held_run
from gnomon_trainer.domain import runs as rules
from gnomon_trainer.domain.held_run import HeldRun
from gnomon_trainer.domain.runs import Run
from gnomon_trainer.domain.training import Point, RunCancelledError
from tests.trainer.test_held_run import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def overtake(bench: Bench) -> None:
    """Another worker takes the run, whose holder was silent for a lease."""
    bench.expire()
    assert bench.stores.runs.claim("w-2", bench.clock())


def sees_cancellation(held: HeldRun, within_s: float = 5.0) -> bool:
    """Tell whether a training would be ended before long, as its run was cancelled."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            held.checkpoint_allowed()
        except RunCancelledError:
            return True
        time.sleep(0.02)
    return False


def test_the_heartbeat_sees_a_cancellation_and_shows_progress(bench: Bench) -> None:
    with bench.claim() as held:
        held.progress(3, 9, 1.0)
        bench.stores.runs.change(bench.run.name, lambda run: rules.cancelled(run, bench.clock()))
        assert sees_cancellation(held)

    assert bench.now().progress.step == 3


def test_the_heartbeat_outlasts_an_error_that_nobody_foresaw(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()
    told: list[str] = []
    monkeypatch.setattr(held_run.log, "warning", lambda text, *values: told.append(text % values))
    write = bench.stores.runs.write_leased

    def fail_once(*arguments: Any) -> Run:
        if not failed.is_set():
            failed.set()
            raise OSError("what a user wrote")
        return write(*arguments)

    monkeypatch.setattr(bench.stores.runs, "write_leased", fail_once)
    with bench.claim() as held:
        held.progress(3, 9, 1.0)
        for _ in range(100):
            time.sleep(0.05)
            if bench.now().progress.step == 3:
                break

    assert failed.is_set()
    assert bench.now().progress.step == 3
    assert len(told) == 1
    assert "OSError" in told[0]
    assert "a user" not in told[0]


def test_a_cancellation_is_seen_while_the_training_has_nothing_to_show(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_run, "_LOOK_S", 0.02)
    with bench.claim() as held:
        revision = bench.now().revision
        bench.stores.runs.change(bench.run.name, lambda run: rules.cancelled(run, bench.clock()))
        assert sees_cancellation(held)

    assert bench.now().revision == revision + 1  # by the user alone


def test_the_heartbeat_finds_that_another_worker_has_the_run_and_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(held_run.log, "warning", lambda text, *values: told.append(text % values))
    monkeypatch.setattr(held_run, "_LOOK_S", 0.02)
    with bench.claim() as held:
        overtake(bench)
        bench.clock.now += 5.0  # half a lease: it is time to renew, and nothing is over yet
        held._thread.join(5)
        assert not held._thread.is_alive()
        with pytest.raises(LeaseLostError, match="Another worker"):
            held.progress(1, 9, None)

    assert told == [f"lease lost: {bench.run.name}"]
    assert bench.now().worker == "w-2"


def test_a_point_of_a_run_that_another_worker_has_is_refused_and_not_kept(bench: Bench) -> None:
    held = bench.claim()
    overtake(bench)

    with pytest.raises(LeaseLostError):
        held.point(Point(1, loss=2.0))

    assert bench.stores.runs.latest_point(bench.run.uid) is None
