"""Paid work that this trainer holds: its lease, what came of it, and whether it may go on."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gnomon.errors import LeaseLostError
from gnomon.threads import in_thread
from gnomon_trainer.domain.chat_budget import Budget, Tokens
from gnomon_trainer.domain.leases import Confirmed
from gnomon_trainer.domain.paid_work import PaidWork
from gnomon_trainer.domain.paid_work_store import Change, Outcome, PaidWorkStore, WorkLease, lost

log = logging.getLogger(__name__)

_LOOK_S = 0.25  # how soon progress is shown and a cancellation is seen


class HeldWork:
    """What a kind of work writes through while a trainer is at it.

    Everything it writes is fenced: once another trainer is at it, every method
    raises LeaseLostError. A process that was stopped for longer than its lease
    notices by the clock, before it spends anything more.
    """

    def __init__(self, store: PaidWorkStore, work: PaidWork, confirmed: Confirmed) -> None:
        self.work = work
        self.budget = Budget.of(work.allowance, work.spent)
        self._store = store
        self._lease = WorkLease(work.uid, work.fence)
        self._confirmed = confirmed
        self._writing = asyncio.Lock()
        self._outcomes: list[Outcome] = []
        self._progress = work.progress
        self._stage = work.stage
        self._is_new = False
        self._is_lost = False

    # -------------------------------------------------- for the kind that does the work

    def check(self) -> None:
        """Raise LeaseLostError if this trainer may be at it no more. Call it before anything is spent."""
        if self._is_lost or self._confirmed.is_over:
            raise lost(self._lease)

    def add(self, outcome: Outcome) -> None:
        """Store what came of a part of the work, within a moment."""
        self._outcomes.append(outcome)
        self._is_new = True

    def show(self, progress: Mapping[str, Any], stage: str = "") -> None:
        """Show how far it is, within a moment."""
        self._progress = progress
        self._stage = stage or self._stage
        self._is_new = True

    async def flush(self) -> None:
        """Store at once what was added and shown."""
        await self.write(lambda work: work)

    # --------------------------------------------------------------------- for the loop

    async def write(self, change: Change) -> PaidWork:
        """Apply a change with all that was added, shown and spent, or raise LeaseLostError."""
        async with self._writing:
            if self._is_lost:
                raise lost(self._lease)
            outcomes, self._outcomes = self._outcomes, []
            spent, began, self._is_new = self.budget.take_unwritten(), self._confirmed.now(), False
            written = False

            def write() -> None:
                nonlocal written
                self.work = self._store.write_leased(self._lease, self._next(change), outcomes, spent)
                written = True

            try:
                await in_thread(write)
            except LeaseLostError:
                self._is_lost = True
                raise
            finally:
                if written:
                    self._confirmed.since(began)
                else:
                    self._keep_for_later(outcomes, spent)
            return self.work

    def _next(self, change: Change) -> Change:
        progress, stage = self._progress, self._stage

        def changed(work: PaidWork) -> PaidWork:
            return change(replace(work, progress=progress, stage=stage))

        return changed

    def _keep_for_later(self, outcomes: list[Outcome], spent: Tokens) -> None:
        self._outcomes = outcomes + self._outcomes
        self._is_new = True
        self.budget.put_back(spent)

    async def until_cancelled(self) -> None:
        """Keep the lease, and write what is new; return when a user cancels it.

        Raises:
            LeaseLostError: another trainer has it, or the lease ran out unheard.
        """
        while not self.work.cancel_requested:
            await asyncio.sleep(min(_LOOK_S, self._confirmed.interval_s))
            try:
                await self._look()
            except LeaseLostError:
                raise
            except Exception as error:  # whatever it is, the lease may outlast it
                # Its own words may hold what users wrote.
                log.warning("heartbeat failed: %s: %s", self.work.name, type(error).__name__)
                if self._confirmed.is_over:
                    self._is_lost = True
                    raise lost(self._lease) from error

    async def _look(self) -> None:
        if self._is_new or self._confirmed.is_due:
            await self.flush()
            return
        found = await in_thread(self._store.find, self.work.uid)
        if found.fence != self._lease.fence:
            self._is_lost = True
            raise lost(self._lease)
        self.work = found
