"""Ends a call that is under way from outside of its handler."""

import asyncio
import contextlib
from typing import Any

import grpc

from gnomon.errors import GnomonError
from gnomon_rpc.errors import abort

_STATUS_S = 1.0  # for the status to leave; a caller who reads nothing does not hold the end up


class Ending:
    """The end of one call, made in the task that handles it.

    The status goes first, from a task of its own: a handler that is stopped
    while it waits to write could no longer send one. Then the handler's task is
    cancelled, as if its caller had left.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self._task = asyncio.current_task()
        self._ending: asyncio.Task[None] | None = None
        self.code: str | None = None  # the name of the status; None unless the call was ended

    def begin(self, error: GnomonError) -> None:
        """Begin to end the call; a second time does nothing."""
        if self._ending is None:
            codes = (code.name for code in grpc.StatusCode if code.value[0] == error.code)
            self.code = next(codes, "UNKNOWN")
            self._ending = asyncio.create_task(self._end(error))

    async def _end(self, error: GnomonError) -> None:
        with contextlib.suppress(Exception):  # AbortError, or the call has ended meanwhile
            async with asyncio.timeout(_STATUS_S):
                await abort(self._context, error)
        if self._task is not None:
            self._task.cancel()
