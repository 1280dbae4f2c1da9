"""Reads a source some items at a time, beside who takes them.

A reader gives the next items, each converted. What a slow source gave within
`PATIENCE_S` goes on its way, whatever the source does then. An error of the
source or of the conversion is raised once all items before it were taken.
Nothing is fetched ahead of a take, but the one item that is under way.
"""

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

from gnomon.errors import CancelledError

T = TypeVar("T")
R = TypeVar("R")

PATIENCE_S = 0.1
_END_S = 0.2  # for a source that is not amid an item to be closed


class _Fetched(Generic[R]):
    """What is there to be taken, how many items may be, and how many are worth waking the taker for."""

    def __init__(self) -> None:
        self.items: list[R] = []
        self.error: BaseException | None = None
        self.has_ended = False  # the source has, or nobody wants more of it
        self._room = 0
        self._enough = 0

    @property
    def has_room(self) -> bool:
        return len(self.items) < self._room

    @property
    def is_enough(self) -> bool:
        return self.has_ended or len(self.items) >= self._enough

    def want(self, count: int) -> None:
        self._room = self._enough = count

    def make_do(self) -> None:
        """Be content with one item: patience is at its end."""
        self._enough = 1

    def take(self) -> list[R]:
        taken, self.items, self._room = self.items, [], 0
        if not taken and self.error is not None:
            raise self.error
        return taken


class ThreadReader(Generic[T, R]):
    """Reads what blocks and cannot be interrupted: in a thread, which keeps no program from ending."""

    def __init__(self, source: Iterable[T], convert: Callable[[T], R]) -> None:
        self._source = iter(source)
        self._convert = convert
        self._fetched: _Fetched[R] = _Fetched()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def take(self, count: int) -> list[R]:
        """Return at most so many of the next items, fewer from a slow source, none at its end."""
        fetched = self._fetched
        with self._changed:
            fetched.want(count)
            self._begin()
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: fetched.is_enough, PATIENCE_S):
                fetched.make_do()
                self._changed.wait_for(lambda: fetched.is_enough)
            return fetched.take()

    def close(self) -> None:
        """End a take that waits, and close a source that is a generator once it is not amid an item."""
        with self._changed:
            self._fetched.has_ended = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until the source is closed, but for no source that is amid an item."""
        if self._thread is not None:
            self._thread.join(_END_S)

    def _begin(self) -> None:
        if self._thread is None and not self._fetched.has_ended:
            run = contextvars.copy_context().run  # a source may read the caller's
            self._thread = threading.Thread(target=run, args=(self._read,), name="gnomon-source", daemon=True)
            self._thread.start()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._source:
                if not self._put(self._convert(item)):
                    break
        except BaseException as raised:  # a thread that ends without a word would be waited for
            error = raised
        if isinstance(self._source, Generator):
            with suppress(BaseException):
                self._source.close()
        with self._changed:
            self._fetched.error, self._fetched.has_ended = error, True
            self._changed.notify_all()

    def _put(self, item: R) -> bool:
        """Add an item, wait for room, and tell whether more is wanted."""
        fetched = self._fetched
        with self._changed:
            fetched.items.append(item)
            if not fetched.is_enough:
                return True  # there is room as well
            self._changed.notify_all()
            self._changed.wait_for(lambda: fetched.has_room or fetched.has_ended)
            return not fetched.has_ended


class TaskReader(Generic[T, R]):
    """Reads what comes asynchronously: in a task, so that an item which is late is not cancelled."""

    def __init__(self, source: AsyncIterable[T], convert: Callable[[T], R]) -> None:
        self._source = aiter(source)
        self._convert = convert
        self._fetched: _Fetched[R] = _Fetched()
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def take(self, count: int) -> list[R]:
        """Return at most so many of the next items, fewer from a slow source, none at its end."""
        self._fetched.want(count)
        self._room.set()
        if self._task is None and not self._fetched.has_ended:
            self._task = asyncio.create_task(self._read(), name="gnomon-source")
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._await_enough()
        except TimeoutError:
            self._fetched.make_do()
            await self._await_enough()
        return self._fetched.take()

    async def aclose(self) -> None:
        """Cancel what the source waits for, and close it if it is a generator."""
        self._fetched.has_ended = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _await_enough(self) -> None:
        while not self._fetched.is_enough:
            self._enough.clear()
            await self._enough.wait()

    async def _read(self) -> None:
        try:
            async for item in self._source:
                self._fetched.items.append(self._convert(item))
                if self._fetched.has_ended:
                    break  # nobody wants more, but the source took the cancellation for something else
                if not self._fetched.is_enough:
                    continue  # there is room as well
                self._enough.set()
                while not self._fetched.has_room:
                    self._room.clear()
                    await self._room.wait()
        except asyncio.CancelledError:
            if not self._fetched.has_ended:  # not the reader's doing: raised as it is, it would end the taker
                self._fetched.error = CancelledError("What the source of the rows waited for was cancelled.")
        except BaseException as raised:
            self._fetched.error = raised
        finally:
            self._fetched.has_ended = True
            self._enough.set()
        if isinstance(self._source, AsyncGenerator):
            with suppress(Exception):
                await self._source.aclose()
