"""OTLP in protobuf, as exporters send and the collector's file exporter writes it.

The messages are those of the package `opentelemetry-proto`, which is optional.
"""

from collections.abc import Iterator
from typing import Any

from gnomon.optional import required
from gnomon.traffic.formats import attributes as conventions
from gnomon.traffic.formats.otlp import guarded, span_identifier, within
from gnomon.traffic.frames import Encoded
from gnomon.traffic.json_text import INSTALL
from gnomon.traffic.traced import Malformed, TracedSpan, nanoseconds


def spans(encoded: Encoded) -> Iterator[TracedSpan | Malformed]:
    """Yield the spans of a request, or of one resource in it.

    Raises:
        InvalidRequestError: `opentelemetry-proto` is not installed.
    """
    from google.protobuf.message import DecodeError

    pb = required("opentelemetry.proto.trace.v1.trace_pb2", "OTLP in protobuf", INSTALL)
    kind = (
        pb.TracesData if encoded.is_request else pb.ResourceSpans
    )  # a request has the fields of `TracesData`
    try:
        message = kind.FromString(encoded.content)
    except DecodeError:
        yield Malformed("is not a protobuf message of OTLP traces")
        return
    number = 0
    for of_resource in getattr(message, "resource_spans", (message,)):
        shared = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for entry in of_scope.spans:
                number += 1
                span = guarded(_span, entry, shared)
                yield span if type(span) is TracedSpan else within(span, f"span {number}")


def _span(entry: Any, shared: dict[str, Any]) -> TracedSpan:
    span = TracedSpan(
        span_identifier(entry.trace_id.hex(), "trace ID"),
        span_identifier(entry.span_id.hex(), "span ID"),
        entry.parent_span_id.hex() if any(entry.parent_span_id) else "",
        entry.name,
        started_ns=nanoseconds(entry.start_time_unix_nano),
    )
    events = [(event.name, _attributes(event.attributes)) for event in entry.events]
    return conventions.read(span, shared | _attributes(entry.attributes), events)


def _attributes(entries: Any) -> dict[str, Any]:
    return {entry.key: _value(entry.value) for entry in entries}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return None
        case "array_value":
            return [_value(entry) for entry in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "bytes_value":
            return value.bytes_value.hex()
    return getattr(value, kind)
