"""From an instance that was scored back to the cells of a row. Pure: `gnomon.cells`, the other way round."""

from collections.abc import Sequence
from typing import Any

from gnomon.instances import Document, Instance, Message, Session, Span, SpanKind, Step, Tool, Trace
from gnomon_trainer.domain.columns import LABEL, needed
from gnomon_trainer.domain.texts import rendered
from gnomon_trainer.domain.training import MetricDefinition


def cells_of(instance: Instance, metric: MetricDefinition) -> dict[str, Any]:
    """Return the columns that the metric reads of an instance, so that they are read as the same text.

    Raises:
        InstanceInvalidError: the instance is not of the metric's step, or lacks a part that it reads.
    """
    rendered(instance, metric)
    if metric.step is Step.SESSION:
        return {"session": _session(instance)}
    if metric.step is Step.TRACE:
        return {"trace": _trace(instance.traces[0] if isinstance(instance, Session) else instance)}
    assert isinstance(instance, Span)
    parts = _parts(instance)
    wanted = (group[0] for group in needed(metric.input_shape))
    return {name: parts[name] for name in wanted if name != LABEL}


def _parts(span: Span) -> dict[str, Any]:
    return {
        "input": _messages(span.input, "user"),
        "output": _messages(span.output, "assistant"),
        "documents": [_document(document) for document in span.documents],
        "tools": [_tool(tool) for tool in span.tools],
    }


def _session(instance: Instance) -> dict[str, Any]:
    traces = instance.traces if isinstance(instance, Session) else (instance,)
    session_id = instance.session_id if isinstance(instance, Session) else ""
    return {"session_id": session_id, "traces": [_trace(trace) for trace in traces]}


def _trace(trace: Instance) -> dict[str, Any]:
    assert isinstance(trace, Trace)
    return {"trace_id": trace.trace_id, "spans": [_span(span) for span in trace.spans]}


def _span(span: Span) -> dict[str, Any]:
    about = {
        "kind": (span.kind or SpanKind.LLM).value,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
    }
    found = {**about, **_parts(span), "attributes": dict(span.attributes)}
    return {name: part for name, part in found.items() if part}


def _messages(messages: Sequence[Message], role: str) -> str | list[dict[str, Any]]:
    """One message that is nothing but text of the side's own role is its text."""
    if len(messages) == 1 and messages[0] == Message(messages[0].content, role):
        return messages[0].content
    return [_message(message) for message in messages]


def _message(message: Message) -> dict[str, Any]:
    # No role is kept as none: beside a user's message, one without is another message.
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        found["tool_calls"] = [
            {"name": call.tool, "arguments": call.arguments, "id": call.id} for call in message.tool_calls
        ]
    if message.tool_call_id:
        found["tool_call_id"] = message.tool_call_id
    return found


def _document(document: Document) -> str | dict[str, str]:
    return {"id": document.id, "content": document.content} if document.id else document.content


def _tool(tool: Tool) -> dict[str, str]:
    return {"name": tool.tool, "description": tool.description, "parameters": tool.parameters}
