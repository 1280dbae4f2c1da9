"""From a row's cells to an instance. Pure.

Uploads, stored rows, files to score and DataFrames are all read here, so that
the same row is the same instance in training and in scoring. `input` and
`output` are text or lists of messages, `documents` and `tools` are lists;
`messages` is a chat as OpenAI's API writes it; `trace` and `session` hold
spans and traces as objects, with the names of `gnomon.v1`.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from gnomon.instances import (
    Document,
    Instance,
    Message,
    Session,
    Span,
    SpanKind,
    Step,
    Tool,
    ToolCall,
    Trace,
)

_KIND = {
    Step.LLM_SPAN: SpanKind.LLM,
    Step.RETRIEVER_SPAN: SpanKind.RETRIEVER,
    Step.TOOL_SPAN: SpanKind.TOOL,
    Step.AGENT_SPAN: SpanKind.AGENT,
}
# Protobuf's JSON writes these so.
_CAMEL = {
    "toolCalls": "tool_calls",
    "toolCallId": "tool_call_id",
    "spanId": "span_id",
    "parentSpanId": "parent_span_id",
    "traceId": "trace_id",
    "sessionId": "session_id",
}


# A row may hold a chat and what it was made of, or an ID under a name of ours: one of them is read.
_WHOLE = {Step.TRACE: ("messages", "trace"), Step.SESSION: ("session", "messages")}
_PARTS = ("input", "output", "documents", "tools")


class CellError(ValueError):
    """A cell of `column` cannot be read; `place` says where in it, such as `messages[2].tool_calls[0]`."""

    def __init__(self, column: str, what: str, inside: str = "") -> None:
        super().__init__(f"{inside.removeprefix('.')} {what}" if inside else what)
        self.column, self.what = column, what
        self.place = f"{column}{inside}"

    @classmethod
    def at(cls, place: str, what: str) -> "CellError":
        column = re.split(r"[.\[]", place, maxsplit=1)[0]
        return cls(column, what, place.removeprefix(column))


def read_of(cells: Mapping[str, Any], step: Step | None) -> Mapping[str, Any]:
    """Return those cells that a metric of this step reads, as uploads choose them; all if no step is given.

    Whole traces and sessions are read from the first column of theirs, spans
    from their parts. Where a row has none of these, what else it has is read.
    """
    if step in _WHOLE:
        wanted = [name for name in _WHOLE[step] if name in cells][:1]
    else:
        is_span = step is not None and not {"input", "output"}.isdisjoint(cells)
        wanted = [name for name in _PARTS if is_span and name in cells]
    return {name: cells[name] for name in wanted} if wanted else cells


def canonical(column: str, cell: Any) -> Any:
    """Return a cell of one of our columns as it is stored.

    Raises:
        CellError: it is empty or of a wrong type.
    """
    cell = parsed(column, cell)
    if is_empty(cell):
        raise CellError(column, "is empty")
    return cell


def is_empty(cell: Any) -> bool:
    return cell is None or cell in ("", [], {}) or (isinstance(cell, str) and not cell.strip())


def parsed(column: str, cell: Any) -> Any:
    """Return a cell with the JSON read that a file of text cells writes as text.

    Raises:
        CellError: it should be JSON and is not.
    """
    if column in {"documents", "tools", "messages", "trace", "session"} and isinstance(cell, str):
        return _from_json(column, cell)
    return cell


def _from_json(column: str, text: str) -> Any:
    """Documents may also be one plain text."""
    if column == "documents":
        if not text.lstrip().startswith("["):
            return [text] if text.strip() else []
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return [text]
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CellError(column, f"is not JSON: {str(error)[:80]}") from error


def instance(cells: Mapping[str, Any], step: Step | None = None) -> Instance:
    """Return what parsed cells hold: a session, a trace, a chat, or the parts of a span.

    A chat is a trace, or a session of one trace where the metric's step is
    `SESSION`. A span is of the step's kind, of none if no step is given; beside its parts a chat is not
    read, unless the metric's step is `TRACE` or `SESSION`: see `read_of`.

    Raises:
        CellError: a cell has not the shape of messages, documents, tools, a
            trace or a session; its `place` says where in the cell.
    """
    cells = read_of(cells, step)
    if "session" in cells:
        return _session(cells["session"])
    if "trace" in cells:
        return _trace(cells["trace"], "trace")
    if "messages" in cells and {"input", "output"}.isdisjoint(cells):
        chat = _trace_of_messages(cells["messages"])
        return Session((chat,)) if step is Step.SESSION else chat
    return Span(
        input=_messages(cells.get("input"), "user", "input"),
        output=_messages(cells.get("output"), "assistant", "output"),
        documents=_documents(cells.get("documents"), "documents"),
        tools=_tools(cells.get("tools"), "tools"),
        kind=None if step is None else _KIND.get(step, SpanKind.LLM),
    )


def _trace_of_messages(cell: Any) -> Trace:
    """One LLM span: the last message is its output if the assistant wrote it; all others went in."""
    if isinstance(cell, dict) and "messages" in cell:
        cell = cell["messages"]
    for number, entry in enumerate(cell if isinstance(cell, list) else ()):
        if isinstance(entry, dict) and not entry.get("role"):
            raise CellError.at(f"messages[{number}]", "has no `role`: system, user, assistant or tool")
    messages = _messages(cell, "user", "messages")
    cut = -1 if messages and messages[-1].role == "assistant" else len(messages)
    return Trace((Span(input=messages[:cut], output=messages[cut:]),))


def _session(cell: Any) -> Session:
    record = _object({"traces": cell} if isinstance(cell, list) else cell, "session")
    traces = _list(record.get("traces"), "session", "traces")
    found = (_trace(trace, f"session.traces[{i}]") for i, trace in enumerate(traces))
    return Session(tuple(found), _text(record, "session_id", "session"))


def _trace(cell: Any, place: str) -> Trace:
    record = _object({"spans": cell} if isinstance(cell, list) else cell, place)
    spans = _list(record.get("spans"), place, "spans")
    found = (_span(span, f"{place}.spans[{i}]") for i, span in enumerate(spans))
    return Trace(tuple(found), _text(record, "trace_id", place))


def _span(cell: Any, place: str) -> Span:
    record = _object(cell, place)
    kind = (_text(record, "kind", place) or "llm").lower()
    if kind not in set(SpanKind):
        raise CellError.at(place, f"is of kind {kind[:40]!r}; use {', '.join(SpanKind)}")
    attributes = _object(record.get("attributes") or {}, f"{place}.attributes")
    return Span(
        input=_messages(record.get("input"), "user", f"{place}.input"),
        output=_messages(record.get("output"), "assistant", f"{place}.output"),
        documents=_documents(record.get("documents"), f"{place}.documents"),
        tools=_tools(record.get("tools"), f"{place}.tools"),
        kind=SpanKind(kind),
        span_id=_text(record, "span_id", place),
        parent_span_id=_text(record, "parent_span_id", place),
        attributes=tuple(sorted((str(k), str(v)) for k, v in attributes.items())),
    )


def _messages(cell: Any, role: str, place: str) -> tuple[Message, ...]:
    """Plain text is one message; a list holds messages as OpenAI's chat API writes them."""
    if cell is None:
        return ()
    if isinstance(cell, str):
        return (Message(cell, role),)
    entries = _list(cell, place, "messages")
    return tuple(_message(entry, role, f"{place}[{i}]") for i, entry in enumerate(entries))


