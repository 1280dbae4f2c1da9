"""What a worker does with a run: train, then register. Everything blocks."""

import logging
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gnomon.bundle import LineageRecord
from gnomon.errors import (
    ArtifactCorruptError,
    GnomonError,
    LeaseLostError,
    ServiceUnavailableError,
    StorageFullError,
    TrainingFailedError,
)
from gnomon.folders import is_full
from gnomon.names import MetricName
from gnomon_trainer.domain import runs
from gnomon_trainer.domain.catalog import Registrar, registration_id
from gnomon_trainer.domain.datasets import RowStore
from gnomon_trainer.domain.held_run import HeldRun
from gnomon_trainer.domain.leases import Confirmed, LeaseWatch
from gnomon_trainer.domain.overlap import overlap, without
from gnomon_trainer.domain.run_checks import read_rows
from gnomon_trainer.domain.run_store import RunStore
from gnomon_trainer.domain.runs import Run, RunState
from gnomon_trainer.domain.tracing import Tracing, Untraced, WorkSpan
from gnomon_trainer.domain.training import (
    RunCancelledError,
    Stage,
    Trainer,
    TrainingPlan,
    WorkerStoppingError,
)

log = logging.getLogger(__name__)

_PAGE = 100


class WorkFolders(Protocol):
    """Where runs keep their checkpoints and bundles."""

    def take(self, run: Run) -> Path:
        """Return the work folder of the run's newest lease, with what earlier leases left.

        It is taken away from earlier leases: what a stopped worker still writes
        goes nowhere.
        """
        ...

    def path(self, relative: str) -> Path:
        """Return a folder that a run names."""
        ...

    def relative(self, folder: Path) -> str:
        """Return how a run names a folder."""
        ...

    def tidy(self, run: Run) -> None:
        """Remove what a registered run needs no more: all but its bundle and its predictions.

        Does nothing where that is done already.
        """
        ...

    def seal(self, bundle: Path) -> str:
        """Write a bundle's files through to the disk and return the bundle's digest.

        Raises:
            BundleInvalidError: files are missing or wrongly named.
        """
        ...


@dataclass(slots=True)
class Work:
    """Takes runs one after another. `trainer` is asked for only when there is something to train."""

    worker: str
    runs: RunStore
    rows: RowStore
    folders: WorkFolders
    registrar: Registrar
    trainer: Callable[[], Trainer]
    clock: Callable[[], float]  # seconds since the epoch, for times that people read
    elapsed: Callable[[], float]  # seconds from any start, for leases
    lease_s: float
    stop: threading.Event
    tracing: Tracing = field(default_factory=Untraced)
    _watch: LeaseWatch = field(init=False)
    _refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._watch = LeaseWatch(self.runs, self.lease_s, self.elapsed)

    def take_one(self) -> bool:
        """Work on the oldest run that waits; return False if none does."""
        self._watch.look()
        began = self.elapsed()
        run = self.runs.claim(self.worker, self.clock())
        if run is None:
            return False
        log.info("run claimed: %s, attempt %d", run.name, run.attempts)
        confirmed = Confirmed(self.lease_s, self.elapsed, began)
        with self.tracing.work("run", run.spec.trace, _about(run)) as span:
            self._hold(run, confirmed, span)
        return True

    def _hold(self, run: Run, confirmed: Confirmed, span: WorkSpan) -> None:
        with HeldRun(self.runs, run, confirmed, self.stop, span) as held:
            try:
                self._work(held)
            except LeaseLostError:
                span.left("lease_lost")
                log.warning("run left to another worker: %s", run.name)
            else:
                span.left(held.run.state, held.run.error.reason if held.run.error else "")
                log.info("run left as %s: %s", held.run.state, run.name)

    def tidy_registered(self) -> None:
        """Remove what workers left that were killed between registering a run and tidying up."""
        before: int | None = None
        while found := self.runs.page(None, before, _PAGE):
            for run in found:
                if self.stop.is_set():
                    return
                if run.state is RunState.REGISTERED:
                    self.folders.tidy(run)
            before = found[-1].number

    def _work(self, held: HeldRun) -> None:
        try:
            if error := runs.poisoned(held.run):
                raise error
            if held.run.state is RunState.TRAINING:
                self._train(held)
            self._register(held)
        except LeaseLostError:
            raise
        except RunCancelledError:
            held.write(lambda run: runs.cancelled_by_worker(run, self.clock()))
        except WorkerStoppingError:
            held.write(lambda run: runs.given_back(run, self.clock()))
        except ServiceUnavailableError as error:  # the database is away or busy: no fault of the run
            log.warning("run put off: %s: %s", held.run.name, error.reason)
            held.write(lambda run: runs.given_back(run, self.clock()))
        except Exception as error:
            known = _known(error, held.run)
            _log(error, held.run)
            held.write(lambda run: runs.failed(run, known, self.clock()))

    def _train(self, held: HeldRun) -> None:
        held.checkpoint_allowed()
        run, folder = held.run, self.folders.take(held.run)
        trained = self.trainer().train(training_plan(run, self.rows), folder, held)
        for each in trained.report.get("formats", ()):
            held.note("gate", {"gnomon.format": each["format"], "gnomon.passed": each["passed"]})
        digest = self.folders.seal(trained.bundle_folder)
        held.write(
            lambda run: runs.fine_tuned(
                run,
                work_folder=self.folders.relative(folder),
                bundle_folder=str(trained.bundle_folder.relative_to(folder)),
                predictions_file=str(trained.predictions_path.relative_to(folder)),
                bundle_digest=digest,
                report=trained.report,
            )
        )

    def _register(self, held: HeldRun) -> None:
        held.checkpoint_allowed()
        held.stage(Stage.REGISTERING)
        run = held.renew()
        if refusal := runs.objective_missed(run):
            raise refusal
        bundle = self.folders.path(run.work_folder) / run.bundle_folder
        if not bundle.is_dir() or self.folders.seal(bundle) != run.bundle_digest:
            raise ArtifactCorruptError(
                f"The bundle of {run.name} on the trainer's disk is missing or altered. Create a new run.",
                resource=str(run.name),
                path=run.bundle_folder,
            )
        metric = MetricName.parse(run.spec.metric.name)
        held.checkpoint_allowed()  # the last moment at which nothing is published yet
        try:
            version = self.registrar.register(
                metric, bundle, f"Trained by {run.name}.", registration_id(run.uid)
            )
        except GnomonError as error:
            if error.retry_after_s is None:
                raise
            self._try_again_later(held, error)
            return
        self.folders.tidy(held.write(lambda run: runs.registered(run, str(version), self.clock())))

    def _try_again_later(self, held: HeldRun, error: GnomonError) -> None:
        uid = held.run.uid
        self._refused[uid] += 1
        wait_s = min(runs.LONGEST_WAIT_S, 0.5 * 2.0 ** min(self._refused[uid], 10))
        log.warning("registration put off for %.0f s: %s: %s", wait_s, held.run.name, error.reason)
        held.write(lambda run: runs.given_back(run, self.clock() + wait_s))


