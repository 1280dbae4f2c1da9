"""Whatever users and workers do in whatever order, a run obeys its rules."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gnomon.errors import GnomonError, LeaseLostError, NotFoundError, RunStateError
from gnomon_trainer.domain import runs as rules
from gnomon_trainer.domain.run_store import Change, Lease
from gnomon_trainer.domain.runs import ALLOWED, Progress, Run, RunState
from gnomon_trainer.domain.training import Stage
from gnomon_trainer.domain.work_progress import WorkProgress
from tests.trainer.fakes import FakeStores
from tests.trainer.things import draft, new_run, waiting_run

NAME = new_run().name


@dataclass
class Worker:
    """What a worker believes; it may be long out of date."""

    worker: str
    run: Run


class RunLife(RuleBasedStateMachine):
    """One run, a few workers of which any may be a zombie, and a user."""

    @initialize(new=st.sampled_from([new_run(), waiting_run(), waiting_run("generations/g")]))
    def create(self, new: Run) -> None:
        self.stores = FakeStores()
        self.stores.datasets.add([draft("train"), draft("test", "b" * 64)], None, 1.0)
        self.run = self.stores.runs.create(new, None)
        self.seen_waiting: list[Run] = []
        self.now = 100.0
        self.workers: list[Worker] = []
        self.bundles: set[str] = set()
        self.resumes = 0

    # ---------------------------------------------------------------- what happens

    @rule(seconds=st.floats(0.1, 15.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_worker_claims(self) -> None:
        was = self.run
        claimed = self.stores.runs.claim(f"w-{len(self.workers)}", self.now)
        assert (claimed is not None) == was.is_claimable(self.now)
        if claimed is not None:
            assert claimed.fence == was.fence + 1
            self.workers.append(Worker(claimed.worker, claimed))

    @rule(expected=st.booleans())
    def somebody_saw_the_holder_silent(self, expected: bool) -> None:
        for sign in self.stores.runs.life_signs():
            assert (
                self.stores.runs.expire(sign if expected else replace(sign, revision=sign.revision - 1))
                == expected
            )

    @rule(which=st.integers(0, 9), step=st.integers(0, 5))
    def a_worker_beats(self, which: int, step: int) -> None:
        progress = Progress(Stage.FINE_TUNING, step, 5)
        self._write(which, lambda run: rules.progressed(run, progress))

    @rule(which=st.integers(0, 9))
    def a_worker_finishes_training(self, which: int) -> None:
        def change(run: Run) -> Run:
            digest = f"{run.fence:064}"
            return rules.fine_tuned(
                run,
                work_folder="w",
                bundle_folder="b",
                predictions_file="p",
                bundle_digest=digest,
                report={},
            )

        self._write(which, change, RunState.TRAINING)

    @rule(which=st.integers(0, 9))
    def a_worker_registers(self, which: int) -> None:
        self._write(which, lambda run: rules.registered(run, "v", self.now), RunState.FINE_TUNED)

    @rule(which=st.integers(0, 9))
    def a_worker_fails(self, which: int) -> None:
        self._write(which, lambda run: rules.failed(run, NotFoundError("No."), self.now))

    @rule(which=st.integers(0, 9))
    def a_worker_gives_back(self, which: int) -> None:
        self._write(which, lambda run: rules.given_back(run, self.now + 1.0))

    @rule()
    def a_trainer_sees_the_run_wait(self) -> None:
        self.seen_waiting += self.stores.runs.waiting()

    @rule(which=st.integers(0, 9), done=st.integers(0, 5))
    def a_trainer_shows_the_work(self, which: int, done: int) -> None:
        self._look_after(which, lambda run: rules.work_shown(run, WorkProgress(done=done, total=5)))

    @rule(which=st.integers(0, 9))
    def a_trainer_queues_the_run(self, which: int) -> None:
        self._look_after(which, lambda run: rules.queued(run, new_run().spec))

    @rule(which=st.integers(0, 9), state=st.sampled_from([RunState.FAILED, RunState.CANCELLED]))
    def a_trainer_ends_the_run_with_its_work(self, which: int, state: RunState) -> None:
        error = rules.failure(NotFoundError("No."))
        self._look_after(which, lambda run: rules.ended_with_work(run, state, error, self.now))

    def _look_after(self, which: int, change: Change) -> None:
        """Write as one trainer of several does, which may have looked long ago."""
        if which < len(self.seen_waiting):
            seen = self.seen_waiting[which]
            held = self.run.fence == seen.fence
            assert not held or self.run.waits
            try:
                self.stores.runs.write_leased(Lease(seen.uid, seen.fence), change)
                assert held
            except LeaseLostError:
                assert not held

    @rule()
    def the_user_cancels(self) -> None:
        self.stores.runs.change(NAME, lambda run: rules.cancelled(run, self.now))

    @rule()
    def the_user_resumes(self) -> None:
        try:
            self.stores.runs.change(NAME, lambda run: rules.resumed(run, self.now))
            self.resumes += 1
        except RunStateError:
            assert not self.run.is_done or self.run.state is RunState.REGISTERED

    @rule()
    def the_service_settles(self) -> None:
        self.stores.runs.settle_cancelled(self.now)

    def _write(self, which: int, change: Change, when: RunState | None = None) -> None:
        if which >= len(self.workers):
            return
        worker = self.workers[which]
        if when is not None and worker.run.state is not when:
            return  # a worker does this only in a state that it knows of
        lease = Lease(worker.run.uid, worker.run.fence)
        held = self.run.fence == lease.fence
        try:
            worker.run = self.stores.runs.write_leased(lease, change)
            assert held
        except LeaseLostError:
            assert not held

    # ---------------------------------------------------------------- what must hold

    @invariant()
    def only_allowed_changes_are_made(self) -> None:
        was, now = self.run, self.stores.runs.get(NAME)
        assert now.state is was.state or now.state in ALLOWED[was.state]
        assert now.fence >= was.fence
        assert now.revision >= was.revision
        # Whoever expires a lease writes no sign of life, and watchers are told nothing of leases.
        shown = replace(now, lease_expired=was.lease_expired)
        assert (now.revision == was.revision) == (shown == was)
        if was.state is RunState.REGISTERED:
            assert now == replace(now, state=RunState.REGISTERED, metric_version="v")
        if was.spec != now.spec:
            assert was.spec.is_open  # what decides the evaluator is fixed once it is there
            assert (was.state.waits, now.state) == (True, RunState.QUEUED)
        if was.bundle_digest:
            assert now.bundle_digest == was.bundle_digest  # a bundle is fixed once it is there
        self.run = now

    @invariant()
    def what_a_run_says_fits_its_state(self) -> None:
        run = self.run
        assert (run.end_time is not None) == run.is_done
        assert (run.state is RunState.REGISTERED) == bool(run.metric_version)
        if run.state in {RunState.FINE_TUNED, RunState.REGISTERED}:
            assert run.bundle_digest
        if run.state in {RunState.FAILED, RunState.CANCELLED}:
            assert run.error is not None
        if run.state in {RunState.QUEUED, RunState.TRAINING, RunState.REGISTERED}:
            assert run.error is None
        assert not (run.is_done and run.is_leased)
        if run.waits:
            assert run.spec.is_open
            assert run.error is None
            assert not run.worker
        if not run.is_done:
            assert run.waits == run.spec.is_open


RunLife.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_a_run_obeys_its_rules = RunLife.TestCase


def test_whoever_ends_without_a_word_three_times_at_the_same_place_is_poison() -> None:
    run = new_run()
    for _ in range(3):
        assert rules.poisoned(run) is None
        run = rules.claimed(run, "w", 100.0)
        run = rules.progressed(run, Progress(Stage.FINE_TUNING, 7, 9))
    run = rules.claimed(rules.claimed(run, "w", 100.0), "w", 100.0)

    assert isinstance(rules.poisoned(run), GnomonError)
    ahead = rules.progressed(run, Progress(Stage.FINE_TUNING, 8, 9))
    assert rules.poisoned(ahead) is None


@pytest.mark.parametrize("state", [RunState.TRAINING, RunState.FINE_TUNED])
def test_whoever_works_on_a_run_ends_it_when_it_is_cancelled(state: RunState) -> None:
    """What the worker has begun meanwhile, such as a version, would be left behind otherwise."""
    held = new_run(state=state, worker="w", fence=3)

    assert rules.cancelled(held, 100.0) == replace(held, cancel_requested=True)
    left = replace(held, cancel_requested=True, lease_expired=True)
    assert rules.cancelled(left, 100.0).state is RunState.CANCELLED
