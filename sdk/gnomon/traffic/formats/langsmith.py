"""LangSmith's runs, as its API and its exports give them: JSON, JSON Lines or Parquet. Pure."""

from collections.abc import Iterator
from typing import Any

from gnomon.instances import SpanKind
from gnomon.traffic.contents import call_of_tool, definitions, documents
from gnomon.traffic.formats.otlp import guarded, within
from gnomon.traffic.json_text import parsed
from gnomon.traffic.messages import after_the_last_user, messages
from gnomon.traffic.traced import (
    Malformed,
    MalformedError,
    TracedSpan,
    flat,
    identifier,
    tags_of,
    text_of,
    time_ns,
)

_KINDS = {"llm": SpanKind.LLM, "retriever": SpanKind.RETRIEVER, "tool": SpanKind.TOOL}
_KNOWN = {*_KINDS, "chain", "embedding", "prompt", "parser"}
_THREADS = ("session_id", "thread_id", "conversation_id")
_KEPT = ("status", "error", "session_name", "total_tokens")


def is_ours(record: Any) -> bool:
    return isinstance(record, dict) and "run_type" in record


def spans(record: Any) -> Iterator[TracedSpan | Malformed]:
    """Yield the span of a run, then those of the child runs that it holds, also of one that is malformed."""
    waiting: list[tuple[Any, str, str]] = [(record, "", "")]
    while waiting:
        run, trace_id, parent = waiting.pop()
        if not isinstance(run, dict):
            yield Malformed("is not an object", "a child run")
            continue
        span = guarded(_run, run, trace_id, parent)
        yield span if run is record else within(span, "a child run")
        children = parsed(run.get("child_runs"))
        if isinstance(children, list):
            span_id = text_of(run.get("id")) or parent
            trace_id = text_of(run.get("trace_id")) or trace_id or span_id
            waiting += [(child, trace_id, span_id) for child in reversed(children)]


def _run(run: dict[str, Any], trace_id: str, parent: str) -> TracedSpan:
    run_type = run.get("run_type")
    if run_type not in _KNOWN:
        raise MalformedError("has no run_type" if run_type is None else "has a run_type that is not known")
    span_id = identifier(run.get("id"), "run ID")
    parents = parsed(run.get("parent_run_ids"))
    above = run.get("parent_run_id") or (parents[-1] if isinstance(parents, list) and parents else "")
    span = TracedSpan(
        text_of(run.get("trace_id")) or trace_id or span_id,
        span_id,
        text_of(above) or parent,
        text_of(run.get("name")) or "",
        started_ns=time_ns(run.get("start_time")),
        tags=tags_of(parsed(run.get("tags"))),
    )
    span.kind = _KINDS.get(run_type)
    if run_type == "chain" and not span.parent_span_id:
        span.kind = SpanKind.AGENT
    metadata = _metadata(run)
    # `session_id` of the run itself is the project's; a thread is named in the metadata.
    span.session_id = next((text for key in _THREADS if (text := text_of(metadata.get(key)))), "")
    kept = {key: text for key in _KEPT if (text := text_of(run.get(key)))}
    span.attributes = kept | flat("metadata", metadata)
    _content(span, parsed(run.get("inputs")), parsed(run.get("outputs")), run)
    return span


def _metadata(run: dict[str, Any]) -> dict[str, Any]:
    extra = parsed(run.get("extra"))
    found = parsed(extra.get("metadata")) if isinstance(extra, dict) else parsed(run.get("metadata"))
    return found if isinstance(found, dict) else {}


def _content(span: TracedSpan, inputs: Any, outputs: Any, run: dict[str, Any]) -> None:
    match span.kind:
        case SpanKind.LLM:
            span.input = messages(inputs, "user")
            span.output = messages(outputs, "assistant")
            span.tools = definitions(_tools(inputs, run))
        case SpanKind.RETRIEVER:
            span.input = messages(inputs, "user")
            span.documents = documents(_documents(outputs))
        case SpanKind.TOOL:
            call_of_tool(span, span.name, _only(inputs, "input"), _only(outputs, "output"))
        case SpanKind.AGENT:
            span.input = messages(inputs, "user")
            span.output = after_the_last_user(messages(outputs, "assistant"))


def _tools(inputs: Any, run: dict[str, Any]) -> Any:
    if isinstance(inputs, dict) and isinstance(inputs.get("tools"), list):
        return inputs["tools"]
    extra = parsed(run.get("extra"))
    parameters = extra.get("invocation_params") if isinstance(extra, dict) else None
    return (parameters.get("tools") if isinstance(parameters, dict) else None) or []


def _documents(outputs: Any) -> Any:
    found = outputs.get("documents", outputs.get("output")) if isinstance(outputs, dict) else outputs
    return [
        entry["kwargs"] if isinstance(entry, dict) and "kwargs" in entry else entry for entry in found or ()
    ]


def _only(value: Any, key: str) -> Any:
    """Return what stands alone under a key that says nothing; LangChain's tool messages are their text."""
    if isinstance(value, dict) and value.keys() == {key}:
        value = value[key]
    if isinstance(value, dict):
        inner = value.get("kwargs", value)
        if (
            isinstance(inner, dict)
            and isinstance(inner.get("content"), str)
            and ("type" in value or "role" in value)
        ):
            return inner["content"]
    return value
