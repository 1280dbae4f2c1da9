"""Writes what waits in one transaction: parallel calls share a write to the disk.

One thread writes. What comes while it does waits for the next transaction, so
nothing is delayed on purpose.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog

from gnomon.audit import AuditEntry, Record
from gnomon.errors import AuditUnavailableError, GnomonError
from gnomon_rpc.audit import AuditLog

log = structlog.get_logger(__name__)

_MOST_AT_ONCE = 1000
_PAUSE_S = 1.0  # after a failure, where only outcomes wait
_LAST_TRIES_S = 5.0


class AuditWriter:
    """Belongs to one event loop; it is started by the first record. Stop it there."""

    def __init__(self, audit_log: AuditLog, pause_s: float = _PAUSE_S) -> None:
        self._log = audit_log
        self._pause_s = pause_s
        self._thread = ThreadPoolExecutor(1, "audit")
        self._asked: list[tuple[Record, asyncio.Future[AuditEntry]]] = []
        self._noted: list[Record] = []
        self._flushes: list[asyncio.Future[None]] = []
        self._is_writing = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def append(self, record: Record) -> AuditEntry:
        """Write a record; return once it is on the disk.

        Raises:
            GnomonError: it is not; StorageFullError and the like where the database says why.
        """
        # A caller who leaves does not take the record back: it may be written already.
        return await asyncio.shield(self.begin(record))

    def begin(self, record: Record) -> "asyncio.Future[AuditEntry]":
        """Return the future of `append`."""
        future: asyncio.Future[AuditEntry] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_looked_at)
        self._asked.append((record, future))
        self._go_on()
        return future

    def note(self, record: Record) -> None:
        """Write a record soon, and again until it is written: for what has happened, and cannot be refused.

        As many wait as calls were begun, so that they are few.
        """
        self._noted.append(record)
        self._go_on()

    async def flush(self, timeout_s: float = _LAST_TRIES_S) -> bool:
        """Wait until all that was given before has been written; tell whether it was, in this time."""
        if not (self._asked or self._noted or self._is_writing):
            return True
        flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushes.append(flushed)
        self._go_on()
        try:
            async with asyncio.timeout(timeout_s):
                await flushed
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Write what waits; say in the log if that was not possible."""
        self._stopping = True
        self._wake.set()
        if not await self.flush():
            log.error("the last entries of the audit log could not be written", entries=len(self._noted))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)

    def _go_on(self) -> None:
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._write_on(), name="write the audit log")

    async def _write_on(self) -> None:
        while True:
            while self._asked or self._noted or self._flushes:
                self._wake.clear()
                if not await self._write() and not self._asked:
                    await self._pause()
            await self._wake.wait()
            self._wake.clear()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._pause_s / 10 if self._stopping else self._pause_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _write(self) -> bool:
        """Write what waits; tell whether it was written. What was asked for is answered either way."""
        noted, self._noted = self._noted, []
        asked, self._asked = self._asked[:_MOST_AT_ONCE], self._asked[_MOST_AT_ONCE:]
        flushes, self._flushes = self._flushes, []
        records = [*noted, *(record for record, _ in asked)]
        self._is_writing = True
        try:
            loop = asyncio.get_running_loop()
            entries = await loop.run_in_executor(self._thread, self._log.append, records) if records else []
        except Exception as error:
            self._flushes = [*flushes, *self._flushes]
            self._noted = [*noted, *self._noted]
            log.error("the audit log cannot be written", records=len(records), exc_info=True)
            for _, future in asked:
                if not future.done():
                    future.set_exception(_in_words(error))
            return False
        finally:
            self._is_writing = False
        for (_, future), entry in zip(asked, entries[len(noted) :], strict=True):
            if not future.done():
                future.set_result(entry)
        for flushed in flushes:
            if not flushed.done():
                flushed.set_result(None)
        return True


def _in_words(error: Exception) -> GnomonError:
    """Return the error for a call that was not begun. Each call gets one of its own."""
    if isinstance(error, GnomonError):
        same = type(error)(error.message, violations=error.violations, retry_after_s=error.retry_after_s)
        same.metadata = error.metadata
        return same
    return AuditUnavailableError(
        "The audit log cannot be written, so the call was not begun. Try again; an operator finds the "
        "reason in the service's log.",
        retry_after_s=1.0,
    )


def _looked_at(future: "asyncio.Future[AuditEntry]") -> None:
    if not future.cancelled():
        future.exception()  # whoever waits hears of it; a caller who left does not
