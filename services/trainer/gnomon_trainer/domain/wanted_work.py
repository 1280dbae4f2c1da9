"""Blocking work that ends when nobody waits for it any more. Pure."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from gnomon.errors import CancelledError
from gnomon.threads import in_thread

T = TypeVar("T")


async def while_wanted(work: Callable[[Callable[[], None]], T]) -> T:
    """Do blocking work in a thread. When the caller leaves, what `work` was given raises, and it ends."""
    left = threading.Event()

    def pause() -> None:
        if left.is_set():
            raise CancelledError("The caller has left.")

    call = asyncio.ensure_future(in_thread(work, pause))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        left.set()
        await asyncio.wait([call])
        raise
