"""Spans as Phoenix exports them: rows of a data frame with dotted columns, or nested JSON. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from gnomon.traffic.formats import attributes as conventions
from gnomon.traffic.formats.openinference import KIND
from gnomon.traffic.formats.otlp import guarded
from gnomon.traffic.json_text import parsed
from gnomon.traffic.traced import Malformed, TracedSpan, identifier, time_ns

_PREFIX = "attributes."


def is_ours(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    return "context.span_id" in record or (
        "context" in record and ("span_kind" in record or "attributes" in record)
    )


def spans(record: Any) -> Iterator[TracedSpan | Malformed]:
    """Yield the span of one row or object."""
    yield guarded(_span, record)


def _span(record: dict[str, Any]) -> TracedSpan:
    context = parsed(record.get("context"))
    context = context if isinstance(context, dict) else {}
    span = TracedSpan(
        identifier(record.get("context.trace_id") or context.get("trace_id"), "trace ID"),
        identifier(record.get("context.span_id") or context.get("span_id"), "span ID"),
        _text(record.get("parent_id")),
        _text(record.get("name")),
        started_ns=time_ns(record.get("start_time")),
    )
    own = _flat("", parsed(record.get("attributes")))
    for column, value in record.items():
        if column.startswith(_PREFIX) and value is not None:
            own |= _flat(column.removeprefix(_PREFIX), parsed_list(value))
    kind = record.get("span_kind")
    if isinstance(kind, str) and kind and kind.upper() != "UNKNOWN":
        own[KIND] = kind
    own.setdefault(KIND, "")
    return conventions.read(span, own)


def parsed_list(value: Any) -> Any:
    """Return the list of a cell of CSV, which holds it as text."""
    return parsed(value) if isinstance(value, str) and value[:1] == "[" else value


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    """Flatten objects to dotted keys, as the attributes were before they were nested; lists stay."""
    if not isinstance(value, Mapping):
        return {prefix: value} if prefix and value is not None else {}
    start = f"{prefix}." if prefix else ""
    return {k: v for key, item in value.items() for k, v in _flat(f"{start}{key}", item).items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
