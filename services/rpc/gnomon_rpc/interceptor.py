"""What happens around every call: an ID, a log line, telemetry, checks, error mapping."""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import structlog

from gnomon_rpc.errors import tell
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
        call = _Call(method, context, watches)
        try:
            return await behaviour(check(request), context)
        except BaseException as error:
            await call.fail(error)
            raise
        finally:
            call.end()

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        call = _Call(method, context, watches)
        try:
            async for response in behaviour(check(request), context):
                yield response
        except BaseException as error:
            await call.fail(error)
            raise
        finally:
            call.end()

    if handler.response_streaming:
        kind = "stream_stream" if handler.request_streaming else "unary_stream"
    else:
        kind = "stream_unary" if handler.request_streaming else "unary_unary"
    behaviour = getattr(handler, kind)
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    wrapper = stream if handler.response_streaming else unary
    return make(wrapper, handler.request_deserializer, handler.response_serializer)


class _Call:
    """One call on its way: its ID, how long it took, what became of it."""

    def __init__(self, method: str, context: Any, watches: Sequence[Watch]) -> None:
        self._method = method
        self._context = context
        self._started = time.perf_counter()
        self._code = "OK"
        structlog.contextvars.bind_contextvars(call_id=_call_id(context))  # every call is a task of its own
        self._ends = [watch.begin(method, context) for watch in watches]

    async def fail(self, error: BaseException) -> None:
        """Turn what the handler raised into the caller's status.

        Raises:
            AbortError: the status was sent. Where nothing is raised, `error` itself has to be.
        """
        try:
            await tell(error, self._context, self._method)
        except BaseException as told:
            error = told
            raise
        finally:
            self._code = _code_after(error, self._context)

    def end(self) -> None:
        for end in reversed(self._ends):
            end(self._code)
        took_ms = round((time.perf_counter() - self._started) * 1000, 3)
        log.debug("call", method=self._method, code=self._code, took_ms=took_ms)


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
