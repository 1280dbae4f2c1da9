"""What differs between the two clients: how to open a channel, wait, and do things side by side."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

import grpc

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


def open_channel(address: str, options: Sequence[tuple[str, Any]]) -> Any:
    return grpc.aio.insecure_channel(address, options=options)


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
