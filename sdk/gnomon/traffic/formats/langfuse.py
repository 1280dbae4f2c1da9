"""Langfuse's exports: observations and traces, from its interface, its API or its blob storage. Pure.

Names come in camel case and in snake case, and cells hold JSON or its text.
A trace becomes a span of its own, of the agent's kind, below which its
observations hang.
"""

from collections.abc import Iterator
from typing import Any

from gnomon.instances import SpanKind
from gnomon.traffic.contents import call_of_tool, definitions, documents
from gnomon.traffic.formats.otlp import guarded, within
from gnomon.traffic.json_text import parsed
from gnomon.traffic.messages import after_the_last_user, messages
from gnomon.traffic.traced import Malformed, TracedSpan, flat, identifier, tags_of, text_of, time_ns

_KINDS = {
    "GENERATION": SpanKind.LLM,
    "RETRIEVER": SpanKind.RETRIEVER,
    "TOOL": SpanKind.TOOL,
    "AGENT": SpanKind.AGENT,
}
_GLUE = {"SPAN", "CHAIN", "EVENT", "EMBEDDING", "EVALUATOR", "GUARDRAIL"}
_KEPT = (
    "model", "providedModelName", "level", "statusMessage", "version", "release", "environment", "userId",
    "promptName", "promptVersion", "traceName", "latency", "totalCost",
)  # fmt: skip


def is_ours(record: Any) -> bool:
    """Tell an observation, or a trace, from what others export."""
    if not isinstance(record, dict) or "span_id" in record or "run_type" in record:
        return False
    keys = record.keys()
    is_observation = "id" in keys and not keys.isdisjoint({"traceId", "trace_id"})
    is_trace = {"id", "timestamp"} <= keys or {"trace", "observations"} <= keys
    return is_observation or is_trace


def spans(record: Any) -> Iterator[TracedSpan | Malformed]:
    """Yield the span of an observation; of a trace its own, then those of the observations that it holds."""
    inner = record.get("trace")
    if isinstance(inner, dict):  # the download of one trace: {"trace": {...}, "observations": [...]}
        record = {**inner, "observations": record.get("observations", inner.get("observations"))}
    record = {_camel(str(key)): value for key, value in record.items()}
    if "traceId" in record or str(record.get("type", "")).upper() in _KINDS.keys() | _GLUE:
        yield guarded(_observation, record, {})
        return
    yield guarded(_trace, record)
    held = parsed(record.get("observations"))
    for number, entry in enumerate(held if isinstance(held, list) else (), 1):
        if isinstance(entry, dict):
            own = {_camel(str(key)): value for key, value in entry.items()}
            yield within(guarded(_observation, own, record), f"observation {number}")
        elif not isinstance(entry, str):  # lists of traces hold the IDs alone
            yield Malformed("is not an object", f"observation {number}")


def _camel(key: str) -> str:
    head, *tail = key.split("_")
    return head + "".join(part.title() for part in tail)


def _trace(record: dict[str, Any]) -> TracedSpan:
    trace_id = identifier(record.get("id"), "trace ID")
    span = TracedSpan(trace_id, trace_id, kind=SpanKind.AGENT)
    _shared(span, record)
    span.started_ns = time_ns(record.get("timestamp"))
    _conversation(span, record)
    return span


def _observation(record: dict[str, Any], trace: dict[str, Any]) -> TracedSpan:
    span = TracedSpan(
        identifier(record.get("traceId") or trace.get("id"), "trace ID"),
        identifier(record.get("id"), "observation ID"),
        text_of(record.get("parentObservationId")) or "",
    )
    context = {key: trace[key] for key in ("sessionId", "tags", "userId", "environment") if key in trace}
    _shared(span, context | {key: value for key, value in record.items() if value not in (None, "")})
    span.started_ns = time_ns(record.get("startTime"))
    kind = str(record.get("type", "")).upper()
    is_root = kind in {"SPAN", "CHAIN"} and not span.parent_span_id
    span.kind = SpanKind.AGENT if is_root else _KINDS.get(kind)
    _content(span, record)
    return span


def _shared(span: TracedSpan, record: dict[str, Any]) -> None:
    span.name = text_of(record.get("name")) or ""
    span.session_id = text_of(record.get("sessionId")) or ""
    span.tags = tags_of(parsed(record.get("tags") or record.get("traceTags")))
    kept = {key: text for key in _KEPT if (text := text_of(record.get(key)))}
    span.attributes = kept | flat("metadata", parsed(record.get("metadata")))


def _content(span: TracedSpan, record: dict[str, Any]) -> None:
    match span.kind:
        case SpanKind.TOOL:
            call_of_tool(span, span.name, record.get("input"), record.get("output"))
        case SpanKind.RETRIEVER:
            span.input = _said(record.get("input"), "user")
            found = parsed(record.get("output"))
            span.documents = documents(found.get("documents") if isinstance(found, dict) else found)
            if not span.documents:
                span.output = _said(found, "assistant")
        case SpanKind.LLM:
            span.input = _said(record.get("input"), "user")
            span.output = _said(record.get("output"), "assistant")
            asked = parsed(record.get("input"))
            tools = asked.get("tools") if isinstance(asked, dict) else None
            span.tools = definitions(tools or _declared(parsed(record.get("toolDefinitions"))))
        case SpanKind.AGENT:
            _conversation(span, record)


def _declared(value: Any) -> Any:
    """Definitions may be an object by name."""
    if not isinstance(value, dict):
        return value or []
    return [
        {"name": name, **(about if isinstance(about := parsed(held), dict) else {})}
        for name, held in value.items()
    ]


def _conversation(span: TracedSpan, record: dict[str, Any]) -> None:
    span.input = _said(record.get("input"), "user")
    span.output = after_the_last_user(_said(record.get("output"), "assistant"))


def _said(value: Any, role: str) -> list[dict[str, Any]]:
    whole = parsed(value)
    return messages(whole if isinstance(whole, dict | list) else value, role)
