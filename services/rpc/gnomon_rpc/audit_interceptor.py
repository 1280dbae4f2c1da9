"""No effect without an entry: what changes something is written down before its handler begins.

What became of it is a second entry, which names the first. It is written soon
after, without holding up the answer; a first entry without a second tells that
the process died in between.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import grpc
import structlog

from gnomon.audit import AuditEntry, Record
from gnomon.errors import GnomonError
from gnomon_rpc.audit import is_audited
from gnomon_rpc.audit_resources import checked_id, resource_of_request, resource_of_response
from gnomon_rpc.audit_writer import AuditWriter
from gnomon_rpc.caller import current

Clock = Callable[[], datetime]

_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


def utc_now() -> datetime:
    return datetime.now(UTC)


class AuditInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Stands behind `CallInterceptor`: what that one refuses has not begun, and is no entry of this one."""

    def __init__(self, writer: AuditWriter, now: Clock = utc_now) -> None:
        self._writer = writer
        self._now = now
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], call: Any) -> Any:
        handler = await continuation(call)
        if handler is None or not is_audited(call.method):
            return handler
        if call.method not in self._wrapped:
            self._wrapped[call.method] = self._audited(handler, call.method.removeprefix("/"))
        return self._wrapped[call.method]

    def _audited(self, handler: Any, method: str) -> Any:
        async def unary(request: Any, context: Any) -> Any:
            request, first = await _peeked(request) if handler.request_streaming else (request, request)
            with _Audited(await self._begin(method, first), self._writer, self._now) as audited:
                response = await behaviour(request, context)
                audited.made = resource_of_response(response)
                return response

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            request, first = await _peeked(request) if handler.request_streaming else (request, request)
            with _Audited(await self._begin(method, first), self._writer, self._now):
                async for response in behaviour(request, context):
                    yield response

        if handler.response_streaming:
            kind = "stream_stream" if handler.request_streaming else "unary_stream"
        else:
            kind = "stream_unary" if handler.request_streaming else "unary_unary"
        behaviour = getattr(handler, kind)
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapper = stream if handler.response_streaming else unary
        return make(wrapper, handler.request_deserializer, handler.response_serializer)

    async def _begin(self, method: str, request: Any) -> AuditEntry:
        caller = current()
        record = Record(
            time=self._now(),
            caller="local" if caller.is_local else caller.name,
            project=checked_id(caller.project),
            method=method,
            resource="" if request is None else resource_of_request(request),
            call_id=str(structlog.contextvars.get_contextvars().get("call_id", "")),
        )
        written = self._writer.begin(record)
        try:
            return await asyncio.shield(written)
        except asyncio.CancelledError:
            # The caller left; the handler does not begin, and the entry, if there is one, is told so.
            written.add_done_callback(self._left)
            raise

    def _left(self, written: "asyncio.Future[AuditEntry]") -> None:
        if not written.cancelled() and written.exception() is None:
            self._writer.note(outcome_of(written.result(), self._now(), "CANCELLED"))


class _Audited:
    """Notes what becomes of a call that has its entry."""

    def __init__(self, entry: AuditEntry, writer: AuditWriter, now: Clock) -> None:
        self._entry = entry
        self._writer = writer
        self._now = now
        self.made = ""

    def __enter__(self) -> "_Audited":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        code, reason = ending_of(error)
        self._writer.note(outcome_of(self._entry, self._now(), code, reason, self.made))


def outcome_of(begun: AuditEntry, time: datetime, code: str, reason: str = "", resource: str = "") -> Record:
    """Return the second record of a call; it repeats the first, but for what the call has made."""
    first = begun.record
    return Record(
        time=time,
        caller=first.caller,
        project=first.project,
        method=first.method,
        resource=resource or first.resource,
        call_id=first.call_id,
        begun=begun.number,
        outcome=code,
        reason=reason,
    )


def ending_of(error: BaseException | None) -> tuple[str, str]:
    """Return the name of the status code, and the reason, that a handler's error ends a call with."""
    if error is None:
        return "OK", ""
    if isinstance(error, GnomonError):
        return _NAMES.get(error.code, "UNKNOWN"), error.reason
    if isinstance(error, NotImplementedError):
        return "UNIMPLEMENTED", ""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "CANCELLED", ""  # the caller left, or its time was over; the effect may be there
    return "INTERNAL", ""


async def _peeked(requests: Any) -> tuple[AsyncIterator[Any], Any]:
    """Return a stream of requests as it was, and its first one; None if there is none."""
    source = aiter(requests)
    first = await anext(source, None)

    async def again() -> AsyncIterator[Any]:
        if first is not None:
            yield first
        async for request in source:
            yield request

    return again(), first
