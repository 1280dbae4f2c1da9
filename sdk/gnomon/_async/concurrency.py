"""What differs between the two clients: how to open a channel, wait, and do things side by side."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

import grpc

from gnomon._reading import TaskReader, ThreadReader
from gnomon.addresses import PASS_NO_PROXY

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

# What a call raises when it, not the task that waits for it, is cancelled: the channel was closed,
# or the iterator of its requests failed.
CALL_CANCELLED: tuple[type[BaseException], ...] = (asyncio.CancelledError,)


def is_cancelled_from_outside() -> bool:
    """Tell whether the running task is being cancelled, as opposed to a call in it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def open_channel(address: str, options: Sequence[tuple[str, Any]], credentials: Any | None) -> Any:
    if credentials is not None:
        return grpc.aio.secure_channel(address, credentials, options=options)
    return grpc.aio.insecure_channel(address, options=[*options, PASS_NO_PROXY])


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what blocks where it does not block the event loop."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def side_by_side(function: Callable[[T], Awaitable[R]], items: Iterable[T], limit: int) -> list[R]:
    """Return the results in the items' order; at most `limit` are computed at a time.

    The first error ends the others and is raised.
    """
    slots = asyncio.Semaphore(limit)

    async def one(item: T) -> R:
        async with slots:
            return await function(item)

    tasks = [asyncio.ensure_future(one(item)) for item in items]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hedged(
    call: Any,
    again: Callable[[], Any],
    request: Any,
    after_s: float,
    *,
    timeout_s: float | None,
    metadata: Any,
) -> Any:
    """Call, and once more if there is no answer after a while; the first answer counts, the other call ends.

    An error counts as an answer if both calls give one: the first call's.
    `again` gives what the second call is made with, or None if there shall be none.
    """
    calls = [asyncio.ensure_future(_answer(call(request, timeout=timeout_s, metadata=metadata)))]
    try:
        await asyncio.wait(calls, timeout=after_s)
        if not calls[0].done() and (second := again()) is not None:
            left_s = None if timeout_s is None else max(0.0, timeout_s - after_s)
            calls.append(asyncio.ensure_future(_answer(second(request, timeout=left_s, metadata=metadata))))
        waiting = set(calls)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                if not one.cancelled() and one.exception() is None:
                    return one.result()
        return calls[0].result()
    finally:
        for one in calls:
            one.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def _answer(call: Any) -> Any:
    return await call


Condition = asyncio.Condition


@contextlib.asynccontextmanager
async def beside(
    function: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs
) -> AsyncIterator[None]:
    """Run a function beside the block; at the block's end it is ended."""
    task = asyncio.ensure_future(function(*args, **kwargs))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Reader(Generic[T, R]):
    """Reads a source some items at a time, each converted, without blocking the event loop."""

    def __init__(self, source: Iterable[T] | AsyncIterable[T], convert: Callable[[T], R]) -> None:
        self._waits = TaskReader(source, convert) if isinstance(source, AsyncIterable) else None
        self._blocks = None if isinstance(source, AsyncIterable) else ThreadReader(source, convert)

    async def take(self, count: int) -> list[R]:
        """Return at most so many of the next items, fewer from a slow source, none at its end."""
        if self._waits is not None:
            return await self._waits.take(count)
        assert self._blocks is not None
        return await asyncio.to_thread(self._blocks.take, count)

    async def aclose(self) -> None:
        """Read no further; a generator is closed, one that blocks once it is not amid an item."""
        if self._waits is not None:
            await self._waits.aclose()
        if self._blocks is not None:
            self._blocks.close()  # ends a take, whose thread would else outlive the task
