"""A training run and what can happen to it. Pure.

Each function below takes a run and returns what it becomes; a `RunStore`
applies it in one transaction.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from gnomon.errors import (
    CancelledError,
    GnomonError,
    RunStateError,
    ServiceObjectiveMissedError,
    TrainingFailedError,
)
from gnomon.names import OperationName, RunName
from gnomon_trainer.domain.feedback import FeedbackOrigin
from gnomon_trainer.domain.findings import Finding
from gnomon_trainer.domain.service_objective import OnMiss, ServiceObjective, figures_of
from gnomon_trainer.domain.training import MetricDefinition, Parameters, ReportOptions, Stage
from gnomon_trainer.domain.work_progress import WorkProgress

MAX_CRASHES = 3
LONGEST_WAIT_S = 30.0  # before another attempt; one that is later was written by a clock that was set back


class RunState(StrEnum):
    GENERATING = "generating"  # waits for a generation, which makes its training set
    LABELLING = "labelling"  # waits for a labelling, which makes its training set
    QUEUED = "queued"
    TRAINING = "training"
    FINE_TUNED = "fine_tuned"
    REGISTERED = "registered"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def waits(self) -> bool:
        """Whether a run in it waits for its training set."""
        return self in {RunState.GENERATING, RunState.LABELLING}


_FROM_WAITING = frozenset({RunState.QUEUED, RunState.FAILED, RunState.CANCELLED})
_WAITING = frozenset(state for state in RunState if state.waits)
ALLOWED: Mapping[RunState, frozenset[RunState]] = {
    RunState.GENERATING: _FROM_WAITING,
    RunState.LABELLING: _FROM_WAITING,
    RunState.QUEUED: frozenset({RunState.TRAINING, RunState.CANCELLED}),
    RunState.TRAINING: frozenset({RunState.FINE_TUNED, RunState.FAILED, RunState.CANCELLED}),
    RunState.FINE_TUNED: frozenset({RunState.REGISTERED, RunState.CANCELLED}),
    RunState.REGISTERED: frozenset(),
    RunState.FAILED: _WAITING | {RunState.QUEUED},
    RunState.CANCELLED: _WAITING | {RunState.QUEUED, RunState.FINE_TUNED},
}


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What decides the evaluator that a run makes; fixed when the run is queued.

    While a run waits for its training set, that is empty, and what depends on
    its rows is open: the recipe that is chosen, parameters, findings.
    """

    metric: MetricDefinition
    training_set: str  # datasets/{dataset}@{version}
    training_set_digest: str
    test_set: str
    test_set_digest: str
    recipe: str  # recipes/{recipe}
    base_model: str
    requested: Mapping[str, Any]
    parameters: Parameters
    origins: Mapping[str, str]
    allow_small: bool = False
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[int, ...] | None = None  # rows of the training set; None of runs of earlier releases
    service_objective: ServiceObjective | None = None
    report_options: ReportOptions = field(default_factory=ReportOptions)
    chosen_recipe: str = ""  # recipes/{recipe}, where `recipe` leaves that to the data
    recipe_reason: str = ""  # why that one
    feedback_origin: FeedbackOrigin | None = None
    generation: str = ""  # generations/{generation}, where the training set is from one
    generator: str = ""  # who wrote it
    test_left_out: tuple[int, ...] = ()  # rows of the test set that its generator saw
    made_by: str = ""  # labellings/{labelling} or generations/{generation}, which the run waits for or did
    trace: str = ""  # of the call that created the run, as a `traceparent`; decides nothing

    @property
    def trained_by(self) -> str:
        return self.chosen_recipe or self.recipe

    @property
    def is_open(self) -> bool:
        """Whether the training set is not there yet."""
        return not self.training_set


@dataclass(frozen=True, slots=True)
class Progress:
    stage: Stage | None = None
    step: int = 0
    total_steps: int = 0
    remaining_s: float | None = None
    work: WorkProgress | None = None  # of the work that the run waits for

    @property
    def mark(self) -> tuple[int, int]:
        """Grows as the work goes on."""
        return (list(Stage).index(self.stage) + 1 if self.stage else 0, self.step)


@dataclass(frozen=True, slots=True)
class RunFailure:
    """A GnomonError as it is stored with a run."""

    code: int
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def failure(error: GnomonError) -> RunFailure:
    return RunFailure(error.code, error.reason, error.message, dict(error.metadata))


