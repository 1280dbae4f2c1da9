"""The trace that a call belongs to, as W3C's Trace Context writes it. Pure.

OpenTelemetry is looked at where the user's program has imported it, and never
imported. Baggage is not sent: the services have no use for it, and it may hold
what was meant for others.

https://www.w3.org/TR/trace-context/
"""

import contextlib
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from gnomon.errors import InvalidRequestError, Violation

Metadata = tuple[tuple[str, str], ...]

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(r"[\x20-\x7e]{0,512}")

_given: ContextVar[Metadata | None] = ContextVar("gnomon_trace_context", default=None)


@contextlib.contextmanager
def trace_context(traceparent: str, tracestate: str = "") -> Iterator[None]:
    """Make the calls within the block part of a trace.

        with gnomon.trace_context(request.headers["traceparent"]):
            client.score("toxicity", output=answer)

    Not needed where OpenTelemetry's current span is the one: that is found by itself.

    Raises:
        InvalidRequestError: it is not of the form `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`.
    """
    if not _TRACEPARENT.fullmatch(traceparent):
        raise _refused("traceparent", "must be 00-, 32 lower-case hex digits, -, 16 of them, -, 2 of them")
    if not _TRACESTATE.fullmatch(tracestate):
        raise _refused("tracestate", "must be at most 512 printable ASCII characters")
    token = _given.set(_metadata(traceparent, tracestate))
    try:
        yield
    finally:
        _given.reset(token)


def outgoing() -> Metadata:
    """Return what tells a service the trace of the call that is about to be made; nothing where none is."""
    if (given := _given.get()) is not None:
        return given
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ()
    try:
        span = trace.get_current_span().get_span_context()
        if not span.is_valid:
            return ()
        parent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"
        return _metadata(parent, span.trace_state.to_header())
    except Exception:  # another release of it, or a half-imported one: no call fails for its trace
        return ()


def _metadata(traceparent: str, tracestate: str) -> Metadata:
    parent = ("traceparent", traceparent)
    return (parent, ("tracestate", tracestate)) if _TRACESTATE.fullmatch(tracestate or "\0") else (parent,)


def _refused(field: str, rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field} {rule}.", violations=[Violation(field, rule)])
