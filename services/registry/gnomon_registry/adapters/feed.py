"""Tells watchers that the catalog's log grew: at once for this process's writes, by polling for others'."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from gnomon.errors import ServiceUnavailableError

log = structlog.get_logger(__name__)


class PolledFeed:
    """Implements `ChangeFeed`. One query every `poll_s` for all watchers together."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._loop = asyncio.get_running_loop()
        self._newest = 0
        self._woken = asyncio.Event()  # a write of this process, or the end
        self._moved = asyncio.Event()  # replaced by a new one each time that it is set
        self._closed = False
        self.looked_at = self._loop.time()  # when the log was last read
        self._task: asyncio.Task[None] | None = None

    def start(self, read_newest: Callable[[], int]) -> None:
        """Follow the log; `read_newest` is called in a thread and may raise."""
        self._task = asyncio.create_task(self._follow(read_newest))

    def wake(self) -> None:
        """Look at the log now. May be called in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and all watchers with it
            self._loop.call_soon_threadsafe(self._woken.set)

    async def close(self) -> None:
        """End all watches; each raises ServiceUnavailableError."""
        self._closed = True
        self._announce()
        self._woken.set()
        if self._task is not None:
            await self._task

    async def newest_beyond(self, seen: int, timeout_s: float) -> int:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._newest <= seen and not self._closed:
                    await self._moved.wait()
        if self._closed:
            raise ServiceUnavailableError("The registry is going away. Watch again.", retry_after_s=1.0)
        return self._newest

    async def _follow(self, read_newest: Callable[[], int]) -> None:
        while not self._closed:
            self._woken.clear()  # before the look: a write after it is not missed
            try:
                newest = await asyncio.to_thread(read_newest)
            except Exception:  # a locked or full database; the next look may succeed
                log.warning("the catalog's log cannot be read", exc_info=True)
            else:
                self.looked_at = self._loop.time()
                if newest > self._newest:
                    self._newest = newest
                    self._announce()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._woken.wait()

    def _announce(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