@dataclass(frozen=True, slots=True)
class Run:
    """A run. Times are seconds since the epoch.

    `fence` grows with every lease; a write with an older one is refused.
    `lease_expired` says that `worker` was silent for too long, see `leases`.
    `crashes` counts leases in a row that ended without a word and without
    progress beyond `best_mark`. `revision` grows with every write, `edits` with
    those of users.
    """

    uid: str
    project: str
    run: str
    display_name: str
    spec: RunSpec
    create_time: float
    number: int = 0  # given by the store; runs are listed by it
    state: RunState = RunState.QUEUED
    error: RunFailure | None = None
    progress: Progress = field(default_factory=Progress)
    report: Mapping[str, Any] | None = None
    metric_version: str = ""
    work_folder: str = ""  # below the runs' folder; set with the bundle
    bundle_folder: str = ""  # below the work folder
    predictions_file: str = ""
    bundle_digest: str = ""
    cancel_requested: bool = False
    worker: str = ""
    fence: int = 0
    lease_expired: bool = False
    next_attempt: float = 0.0
    attempts: int = 0
    crashes: int = 0
    best_mark: tuple[int, int] = (0, 0)
    start_time: float | None = None
    end_time: float | None = None
    revision: int = 0
    edits: int = 0

    @property
    def name(self) -> RunName:
        return RunName(self.project, self.run)

    @property
    def operation(self) -> OperationName:
        return OperationName(self.uid)

    @property
    def etag(self) -> str:
        return f"{self.uid[:8]}-{self.edits}"

    @property
    def is_done(self) -> bool:
        """Whether nothing more happens to the run by itself."""
        ended = self.state in {RunState.REGISTERED, RunState.FAILED, RunState.CANCELLED}
        return ended or (self.state is RunState.FINE_TUNED and self.error is not None)

    @property
    def waits(self) -> bool:
        """Whether the run waits for its training set. No worker takes it."""
        return self.state.waits

    @property
    def is_leased(self) -> bool:
        return bool(self.worker) and not self.lease_expired

    def is_claimable(self, now: float) -> bool:
        """Whether a worker may take the run. The SQL store says the same in its one statement."""
        if self.is_done or self.waits or self.is_leased:
            return False
        if self.state is RunState.TRAINING:
            return True
        return self.next_attempt <= now or self.next_attempt > now + LONGEST_WAIT_S


def new_uid(random_bytes: bytes, kind: str = "r") -> str:
    """Return an ID that begins with `kind` and fits an operation's name, from 13 random bytes or more."""
    return kind + base64.b32encode(random_bytes).decode().lower()[:20]


# ------------------------------------------------------- what users can do to a run


def renamed(run: Run, display_name: str) -> Run:
    return replace(run, display_name=display_name, edits=run.edits + 1)


def cancelled(run: Run, now: float) -> Run:
    """Cancel: at once, or by the worker that trains or registers. Runs that have ended stay as they are.

    A cancellation that the worker sees only after the version is registered comes
    too late: the run is REGISTERED, so that no version is there without its run.
    """
    match run.state:
        case RunState.TRAINING | RunState.FINE_TUNED if run.is_leased:
            return replace(run, cancel_requested=True)
        case RunState.REGISTERED | RunState.FAILED | RunState.CANCELLED:
            return run
        case _:
            return _end(run, RunState.CANCELLED, now, failure(cancelled_error(run)))


def cancelled_error(run: Run) -> GnomonError:
    if run.spec.is_open:
        return CancelledError(
            f"{run.name} was cancelled. ResumeRun goes on with {run.spec.made_by}: no answer is paid twice."
        )
    return CancelledError(f"{run.name} was cancelled. ResumeRun goes on from its last checkpoint.")


def first_state(spec: RunSpec) -> RunState:
    """Return the state that a run of a spec begins in."""
    if not spec.is_open:
        return RunState.QUEUED
    return RunState.GENERATING if spec.made_by.startswith("generations/") else RunState.LABELLING


def resumed(run: Run, now: float) -> Run:
    """Queue again; a run whose bundle is ready is only registered again.

    One that has no training set yet waits for it again: its work must go on first.

    Raises:
        RunStateError: the run has not stopped, or is registered already.
    """
    if not run.is_done or run.state is RunState.REGISTERED:
        raise RunStateError(
            f"{run.name} is {run.state.upper()}; only a run that is FAILED, CANCELLED or FINE_TUNED with an "
            "error can be resumed.",
            resource=str(run.name),
            state=run.state.upper(),
        )
    return replace(
        run,
        state=RunState.FINE_TUNED if run.bundle_digest else first_state(run.spec),
        error=None,
        cancel_requested=False,
        worker="",
        lease_expired=False,
        next_attempt=now,
        crashes=0,
        end_time=None,
        fence=run.fence + 1,
        edits=run.edits + 1,
    )


