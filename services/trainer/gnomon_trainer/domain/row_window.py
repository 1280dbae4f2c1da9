"""Many rows, a window of them at a time. Pure."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import TypeVar

from gnomon.threads import in_thread

T = TypeVar("T")

_BLOCK = 64  # rows that are read at once


async def read_in_blocks(rows: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
    """Yield what a blocking iterator yields; it is made and read in a thread."""
    iterator = await in_thread(rows)
    while block := await in_thread(lambda: list(itertools.islice(iterator, _BLOCK))):
        for row in block:
            yield row


async def each(
    rows: AsyncGenerator[T, None],
    do: Callable[[T], Awaitable[None]],
    *,
    window: int,
    stop: Callable[[], bool],
) -> None:
    """Do something with each row, `window` at once; begin no more once `stop` says so.

    The first row goes alone: what it finds out of the other side, the rest need
    not. What `do` raises ends all that is under way.
    """
    free = asyncio.Semaphore(window)

    async def one(row: T) -> None:
        try:
            await do(row)
        finally:
            free.release()

    is_first = True
    try:
        async with aclosing(rows) as every, asyncio.TaskGroup() as group:
            async for row in every:
                await free.acquire()
                if stop():
                    break
                task = group.create_task(one(row))
                if is_first:
                    await asyncio.wait([task])
                    is_first = False
    except ExceptionGroup as errors:
        raise _first(errors) from None


def _first(errors: ExceptionGroup[Exception]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
