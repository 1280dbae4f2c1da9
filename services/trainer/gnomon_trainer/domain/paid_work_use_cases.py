"""What users can do with paid work of any kind. Blocking work runs in threads."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from gnomon.names import OperationName
from gnomon_trainer.domain import paid_work
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind
from gnomon_trainer.domain.paid_work_store import PaidWorkStore

POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class PaidWorkCases:
    """Use cases of paid work, by the names of operations."""

    store: PaidWorkStore
    clock: Callable[[], float]

    def has(self, name: OperationName) -> bool:
        """Tell whether an operation is one of paid work, by what its name begins with."""
        return name.operation[:1] in {kind.letter for kind in WorkKind}

    async def get(self, name: OperationName) -> PaidWork:
        return await asyncio.to_thread(self.store.find, name.operation)

    async def cancel(self, name: OperationName) -> PaidWork:
        now = self.clock()
        change = self.store.change
        return await asyncio.to_thread(change, name.operation, lambda work: paid_work.cancelled(work, now))

    async def wait(self, name: OperationName, timeout_s: float | None) -> PaidWork:
        """Return the work once it is done, or as it is when the time is over."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not (work := await self.get(name)).is_done:
            left = POLL_S if deadline is None else deadline - time.monotonic()
            if left <= 0:
                break
            await asyncio.sleep(min(POLL_S, left))
        return work
