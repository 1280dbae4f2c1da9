"""Work that the trainer itself does by asking providers, and what can happen to it. Pure.

Such work is a row that one trainer process leases, as a worker leases a run.
What is particular to a kind of work is in its `spec`, `progress` and `result`,
which are JSON here and have types in the kind's own module. Each function
below takes a piece of work and returns what it becomes; a `PaidWorkStore`
applies it in one transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from gnomon.errors import CancelledError, GnomonError, InternalError, WorkStateError
from gnomon.names import OperationName
from gnomon_trainer.domain.chat_budget import Allowance, Tokens
from gnomon_trainer.domain.runs import RunFailure, failure

MAX_CRASHES = 5


class WorkKind(StrEnum):
    """The kinds of work: the collection that their resource names begin with."""

    LABELLING = "labellings"
    GENERATION = "generations"

    @property
    def letter(self) -> str:
        """What the names of its operations begin with; those of runs begin with r."""
        return self.value[0]


class WorkState(StrEnum):
    WORKING = "working"  # a trainer does it, or will
    WAITING = "waiting"  # for a person
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class PaidWork:
    """A piece of work. Times are seconds since the epoch.

    `fence` grows with every lease; a write with an older one is refused.
    `lease_expired` says that `holder` was silent for too long, see `leases`.
    `crashes` counts leases in a row that ended without a word and without an
    answer from a provider. `secret` is what its markers are made from; nobody
    is shown it. `spent` counts what calls that broke off may have cost, too.
    """

    uid: str
    kind: WorkKind
    work_id: str
    spec: Mapping[str, Any]
    needs: tuple[str, ...]  # datasets/{dataset}@{version}
    allowance: Allowance
    secret: str = field(repr=False)
    create_time: float
    number: int = 0  # given by the store; work is listed by it
    state: WorkState = WorkState.WORKING
    stage: str = ""  # what it is at, in the words of its kind
    error: RunFailure | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    spent: Tokens = field(default_factory=Tokens)
    cancel_requested: bool = False
    holder: str = ""
    fence: int = 0
    lease_expired: bool = False
    attempts: int = 0
    crashes: int = 0
    start_time: float | None = None
    end_time: float | None = None
    revision: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}/{self.work_id}"

    @property
    def operation(self) -> OperationName:
        return OperationName(self.uid)

    @property
    def trace(self) -> str:
        """The trace of the call that created it, as a `traceparent`; empty if there is none."""
        return str(self.spec.get("trace", ""))

    @property
    def is_done(self) -> bool:
        """Whether nothing more happens to it by itself, or by anybody but one who resumes it."""
        return self.state in {WorkState.DONE, WorkState.FAILED, WorkState.CANCELLED}

    @property
    def cost(self) -> float:
        return self.allowance.prices.cost(self.spent)

    @property
    def is_leased(self) -> bool:
        return bool(self.holder) and not self.lease_expired

    @property
    def is_claimable(self) -> bool:
        """Whether a trainer may take it. The SQL store says the same in its one statement."""
        return self.state is WorkState.WORKING and not self.is_leased


# -------------------------------------------------------------- what users can do to it


def cancelled(work: PaidWork, now: float) -> PaidWork:
    """Cancel: at once, or by the trainer that is at it. What has ended stays as it is."""
    if work.is_done:
        return work
    if work.state is WorkState.WORKING and work.is_leased:
        return replace(work, cancel_requested=True)
    return cancelled_by_holder(work, now)


def resumed(work: PaidWork, allowance: Allowance | None) -> PaidWork:
    """Go on with what failed or was cancelled, with another allowance if one is given.

    Raises:
        WorkStateError: it has not stopped, or is done.
    """
    if work.state not in {WorkState.FAILED, WorkState.CANCELLED}:
        raise WorkStateError(
            f"{work.name} is {work.state.upper()}; only what FAILED or was CANCELLED can be resumed.",
            resource=work.name,
            state=work.state.upper(),
        )
    return replace(
        work,
        state=WorkState.WORKING,
        allowance=allowance or work.allowance,
        error=None,
        cancel_requested=False,
        holder="",
        lease_expired=False,
        crashes=0,
        end_time=None,
        fence=work.fence + 1,
    )


# ---------------------------------------------------- what the trainer at it does to it


def claimed(work: PaidWork, holder: str, now: float) -> PaidWork:
    """A trainer takes it. The SQL store does the same in one statement."""
    return replace(
        work,
        crashes=work.crashes + (1 if work.holder else 0),  # who ends in order gives it back
        holder=holder,
        fence=work.fence + 1,
        lease_expired=False,
        attempts=work.attempts + 1,
        start_time=work.start_time or now,
        revision=work.revision + 1,
    )


def given_back(work: PaidWork) -> PaidWork:
    """The trainer stops before the end; another may go on."""
    return replace(work, holder="", lease_expired=False)


def waiting(work: PaidWork, stage: str) -> PaidWork:
    """A person has to look first; `continued` goes on."""
    return replace(given_back(work), state=WorkState.WAITING, stage=stage, fence=work.fence + 1)


def continued(work: PaidWork, stage: str) -> PaidWork:
    """The person has looked: a trainer may take it again."""
    return replace(work, state=WorkState.WORKING, stage=stage)


def done(work: PaidWork, result: Mapping[str, Any], now: float) -> PaidWork:
    return replace(_end(work, WorkState.DONE, now, None), result=result)


def failed(work: PaidWork, error: GnomonError, now: float) -> PaidWork:
    return _end(work, WorkState.FAILED, now, failure(error))


def cancelled_by_holder(work: PaidWork, now: float) -> PaidWork:
    error = CancelledError(f"{work.name} was cancelled. Resume it to go on; no answer is paid twice.")
    return _end(work, WorkState.CANCELLED, now, failure(error))


def poisoned(work: PaidWork) -> GnomonError | None:
    """Return why nobody should try it again; None if it may be tried."""
    if work.crashes < MAX_CRASHES:
        return None
    return InternalError(
        f"The trainer died {work.crashes} times in a row at {work.name}, most likely for want of memory. "
        "Give it more, then resume."
    )


def _end(work: PaidWork, state: WorkState, now: float, error: RunFailure | None) -> PaidWork:
    return replace(
        work,
        state=state,
        error=error,
        cancel_requested=False,
        holder="",
        lease_expired=False,
        end_time=now,
        fence=work.fence + 1,
    )
