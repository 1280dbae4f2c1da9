"""The task in a trainer process that does paid work: labelling, and what else asks providers. Pure.

Workers, which train, are processes of their own and do not get the master key
that opens the keys of providers. What asks providers therefore runs here; it
waits for the network, and hardly computes.
"""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gnomon.errors import GnomonError, InternalError, LeaseLostError, ServiceUnavailableError
from gnomon.threads import in_thread
from gnomon_trainer.domain import paid_work
from gnomon_trainer.domain.held_work import HeldWork
from gnomon_trainer.domain.leases import Confirmed, LeaseWatch
from gnomon_trainer.domain.observing import Observer, Silent
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind
from gnomon_trainer.domain.paid_work_store import Change, PaidWorkStore
from gnomon_trainer.domain.tracing import Tracing, Untraced, WorkSpan

log = logging.getLogger(__name__)

_POLL_S = 0.25
_AT_ONCE = 4  # so that work at a slow provider does not keep that at another one waiting
_STOP_S = 5.0


class PaidWorker(Protocol):
    """Does one kind of work."""

    @property
    def kind(self) -> WorkKind: ...

    async def work(self, held: HeldWork) -> Change:
        """Do the work, from where it was left; return what becomes of it.

        It is cancelled when a user cancels the work, when the lease is lost and
        when the trainer stops. A GnomonError ends the work as failed with that
        reason.
        """
        ...


class Presence(Protocol):
    """Tells trainer processes apart, and whether one has ended."""

    @property
    def holder(self) -> str:
        """What this process is called; no other one is or was."""
        ...

    def announce(self) -> None:
        """Say that this process lives, until it ends; others can tell from then on."""
        ...

    def is_gone(self, holder: str) -> bool:
        """Tell whether a process has ended for sure; False where that cannot be told from here."""
        ...


@dataclass(slots=True)
class PaidWorkLoop:
    """Claims work and has it done until it is stopped."""

    store: PaidWorkStore
    workers: Sequence[PaidWorker]
    presence: Presence
    clock: Callable[[], float]  # seconds since the epoch, for times that people read
    elapsed: Callable[[], float]  # seconds from any start, for leases
    lease_s: float
    tracing: Tracing = field(default_factory=Untraced)
    observer: Observer = field(default_factory=Silent)
    _watch: LeaseWatch = field(init=False)
    _by_kind: Mapping[WorkKind, PaidWorker] = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._by_kind = {worker.kind: worker for worker in self.workers}
        self._watch = LeaseWatch(self.store, self.lease_s, self.elapsed)

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Give back what is under way; return once all of it is written."""
        self._stopping.set()
        tasks = {*self._tasks, *([self._looking] if self._looking else [])}
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        while not self._stopping.is_set():
            try:
                await in_thread(self._take_from_the_dead)
                while len(self._tasks) < _AT_ONCE and await self._take_one():
                    pass
            except Exception as error:  # such as a busy database: whatever it is, the next look may do
                log.warning("paid work is not looked for: %s", _name(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), min(_POLL_S, self._watch.interval_s))

    def _take_from_the_dead(self) -> None:
        for holder in self.store.holders():
            if holder != self.presence.holder and self.presence.is_gone(holder):
                self.observer.lease_expired("paid_work", self.store.expire_leases(holder))
        self._watch.look()
        self.store.settle_cancelled(self.clock())

    async def _take_one(self) -> bool:
        kinds, holder = list(self._by_kind), self.presence.holder
        if self._stopping.is_set():
            return False
        began = self.elapsed()
        work = await in_thread(self.store.claim, kinds, holder, self.clock())
        if work is None:
            return False
        await in_thread(self.presence.announce)
        confirmed = Confirmed(self.lease_s, self.elapsed, began)
        task = asyncio.create_task(self._do(HeldWork(self.store, work, confirmed)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _do(self, held: HeldWork) -> None:
        work = held.work
        log.info("work claimed: %s, attempt %d", work.name, work.attempts)
        with self.tracing.work(work.kind, work.trace, _about(work)) as span:
            await self._hold(held, span)

    async def _hold(self, held: HeldWork, span: WorkSpan) -> None:
        work = held.work
        try:
            await held.write(await self._change(held))
        except LeaseLostError:
            span.left("lease_lost")
            log.warning("work left to another trainer: %s", work.name)
        except Exception as error:  # the lease runs out, and somebody takes it again
            span.left("not_written", _name(error))
            log.warning("the end of %s is not written: %s", work.name, _name(error))
        else:
            span.left(held.work.state, held.work.error.reason if held.work.error else "")
            log.info("work left as %s: %s", held.work.state, work.name)

    async def _change(self, held: HeldWork) -> Change:
        """Do the work until it ends or has to; return what becomes of it."""
        if error := paid_work.poisoned(held.work):
            return _failed(error, self.clock)
        doing = asyncio.create_task(self._by_kind[held.work.kind].work(held))
        alive = asyncio.create_task(held.until_cancelled())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((doing, alive, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _ended(doing, stopping)
            await _ended(alive)
        if not doing.cancelled():
            return self._outcome(doing, held.work)
        if not alive.cancelled():
            await alive  # raises if the lease is lost
            return lambda work: paid_work.cancelled_by_holder(work, self.clock())
        return paid_work.given_back

    def _outcome(self, doing: asyncio.Task[Change], work: PaidWork) -> Change:
        error = doing.exception()
        if error is None:
            return doing.result()
        if isinstance(error, LeaseLostError):
            raise error
        if isinstance(error, ServiceUnavailableError):  # the database is away or busy: no fault of the work
            log.warning("work put off: %s: %s", work.name, error.reason)
            return paid_work.given_back
        known = error if isinstance(error, GnomonError) else _unforeseen(error, work)
        log.error("work failed: %s: %s", work.name, known.reason)
        return _failed(known, self.clock)


def _about(work: PaidWork) -> dict[str, str | int]:
    return {"gnomon.work": work.name, "gnomon.attempt": work.attempts}


def _name(error: Exception) -> str:
    """Return what an error is called; its own words may hold what users wrote."""
    return error.reason if isinstance(error, GnomonError) else type(error).__name__


async def _ended(*tasks: asyncio.Task[object]) -> None:
    """Cancel tasks, and wait until they are over."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _failed(error: GnomonError, clock: Callable[[], float]) -> Change:
    return lambda work: paid_work.failed(work, error, clock())


def _unforeseen(error: BaseException, work: PaidWork) -> GnomonError:
    """Tell where it went wrong, but not the error's own words: they may hold what users wrote."""
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("work failed: %s: %s\n%s", work.name, type(error).__name__, where)
    return InternalError(
        f"{work.name} failed with {type(error).__name__}; the trainer's log has the details. Resume it once "
        "the cause is gone: no answer is paid twice."
    )
