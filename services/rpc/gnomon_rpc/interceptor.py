"""What happens around every call: an ID, a log line, telemetry, checks, error mapping."""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import structlog

from gnomon_rpc.errors import errors_become_statuses
from gnomon_rpc.required import check_required
from gnomon_rpc.telemetry import Watch

log = structlog.get_logger(__name__)

_CALL_ID = "x-request-id"  # of the call, for logs; not the `request_id` of a create
_QUIET = ("/grpc.health.", "/grpc.reflection.")


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Wraps every handler of a server, whatever it streams.

    `per_item` names request fields whose items fail one by one in the handler
    (as instances do) and so are not checked here, by the method's full name.
    `watches` are told of every call but those of health checks and reflection.
    """

    def __init__(
        self, per_item: dict[str, frozenset[str]] | None = None, watches: Sequence[Watch] = ()
    ) -> None:
        self._per_item = per_item or {}
        self._watches = watches
        self._wrapped: dict[str, Any] = {}  # by method; the methods of a server are few and fixed

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], call: Any) -> Any:
        handler = await continuation(call)
        if handler is None or call.method.startswith(_QUIET):
            return handler
        if call.method not in self._wrapped:
            skip = self._per_item.get(call.method, frozenset())
            self._wrapped[call.method] = _wrapped(handler, call.method, skip, self._watches)
        return self._wrapped[call.method]


def _wrapped(handler: Any, method: str, skip: frozenset[str], watches: Sequence[Watch]) -> Any:
    async def checked(requests: Any) -> AsyncIterator[Any]:
        async for request in requests:
            check_required(request, skip)
            yield request

    def check(request: Any) -> Any:
        if handler.request_streaming:
            return checked(request)
        check_required(request, skip)
        return request

    async def unary(request: Any, context: Any) -> Any:
        async with _around(context, method, watches):
            return await behaviour(check(request), context)

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        async with _around(context, method, watches):
            async for response in behaviour(check(request), context):
                yield response

    if handler.response_streaming:
        kind = "stream_stream" if handler.request_streaming else "unary_stream"
    else:
        kind = "stream_unary" if handler.request_streaming else "unary_unary"
    behaviour = getattr(handler, kind)
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    wrapper = stream if handler.response_streaming else unary
    return make(wrapper, handler.request_deserializer, handler.response_serializer)


@contextlib.asynccontextmanager
async def _around(context: Any, method: str, watches: Sequence[Watch]) -> AsyncIterator[None]:
    started = time.perf_counter()
    call_id = _call_id(context)
    with structlog.contextvars.bound_contextvars(call_id=call_id):
        ends = [watch.begin(method, context) for watch in watches]
        code = "OK"
        try:
            async with errors_become_statuses(context, method):
                yield
        except BaseException as error:
            code = _code_after(error, context)
            raise
        finally:
            for end in reversed(ends):
                end(code)
            took_ms = round((time.perf_counter() - started) * 1000, 3)
            log.debug("call", method=method, code=code, took_ms=took_ms)


def _code_after(error: BaseException, context: Any) -> str:
    """Return the name of the status that the caller sees, or would see if it were still there."""
    if isinstance(error, grpc.aio.AbortError):
        return str(_code_of(context).name)
    if isinstance(error, NotImplementedError):
        return "UNIMPLEMENTED"
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        left_s = context.time_remaining()
        return "CANCELLED" if left_s is None or left_s > 0 else "DEADLINE_EXCEEDED"
    return "UNKNOWN"


def _code_of(context: Any) -> Any:
    code = context.code()
    return next(
        (known for known in grpc.StatusCode if code in (known, known.value[0])), grpc.StatusCode.UNKNOWN
    )


def _call_id(context: Any) -> str:
    """Take the caller's ID where it is harmless; else make one."""
    for key, value in context.invocation_metadata() or ():
        if key == _CALL_ID and isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value):
            return value
    return uuid.uuid4().hex