# --------------------------------- what a trainer does to a run that waits for its work


def work_shown(run: Run, progress: WorkProgress) -> Run:
    """The work that the run waits for is so far."""
    return replace(run, progress=Progress(work=progress))


def queued(run: Run, spec: RunSpec) -> Run:
    """The training set is there, and all is resolved: a worker may take the run."""
    spec = replace(spec, trace=run.spec.trace)
    return replace(run, state=RunState.QUEUED, spec=spec, progress=Progress(), fence=run.fence + 1)


def ended_with_work(run: Run, state: RunState, error: RunFailure, now: float) -> Run:
    """The work failed or was cancelled, and the run with it."""
    return _end(run, state, now, error)


# ---------------------------------------------------------- what workers do to a run


def claimed(run: Run, worker: str, now: float) -> Run:
    """A worker takes the run. The SQL store does the same in one statement."""
    return replace(
        run,
        state=RunState.TRAINING if run.state is RunState.QUEUED else run.state,
        crashes=run.crashes + (1 if run.worker else 0),  # who ends in order gives the run back
        worker=worker,
        fence=run.fence + 1,
        lease_expired=False,
        attempts=run.attempts + 1,
        start_time=run.start_time or now,
        revision=run.revision + 1,
    )


def progressed(run: Run, progress: Progress) -> Run:
    """The worker lives, and is so far."""
    is_ahead = progress.mark > run.best_mark
    return replace(
        run,
        progress=progress,
        best_mark=progress.mark if is_ahead else run.best_mark,
        crashes=0 if is_ahead else run.crashes,
    )


def given_back(run: Run, next_attempt: float) -> Run:
    """The worker stops before the run has ended; another may go on."""
    return replace(run, worker="", lease_expired=False, next_attempt=next_attempt)


def fine_tuned(
    run: Run,
    *,
    work_folder: str,
    bundle_folder: str,
    predictions_file: str,
    bundle_digest: str,
    report: Mapping[str, Any],
) -> Run:
    """The training is over; from here on the bundle is fixed."""
    return replace(
        run,
        state=RunState.FINE_TUNED,
        work_folder=work_folder,
        bundle_folder=bundle_folder,
        predictions_file=predictions_file,
        bundle_digest=bundle_digest,
        report=report,
        progress=replace(run.progress, remaining_s=None),
    )


def registered(run: Run, metric_version: str, now: float) -> Run:
    return replace(_end(run, RunState.REGISTERED, now, None), metric_version=metric_version)


def failed(run: Run, error: GnomonError, now: float) -> Run:
    """The work went wrong: a run with a bundle stays FINE_TUNED with the reason, another is FAILED."""
    state = RunState.FINE_TUNED if run.state is RunState.FINE_TUNED else RunState.FAILED
    return _end(run, state, now, failure(error))


def cancelled_by_worker(run: Run, now: float) -> Run:
    return _end(run, RunState.CANCELLED, now, failure(cancelled_error(run)))


def poisoned(run: Run) -> GnomonError | None:
    """Return why nobody should try the run again; None if it may be tried."""
    if run.crashes < MAX_CRASHES:
        return None
    return TrainingFailedError(
        f"The worker process died {run.crashes} times in a row at the same place, most likely for want of "
        "memory. Give it more, or lower batch_size or max_tokens in a new run.",
        resource=str(run.name),
    )


def objective_missed(run: Run) -> GnomonError | None:
    """Return why a run must not be registered: it was to carry a load that no format does. None if it may."""
    objective, service = run.spec.service_objective, (run.report or {}).get("service")
    if objective is None or objective.on_miss is not OnMiss.REFUSE or not service or service["met"]:
        return None
    return ServiceObjectiveMissedError(
        f"{service['reason']} Nothing is registered. Ask for less, take a smaller recipe or max_tokens, or "
        "create the run with on_miss WARN.",
        resource=str(run.name),
        format=service["format"],
        figures="; ".join(map(figures_of, service["formats"])),
    )


def _end(run: Run, state: RunState, now: float, error: RunFailure | None) -> Run:
    return replace(
        run,
        state=state,
        error=error,
        cancel_requested=False,
        worker="",
        lease_expired=False,
        end_time=now,
        fence=run.fence + 1,
        progress=replace(run.progress, remaining_s=None),
    )