def training_plan(run: Run, rows: RowStore) -> TrainingPlan:
    """Return what a run trains, as its checks decided when it was created."""
    spec = run.spec
    training = tuple(read_rows(rows, spec.training_set_digest, spec.metric))
    test = tuple(read_rows(rows, spec.test_set_digest, spec.metric))
    left_out = spec.left_out
    if left_out is None:
        left_out = tuple(overlap(training, test, spec.metric, None).rows)
    return TrainingPlan(
        run=str(run.name),
        metric=spec.metric,
        training_rows=without(training, frozenset(left_out)),
        test_rows=without(test, frozenset(spec.test_left_out)),
        recipe=spec.trained_by,
        base_model=spec.base_model,
        parameters=spec.parameters,
        origins=spec.origins,
        lineage=LineageRecord(
            run=str(run.name),
            recipe=spec.trained_by,
            base_model=spec.base_model,
            training_set=spec.training_set,
            training_set_digest=spec.training_set_digest,
            test_set=spec.test_set,
            test_set_digest=spec.test_set_digest,
            seed=spec.parameters.seed,
            generation=spec.generation,
            generator=spec.generator,
        ),
        warnings=spec.warnings,
        service_objective=spec.service_objective,
        report_options=spec.report_options,
        recipe_reason=spec.recipe_reason,
    )


def _about(run: Run) -> dict[str, str | int]:
    spec = run.spec
    return {
        "gnomon.run": str(run.name),
        "gnomon.metric": spec.metric.name,
        "gnomon.recipe": spec.trained_by,
        "gnomon.base_model": spec.base_model,
        "gnomon.attempt": run.attempts,
    }


def _log(error: Exception, run: Run) -> None:
    """Tell where it went wrong, but not the error's own words: they may hold what users wrote."""
    where = "" if isinstance(error, GnomonError) else "".join(traceback.format_tb(error.__traceback__))
    log.error("run failed: %s: %s\n%s", run.name, type(error).__name__, where)


def _known(error: Exception, run: Run) -> GnomonError:
    """Return the error that a run shows; what nobody foresaw is named by its type alone."""
    if isinstance(error, GnomonError):
        return error
    if is_full(error):
        return StorageFullError(
            f"The trainer's disk is full. Free some space, then resume {run.name}: it goes on from its last "
            "checkpoint."
        )
    return TrainingFailedError(
        f"The training failed with {type(error).__name__}; the worker's log has the details. Resume "
        f"{run.name} once the cause is gone.",
        resource=str(run.name),
    )
