"""From a row's cells to an instance. Pure.

Uploads, stored rows, files to score and DataFrames are all read here, so that
the same row is the same instance in training and in scoring. `input` and
`output` are text or lists of messages, `documents` and `tools` are lists;
`messages` is a chat as OpenAI's API writes it; `trace` and `session` hold
spans and traces as objects.
"""

import json
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
    Step.RETRIEVER_SPAN: SpanKind.RETRIEVER,
    Step.TOOL_SPAN: SpanKind.TOOL,
    Step.AGENT_SPAN: SpanKind.AGENT,
}


class CellError(ValueError):
    """A cell cannot be read; `column` is the one at fault, the message what is wrong."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


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


def instance(cells: Mapping[str, Any], step: Step = Step.LLM_SPAN) -> Instance:
    """Return what parsed cells hold: a session, a trace, a chat, or the parts of a span.

    A chat is a trace, or a session of one trace where the metric's step is
    `SESSION`. A span is of the step's kind.

    Raises:
        CellError: a cell has not the shape of messages, documents, tools, a
            trace or a session.
    """
    if "session" in cells:
        return _session(cells["session"])
    if "trace" in cells:
        return _trace(cells["trace"], "trace")
    if "messages" in cells and not {"input", "output"} & cells.keys():
        chat = _trace_of_messages(cells["messages"])
        return Session((chat,)) if step is Step.SESSION else chat
    return Span(
        input=_messages(cells.get("input"), "user", "input"),
        output=_messages(cells.get("output"), "assistant", "output"),
        documents=_documents(cells.get("documents"), "documents"),
        tools=_tools(cells.get("tools"), "tools"),
        kind=_KIND.get(step, SpanKind.LLM),
    )


def _trace_of_messages(cell: Any) -> Trace:
    """One LLM span: the last message is its output if the assistant wrote it; all others went in."""
    messages = _messages(cell, "user", "messages")
    cut = -1 if messages and messages[-1].role == "assistant" else len(messages)
    return Trace((Span(input=messages[:cut], output=messages[cut:]),))


def _session(cell: Any) -> Session:
    record = _object({"traces": cell} if isinstance(cell, list) else cell, "session")
    traces = _list(record.get("traces"), "session", "traces")
    return Session(tuple(_trace(t, "session") for t in traces), _text(record, "session_id", "session"))


def _trace(cell: Any, column: str) -> Trace:
    record = _object({"spans": cell} if isinstance(cell, list) else cell, column)
    spans = _list(record.get("spans"), column, "spans")
    return Trace(tuple(_span(span, column) for span in spans), _text(record, "trace_id", column))


def _span(cell: Any, column: str) -> Span:
    record = _object(cell, column)
    kind = (_text(record, "kind", column) or "llm").lower()
    if kind not in set(SpanKind):
        raise CellError(column, f"holds a span of kind {kind[:40]!r}; use {', '.join(SpanKind)}")
    attributes = _object(record.get("attributes") or {}, column)
    return Span(
        input=_messages(record.get("input"), "user", column),
        output=_messages(record.get("output"), "assistant", column),
        documents=_documents(record.get("documents"), column),
        tools=_tools(record.get("tools"), column),
        kind=SpanKind(kind),
        span_id=_text(record, "span_id", column),
        parent_span_id=_text(record, "parent_span_id", column),
        attributes=tuple(sorted((str(k), str(v)) for k, v in attributes.items())),
    )


def _messages(cell: Any, role: str, column: str) -> tuple[Message, ...]:
    """Plain text is one message; a list holds messages as OpenAI's chat API writes them."""
    if cell is None:
        return ()
    if isinstance(cell, str):
        return (Message(cell, role),)
    return tuple(_message(entry, role, column) for entry in _list(cell, column, "messages"))


def _message(entry: Any, role: str, column: str) -> Message:
    if isinstance(entry, str):
        return Message(entry, role)
    record = _object(entry, column)
    calls = _list(record.get("tool_calls") or [], column, "tool_calls")
    return Message(
        content=_content(record.get("content"), column),
        role=_text(record, "role", column) or role,
        tool_calls=tuple(_tool_call(call, column) for call in calls),
        tool_call_id=_text(record, "tool_call_id", column),
    )


def _content(content: Any, column: str) -> str:
    if content is None:
        return ""
    if isinstance(content, list):  # parts: text is read, images and the like are not
        return "\n".join(str(p["text"]) for p in content if isinstance(p, dict) and "text" in p)
    if not isinstance(content, str):
        raise CellError(column, "holds a message whose content is not text")
    return content


def _tool_call(entry: Any, column: str) -> ToolCall:
    record = _object(entry, column)
    function = _object(record.get("function") or record, column)
    tool = _text(function, "name", column) or _text(function, "tool", column)
    if not tool:
        raise CellError(column, "holds a tool call that names no tool")
    return ToolCall(tool, _json_text(function.get("arguments")), _text(record, "id", column))


def _tools(cell: Any, column: str) -> tuple[Tool, ...]:
    if cell is None:
        return ()
    return tuple(_tool(entry, column) for entry in _list(cell, column, "tools"))


def _tool(entry: Any, column: str) -> Tool:
    if isinstance(entry, str):
        return Tool(entry)
    record = _object(entry, column)
    function = _object(record.get("function") or record, column)
    tool = _text(function, "name", column) or _text(function, "tool", column)
    if not tool:
        raise CellError(column, "holds a tool without a name")
    return Tool(tool, _text(function, "description", column), _json_text(function.get("parameters")))


def _documents(cell: Any, column: str) -> tuple[Document, ...]:
    if cell is None:
        return ()
    return tuple(_document(entry, column) for entry in _list(cell, column, "documents"))


def _document(entry: Any, column: str) -> Document:
    if isinstance(entry, str):
        return Document(entry)
    record = _object(entry, column)
    if not isinstance(record.get("content"), str):
        raise CellError(column, "holds a document without text in `content`")
    return Document(record["content"], _text(record, "id", column))


def _json_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _object(value: Any, column: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CellError(column, f"holds a {_type(value)} where an object belongs")
    return value


def _list(value: Any, column: str, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise CellError(column, f"must be text or a list of {what}, not a {_type(value)}")
    return value


def _text(record: Mapping[str, Any], key: str, column: str) -> str:
    value = record.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CellError(column, f"holds a {_type(value)} where `{key}` should be text")
    return value


def _type(value: Any) -> str:
    names = {dict: "object", list: "list", str: "text", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
