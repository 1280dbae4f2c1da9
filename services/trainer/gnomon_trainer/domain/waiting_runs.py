"""The task in a trainer process that looks after runs whose training set is being made. Pure.

A run waits for a labelling or a generation. When that has ended well, the run
is checked with the dataset that came out, as `Runs.create` checks, and queued;
a check that refuses fails the run. Several trainers may look after the same
runs: nothing is spent in a check, and what it ends in is written under the
run's fence, so that it counts once.
"""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gnomon.errors import (
    GnomonError,
    InternalError,
    JudgeBudgetSpentError,
    LeaseLostError,
    NotFoundError,
    ServiceUnavailableError,
)
from gnomon.names import DatasetName
from gnomon.threads import in_thread
from gnomon_trainer.domain import runs
from gnomon_trainer.domain.run_orders import order_of
from gnomon_trainer.domain.run_planning import RunPlanner
from gnomon_trainer.domain.run_store import Change, Lease, RunStore
from gnomon_trainer.domain.runs import Run, RunFailure, RunState, failure
from gnomon_trainer.domain.training_set_work import (
    TrainingSetWork,
    WorkOutlook,
    WorkStatus,
)

log = logging.getLogger(__name__)

_POLL_S = 0.25
_PAUSE_S = 1 / 32  # for each that waits: runs may wait weeks for a review, and many at once


@dataclass(slots=True)
class WaitingRuns:
    """Looks at waiting runs until it is stopped."""

    store: RunStore
    work: TrainingSetWork
    planner: RunPlanner
    clock: Callable[[], float]  # seconds since the epoch
    heavy: asyncio.Semaphore  # so that large sets leave threads for short calls
    _planning: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Return once nothing is read or written any more. What was under way is done again."""
        tasks = [*self._planning.values(), *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_looking(self) -> None:
        while True:
            waiting = 0
            try:
                waiting = await self.look()
            except Exception as error:  # whatever it is, the next look may meet it no more
                _log("waiting runs are not looked at", error)
            await asyncio.sleep(max(_POLL_S, _PAUSE_S * waiting))

    async def look(self) -> int:
        """Look at every waiting run once, and return how many there are.

        Those whose work has ended are checked in tasks of their own.
        """
        waiting = await in_thread(self.store.waiting)
        for run in waiting:
            if run.uid in self._planning:
                continue
            try:
                await self._look_at(run)
            except Exception as error:  # one run must not keep the others waiting
                _log(f"{run.name} is not looked at", error)
        return len(waiting)

    async def _look_at(self, run: Run) -> None:
        status = await in_thread(self._status, run)
        if isinstance(status, WorkStatus) and status.outlook is WorkOutlook.ENDED:
            self._planning[run.uid] = asyncio.create_task(self._end_waiting(run, status))
        elif (change := self._change(run, status)) is not None:
            await in_thread(self._write, run, change)

    def _status(self, run: Run) -> WorkStatus | NotFoundError:
        try:
            return self.work.status(run.spec.made_by)
        except NotFoundError as error:
            return error

    def _change(self, run: Run, status: WorkStatus | NotFoundError) -> Change | None:
        """Return what becomes of a run whose work has not ended well; None if nothing is new."""
        if isinstance(status, NotFoundError):
            return _failed(failure(status), self.clock)
        match status.outlook:
            case WorkOutlook.FAILED:
                return _failed(_stopped(run, status), self.clock)
            case WorkOutlook.CANCELLED:
                error = runs.cancelled_error(run)
                return lambda run: runs.ended_with_work(run, RunState.CANCELLED, failure(error), self.clock())
            case _ if status.progress == run.progress.work:
                return None
            case _:
                return lambda run: runs.work_shown(run, status.progress)

    async def _end_waiting(self, run: Run, status: WorkStatus) -> None:
        try:
            async with self.heavy:
                change = await in_thread(self._planned, run, status)
                await in_thread(self._write, run, change)
        except Exception as error:  # the next look tries again
            _log(f"the checks of {run.name} are made again", error)
        finally:
            del self._planning[run.uid]

    def _planned(self, run: Run, status: WorkStatus) -> Change:
        """Check a run with the dataset that came out; return what becomes of it.

        Raises:
            ServiceUnavailableError: the checks could not be made now.
        """
        try:
            order = order_of(run, DatasetName.parse(status.dataset))
            spec = self.planner.plan(order, run.spec.metric)
        except ServiceUnavailableError:
            raise
        except GnomonError as error:
            log.error("run failed: %s: %s", run.name, error.reason)
            return _failed(_refused(error, status), self.clock)
        except Exception as error:  # or it would be tried for ever
            return _failed(failure(_unforeseen(error, run)), self.clock)
        return lambda run: runs.queued(run, spec)

    def _write(self, run: Run, change: Change) -> None:
        """Apply a change unless the run was ended, or another trainer was faster."""
        try:
            after = self.store.write_leased(Lease(run.uid, run.fence), change)
        except NotFoundError as error:  # the dataset was deleted since it was checked
            with contextlib.suppress(LeaseLostError):
                self.store.write_leased(Lease(run.uid, run.fence), _failed(failure(error), self.clock))
        except LeaseLostError:
            log.info("waiting run left to another trainer or its user: %s", run.name)
        else:
            if not after.waits:
                log.info("run left waiting as %s: %s", after.state, run.name)


def _failed(error: RunFailure, clock: Callable[[], float]) -> Change:
    return lambda run: runs.ended_with_work(run, RunState.FAILED, error, clock())


def _stopped(run: Run, status: WorkStatus) -> RunFailure:
    """Return the error of the work, and how to go on."""
    error = status.error or failure(InternalError(f"{status.name} failed."))
    is_spent = error.reason == JudgeBudgetSpentError.reason
    budget = ", with a larger budget (--max-cost or --token-budget)" if is_spent else ""
    then = f"Go on with {status.name} and the run: `gnomon runs resume {run.project}/{run.run}`{budget}."
    return replace(error, message=f"{error.message} {then}")


def _refused(error: GnomonError, status: WorkStatus) -> RunFailure:
    """Return why the checks refused, and what to do with the rows."""
    if isinstance(error, NotFoundError):  # which may be the rows
        return failure(error)
    kept = f"The rows are kept as {status.dataset}; create another run with them once that is put right."
    return replace(failure(error), message=f"{error.message} {kept}")


def _unforeseen(error: Exception, run: Run) -> GnomonError:
    _log(f"the checks of {run.name} failed", error)
    return InternalError(
        f"The checks of {run.name} failed with {type(error).__name__}; the trainer's log has the details. "
        "Resume it once the cause is gone."
    )


def _log(what: str, error: Exception) -> None:
    """Tell where it went wrong, but not the error's own words: they may hold what users wrote."""
    if isinstance(error, GnomonError):  # such as a busy database
        log.warning("%s: %s", what, error.reason)
        return
    log.error("%s: %s\n%s", what, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
