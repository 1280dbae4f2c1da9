"""What happens around every call: an ID, a log line, checks, error mapping."""

import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog

from gnomon_rpc.errors import errors_become_statuses
from gnomon_rpc.required import check_required

log = structlog.get_logger(__name__)

_CALL_ID = "x-request-id"  # of the call, for logs; not the `request_id` of a create
_QUIET = ("/grpc.health.", "/grpc.reflection.")


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Wraps every handler of a server, whatever it streams.

    `per_item` names request fields whose items fail one by one in the handler
    (as instances do) and so are not checked here, by the method's full name.
    """

    def __init__(self, per_item: dict[str, frozenset[str]] | None = None) -> None:
        self._per_item = per_item or {}

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], call: Any) -> Any:
        handler = await continuation(call)
        if handler is None or call.method.startswith(_QUIET):
            return handler
        skip = self._per_item.get(call.method, frozenset())
        return _wrapped(handler, call.method, skip)


def _wrapped(handler: Any, method: str, skip: frozenset[str]) -> Any:
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
        async with _around(context, method):
            return await behaviour(check(request), context)

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        async with _around(context, method):
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
async def _around(context: Any, method: str) -> AsyncIterator[None]:
    started = time.perf_counter()
    call_id = _call_id(context)
    with structlog.contextvars.bound_contextvars(call_id=call_id):
        code = "OK"
        try:
            async with errors_become_statuses(context, method):
                yield
        except grpc.aio.AbortError:
            code = _code_of(context).name
            raise
        except BaseException as error:
            code = type(error).__name__
            raise
        finally:
            took_ms = round((time.perf_counter() - started) * 1000, 3)
            log.debug("call", method=method, code=code, took_ms=took_ms)


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
