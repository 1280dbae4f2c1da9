"""What happens around every call: who makes it, an ID, a log line, telemetry, checks, error mapping."""

import asyncio
import dataclasses
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import grpc
import structlog

from gnomon.errors import GnomonError, PermissionDeniedError, QuotaExceededError
from gnomon_rpc import caller
from gnomon_rpc.access import settled
from gnomon_rpc.audit import is_audited
from gnomon_rpc.call_ending import Ending
from gnomon_rpc.errors import tell
from gnomon_rpc.gate import Admitted, Gate, OpenGate
from gnomon_rpc.limits import Limits
from gnomon_rpc.methods import OPEN, described
from gnomon_rpc.projects import named_projects, names_projects
from gnomon_rpc.required import check_required
from gnomon_rpc.telemetry import Watch

log = structlog.get_logger(__name__)

_CALL_ID = "x-request-id"  # of the call, for logs; not the `request_id` of a create
_REFLECTION = "/grpc.reflection."

_admitted: ContextVar[Admitted] = ContextVar("gnomon_admitted")  # from the gate to the handler's wrapper


Refused = Callable[[str, GnomonError], None]
"""Is told of a method and why its call was refused; within the call's task."""


def _not_told(method: str, error: GnomonError) -> None:
    pass


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Wraps every handler of a server, whatever it streams.

    `per_item` names request fields whose items fail one by one in the handler
    (as instances do) and so are not checked here, by the method's full name.
    `watches` are told of every call but those of health checks and reflection.
    `gate` lets calls in: one that is not is refused before its request is read.
    `refused` is told of calls that the rules of access turn away, here or in the
    handler (if the audit log does not tell it already), and of those that are
    beyond a quota; `limits` are those of API keys at a time.
    """

    def __init__(
        self,
        per_item: dict[str, frozenset[str]] | None = None,
        watches: Sequence[Watch] = (),
        gate: Gate | None = None,
        *,
        refused: Refused = _not_told,
        limits: Limits | None = None,
    ) -> None:
        self._per_item = per_item or {}
        self._watches = watches
        self._gate = gate or OpenGate()
        self._refused = refused
        self._limits = limits or Limits()
        self._wrapped: dict[str, Any] = {}  # by method; the methods of a server are few and fixed

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], call: Any) -> Any:
        handler = await continuation(call)
        method = call.method
        if handler is None or method.startswith(OPEN):
            return handler
        watches = () if method.startswith(_REFLECTION) else self._watches
        metadata = call.invocation_metadata or ()
        try:
            admitted = self._gate.remembered(method, metadata) or await self._gate.admit(method, metadata)
            self._limits.admit(admitted.caller)
        except GnomonError as error:
            name = error.metadata.get("resource", "")
            caller.set_current(dataclasses.replace(caller.UNKNOWN, name=name) if name else caller.UNKNOWN)
            return _refusing(handler, method, error, watches, self._refused)
        _admitted.set(admitted)  # for this call's task, which runs the handler as well
        caller.set_current(admitted.caller)
        if method not in self._wrapped:
            skip = self._per_item.get(method, frozenset())
            self._wrapped[method] = _wrapped(
                handler, method, skip, watches, self._gate, refused=self._refused, limits=self._limits
            )
        return self._wrapped[method]


def _wrapped(
    handler: Any,
    method: str,
    skip: frozenset[str],
    watches: Sequence[Watch],
    gate: Gate,
    *,
    refused: Refused,
    limits: Limits,
) -> Any:
    described_request = described(method).request
    may_name_projects = described_request is not None and names_projects(described_request)
    has_entries = is_audited(method)  # once it has begun; the second entry tells of a refusal as well

    def tell_refusal(error: BaseException) -> None:
        if isinstance(error, QuotaExceededError | PermissionDeniedError) and _is_untold(error, has_entries):
            refused(method, error)

    def settle(projects: Sequence[str]) -> None:
        try:
            caller.set_current(settled(caller.current(), projects))
        except PermissionDeniedError as error:
            if has_entries:  # it has none yet
                refused(method, error)
            raise

    def look(request: Any) -> None:
        """Check a message of the request: whose project it is about, then whether it is whole."""
        if may_name_projects:
            settle(named_projects(request))
        check_required(request, skip)

    async def checked(requests: Any) -> AsyncIterator[Any]:
        async for request in requests:
            look(request)
            yield request

    def check(request: Any) -> Any:
        if not may_name_projects:
            settle(())
        if handler.request_streaming:
            return checked(request)
        look(request)
        return request

    async def unary(request: Any, context: Any) -> Any:
        call = _Call(method, context, watches, gate)
        try:
            with limits.in_flight(_admitted.get().caller):
                return await behaviour(check(request), context)
        except BaseException as error:
            tell_refusal(error)
            await call.fail(error)
            raise
        finally:
            call.end()

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        call = _Call(method, context, watches, gate)
        try:
            with limits.in_flight(_admitted.get().caller):
                async for response in behaviour(check(request), context):
                    yield response
        except BaseException as error:
            tell_refusal(error)
            await call.fail(error)
            raise
        finally:
            call.end()

    behaviour = getattr(handler, _kind(handler))
    return _made(handler, unary, stream, handler.request_deserializer, handler.response_serializer)


def _refusing(
    handler: Any, method: str, refusal: GnomonError, watches: Sequence[Watch], refused: Refused
) -> Any:
    """Return a handler of the same kind that ends the call, without a look at what it brings."""

    async def unary(_: Any, context: Any) -> Any:
        call = _Call(method, context, watches)
        refused(method, refusal)
        try:
            raise refusal
        except GnomonError as error:
            await call.fail(error)
        finally:
            call.end()

    async def stream(_: Any, context: Any) -> AsyncIterator[Any]:
        await unary(_, context)
        yield  # never reached: what makes this a generator

    return _made(handler, unary, stream, None, None)


def _is_untold(error: QuotaExceededError | PermissionDeniedError, has_entries: bool) -> bool:
    """Tell whether nothing but the caller hears of a refusal yet.

    One that is of another key is none of the caller: another service refused this one's own.
    """
    if isinstance(error, QuotaExceededError):
        return True
    return not has_entries and error.metadata.get("resource") == caller.current().name


def _kind(handler: Any) -> str:
    if handler.response_streaming:
        return "stream_stream" if handler.request_streaming else "unary_stream"
    return "stream_unary" if handler.request_streaming else "unary_unary"


def _made(handler: Any, unary: Any, stream: Any, deserializer: Any, serializer: Any) -> Any:
    make = getattr(grpc, f"{_kind(handler)}_rpc_method_handler")
    return make(stream if handler.response_streaming else unary, deserializer, serializer)


class _Call:
    """One call on its way: its ID, how long it took, what became of it."""

    def __init__(self, method: str, context: Any, watches: Sequence[Watch], gate: Gate | None = None) -> None:
        self._method = method
        self._context = context
        self._started = time.perf_counter()
        self._code = "OK"
        structlog.contextvars.bind_contextvars(call_id=_call_id(context))  # every call is a task of its own
        if key := caller.current().name:
            structlog.contextvars.bind_contextvars(key=key)
        self._ends = [watch.begin(method, context) for watch in watches]
        self._ending = Ending(context)
        self._unwatch = gate.watch(_admitted.get(), self._ending.begin) if gate else None

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
            self._code = self._ending.code or _code_after(error, self._context)

    def end(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
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