def _message(entry: Any, role: str, place: str) -> Message:
    if isinstance(entry, str):
        return Message(entry, role)
    record = _object(entry, place)
    if record.keys().isdisjoint(("content", "tool_calls", "function_call")):
        raise CellError.at(place, "has neither `content` nor `tool_calls`")
    _text(record, "name", place)
    calls = _list(record.get("tool_calls") or [], f"{place}.tool_calls", "tool calls")
    found = [_tool_call(call, f"{place}.tool_calls[{i}]") for i, call in enumerate(calls)]
    if call := record.get("function_call"):  # what OpenAI's API wrote before it had tools
        found.append(_tool_call(call, f"{place}.function_call"))
    return Message(
        content=_content(record.get("content"), f"{place}.content"),
        # One that is left out is the side's own; an empty one is none.
        role=role if record.get("role") is None else _text(record, "role", place),
        tool_calls=tuple(found),
        tool_call_id=_text(record, "tool_call_id", place),
    )


def _content(content: Any, place: str) -> str:
    if content is None:
        return ""
    if isinstance(content, list):  # parts: text is read, images and the like are not
        return "\n".join(str(p["text"]) for p in content if isinstance(p, dict) and "text" in p)
    if not isinstance(content, str):
        raise CellError.at(place, f"is {_type(content)} where text belongs")
    return content


def _tool_call(entry: Any, place: str) -> ToolCall:
    record = _object(entry, place)
    function = _object(record.get("function") or record, f"{place}.function")
    tool = _text(function, "name", place) or _text(function, "tool", place)
    if not tool:
        raise CellError.at(place, "names no tool")
    return ToolCall(tool, _json_text(function.get("arguments")), _text(record, "id", place))


def _tools(cell: Any, place: str) -> tuple[Tool, ...]:
    if cell is None:
        return ()
    entries = _list(cell, place, "tools")
    return tuple(_tool(entry, f"{place}[{i}]") for i, entry in enumerate(entries))


def _tool(entry: Any, place: str) -> Tool:
    if isinstance(entry, str):
        return Tool(entry)
    record = _object(entry, place)
    function = _object(record.get("function") or record, f"{place}.function")
    tool = _text(function, "name", place) or _text(function, "tool", place)
    if not tool:
        raise CellError.at(place, "has no `name`")
    return Tool(tool, _text(function, "description", place), _json_text(function.get("parameters")))


def _documents(cell: Any, place: str) -> tuple[Document, ...]:
    if cell is None:
        return ()
    entries = _list(cell, place, "documents")
    return tuple(_document(entry, f"{place}[{i}]") for i, entry in enumerate(entries))


def _document(entry: Any, place: str) -> Document:
    if isinstance(entry, str):
        return Document(entry)
    record = _object(entry, place)
    if not isinstance(record.get("content"), str):
        raise CellError.at(place, "has no text in `content`")
    return Document(record["content"], _text(record, "id", place))


def _json_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CellError.at(place, f"is {_type(value)} where an object belongs")
    if _CAMEL.keys().isdisjoint(value):
        return value
    return {_CAMEL.get(str(key), str(key)): item for key, item in value.items()}


def _list(value: Any, place: str, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise CellError.at(place, f"must be a list of {what}, not {_type(value)}")
    return value


def _text(record: Mapping[str, Any], key: str, place: str) -> str:
    value = record.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CellError.at(f"{place}.{key}", f"is {_type(value)} where text belongs")
    return value


def _type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number"}
    return names.get(type(value), "a number" if isinstance(value, float) else "null")
