"""A run that is cancelled while its version is registered: stopped in time, or too late; nothing between."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import ServiceUnavailableError
from gnomon_trainer.domain import runs as rules
from gnomon_trainer.domain.runs import Run, RunState
from tests.trainer.test_held_run import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def cancel(bench: Bench) -> Run:
    return bench.stores.runs.change(bench.run.name, lambda run: rules.cancelled(run, bench.clock()))


def before(called: Callable[..., Any], first: Callable[[], object]) -> Callable[..., Any]:
    def both(*arguments: Any) -> Any:
        first()
        return called(*arguments)

    return both


def test_a_version_that_appears_is_the_runs_even_if_a_cancellation_came_meanwhile(bench: Bench) -> None:
    def cancelled() -> None:
        cancel(bench)

    bench.registrar.before = cancelled
    bench.work.take_one()

    run = bench.now()
    assert (run.state, run.metric_version) == (RunState.REGISTERED, "metrics/toxicity/versions/1")
    assert (run.error, run.cancel_requested) == (None, False)
    assert bench.stores.runs.settle_cancelled(bench.clock()) == 0


def test_what_is_cancelled_while_its_bundle_is_read_is_not_registered_but_can_be_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel_once() -> None:
        if bench.now().state is RunState.FINE_TUNED:
            cancel(bench)
            # What the heartbeat would do: the bundle is read for longer than it waits.
            held.renew()

    with monkeypatch.context() as patch:
        patch.setattr(bench.folders, "seal", before(bench.folders.seal, cancel_once))
        held = bench.claim()
        bench.work._work(held)

    assert (bench.now().state, bench.registrar.registered) == (RunState.CANCELLED, {})
    bench.stores.runs.change(bench.run.name, lambda run: rules.resumed(run, bench.clock()))
    bench.work.take_one()
    assert bench.now().state is RunState.REGISTERED


def test_a_cancellation_ends_a_run_whose_registration_is_put_off(bench: Bench) -> None:
    def away() -> None:
        cancel(bench)
        raise ServiceUnavailableError("Away.", retry_after_s=1.0)

    bench.registrar.before = away
    bench.work.take_one()
    assert bench.now().cancel_requested

    assert bench.stores.runs.settle_cancelled(bench.clock()) == 1
    assert (bench.now().state, bench.registrar.registered) == (RunState.CANCELLED, {})
