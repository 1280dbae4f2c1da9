"""OTLP in JSON: objects of `ExportTraceServiceRequest`, as exporters send and collectors write them. Pure."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from gnomon.traffic.formats import attributes as conventions
from gnomon.traffic.formats.genai import Events
from gnomon.traffic.json_text import dumped
from gnomon.traffic.traced import Malformed, MalformedError, TracedSpan, identifier, nanoseconds, text_of

# What reading an object as something that it is not raises.
OTHER_SHAPE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
MISSHAPEN = Malformed("has another shape than its format")
_NO_SPANS = frozenset(("resourceLogs", "resourceMetrics", "resource_logs", "resource_metrics"))
_KEYS = {"resource_spans", *_NO_SPANS}


def is_ours(record: Any) -> bool:
    """Tell a request, or one span of one, from what others export."""
    if not isinstance(record, dict):
        return False
    return (
        "resourceSpans" in record
        or not _KEYS.isdisjoint(record)
        or isinstance(record.get("attributes"), list)
    )


def spans(record: Any) -> Iterator[TracedSpan | Malformed]:
    """Yield the spans of one object, of any number of resources and scopes; or the span that it is."""
    groups = _either(record, "resourceSpans", "resource_spans")
    if groups is None:
        if _NO_SPANS.isdisjoint(record):
            yield guarded(_span, record, {})
        else:
            yield Malformed("holds logs or metrics, of which no spans are made")
        return
    numbers = count(1)
    for place, of_resource in enumerate(_listed(groups), 1):
        try:
            yield from _of_resource(of_resource, place, numbers)
        except OTHER_SHAPE:
            yield Malformed(MISSHAPEN.reason, f"resource {place}")


def _of_resource(
    of_resource: dict[str, Any], resource: int, numbers: Iterator[int]
) -> Iterator[TracedSpan | Malformed]:
    """Yield the spans of one resource; what is odd in it, or in a scope, costs no other spans."""
    scopes = _either(of_resource, "scopeSpans", "scope_spans")
    if scopes is None:
        scopes = of_resource.get("instrumentationLibrarySpans")
    try:
        shared = _attributes((of_resource.get("resource") or {}).get("attributes"))
    except OTHER_SHAPE:
        shared = {}
        yield Malformed(MISSHAPEN.reason, f"resource {resource}, its attributes")
    for place, of_scope in enumerate(_listed(scopes), 1):
        try:
            entries = _listed(of_scope.get("spans"))
        except OTHER_SHAPE:
            yield Malformed(MISSHAPEN.reason, f"resource {resource}, scope {place}")
            continue
        for entry in entries:
            span = guarded(_span, entry, shared)
            number = next(numbers)
            yield span if type(span) is TracedSpan else within(span, f"span {number}")


def guarded(read: Callable[..., TracedSpan], *given: Any) -> TracedSpan | Malformed:
    """Return a span, or why there is none: an import never ends for one bad record."""
    try:
        return read(*given)
    except MalformedError as error:
        return Malformed(str(error))
    except OTHER_SHAPE:
        return MISSHAPEN


def within(found: TracedSpan | Malformed, place: str) -> TracedSpan | Malformed:
    """Return what was found, with its place in the record where it is malformed."""
    if isinstance(found, TracedSpan):
        return found
    return Malformed(found.reason, f"{place}, {found.inside}" if found.inside else place)


def _span(entry: dict[str, Any], shared: dict[str, Any]) -> TracedSpan:
    get = entry.get
    parent = get("parentSpanId") or get("parent_span_id") or ""
    span = TracedSpan(
        span_identifier(get("traceId", get("trace_id")), "trace ID"),
        span_identifier(get("spanId", get("span_id")), "span ID"),
        identifier(parent, "parent's ID") if parent.strip("0") else "",
        text_of(get("name")) or "",
        started_ns=_nanoseconds(get("startTimeUnixNano", get("start_time_unix_nano"))),
    )
    own = shared | _attributes(get("attributes"))
    events = get("events")
    return conventions.read(span, own, _events(events) if events else ())


def span_identifier(value: Any, what: str) -> str:
    """Return an ID; one of zeros alone stands for none."""
    found = identifier(value, what)
    if not found.strip("0"):
        raise MalformedError(f"has no {what}")
    return found


def _nanoseconds(value: Any) -> int:
    """OTLP writes 64-bit numbers as text."""
    try:
        return nanoseconds(int(value)) if value else 0
    except (OverflowError, TypeError, ValueError):
        raise MalformedError("has a time that is none") from None


def _events(entries: list[dict[str, Any]]) -> Events:
    return [(entry.get("name", ""), _attributes(entry.get("attributes"))) for entry in entries]


def _attributes(entries: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in entries or ():  # this runs for every attribute, and most are texts
        try:
            held = entry["value"]["stringValue"]
        except (KeyError, TypeError):
            held = None
        if held is None:
            value = entry.get("value")
            held = _value(value) if value else None
        found[entry["key"]] = held
    return found


def _value(value: dict[str, Any]) -> Any:
    for key, held in value.items():
        match key:
            case "stringValue" | "boolValue" | "doubleValue" | "string_value" | "bool_value" | "double_value":
                return held
            case "intValue" | "int_value":
                return held  # as text, since 64 bits are more than a number of JSON may have
            case "arrayValue" | "array_value":
                return [_value(entry) for entry in held.get("values") or ()]
            case "kvlistValue" | "kvlist_value":
                return _attributes(held.get("values"))
            case "bytesValue" | "bytes_value":
                return held if isinstance(held, str) else dumped(held)
    return None


def _either(record: dict[str, Any], camel: str, snake: str) -> Any:
    return record[camel] if camel in record else record.get(snake)


def _listed(entries: Any) -> list[Any]:
    """Return a list, which may be left out.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(entries, list | None):
        raise TypeError
    return entries or []
