"""What is scored: spans, traces and sessions as plain values. Pure.

The same shapes as the messages of `gnomon.v1`; `gnomon.convert` goes between.
"""

from dataclasses import dataclass
from enum import StrEnum


class SpanKind(StrEnum):
    LLM = "llm"
    RETRIEVER = "retriever"
    TOOL = "tool"
    AGENT = "agent"


class OutputType(StrEnum):
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"


class Step(StrEnum):
    """Where in a trace a metric applies."""

    LLM_SPAN = "llm_span"
    RETRIEVER_SPAN = "retriever_span"
    TOOL_SPAN = "tool_span"
    AGENT_SPAN = "agent_span"
    TRACE = "trace"
    SESSION = "session"


class InputShape(StrEnum):
    """What of an instance a metric reads."""

    INPUT = "input"
    OUTPUT = "output"
    INPUT_OUTPUT = "input_output"
    DOCUMENTS_INPUT = "documents_input"
    DOCUMENTS_INPUT_OUTPUT = "documents_input_output"
    TOOLS_INPUT_OUTPUT = "tools_input_output"
    WHOLE_TRACE = "whole_trace"
    WHOLE_SESSION = "whole_session"


@dataclass(frozen=True, slots=True)
class ToolCall:
    tool: str
    arguments: str = ""  # JSON text
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    content: str = ""
    role: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    content: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    tool: str
    description: str = ""
    parameters: str = ""  # JSON schema


@dataclass(frozen=True, slots=True)
class Span:
    """One step of an application.

    `input` and `output` are messages, oldest first. `attributes` are kept for
    the caller; no evaluator reads them. A span that stands alone needs no
    `kind`: without one it is of that which a metric scores. In a trace it is
    then `LLM`.
    """

    input: tuple[Message, ...] = ()
    output: tuple[Message, ...] = ()
    documents: tuple[Document, ...] = ()
    tools: tuple[Tool, ...] = ()
    kind: SpanKind | None = SpanKind.LLM
    span_id: str = ""
    parent_span_id: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """One request to an application; `parent_span_id` makes the spans a tree."""

    spans: tuple[Span, ...]
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    traces: tuple[Trace, ...]
    session_id: str = ""


Instance = Span | Trace | Session


def text_span(
    *,
    input: str | None = None,  # noqa: A002  the field's own name
    output: str | None = None,
    documents: tuple[str, ...] = (),
    kind: SpanKind | None = None,
) -> Span:
    """Make a span of plain text: a user's input, an assistant's output; of any kind, unless one is given."""
    return Span(
        input=() if input is None else (Message(input, "user"),),
        output=() if output is None else (Message(output, "assistant"),),
        documents=tuple(Document(text) for text in documents),
        kind=kind,
    )
