"""OpenInference's semantic conventions, by which attributes say what a span did.

The same attributes come as `llm.input_messages.0.message.role` in OTLP, as
lists of objects with dotted keys in a data frame, and as nested objects in
JSON; all are nested first. Pure.
"""

from collections.abc import Callable
from typing import Any

from gnomon.instances import SpanKind
from gnomon.traffic.contents import call_of_tool, definitions, documents
from gnomon.traffic.json_text import parsed
from gnomon.traffic.messages import after_the_last_user, messages
from gnomon.traffic.nesting import nested
from gnomon.traffic.traced import TracedSpan, flat

_KINDS = {
    "LLM": SpanKind.LLM,
    "RETRIEVER": SpanKind.RETRIEVER,
    "RERANKER": SpanKind.RETRIEVER,
    "TOOL": SpanKind.TOOL,
    "AGENT": SpanKind.AGENT,
}
KIND = "openinference.span.kind"
_CONTENT = (
    "input.value",
    "output.value",
    "llm.input_messages",
    "llm.output_messages",
    "llm.prompts",
    "llm.choices",
    "llm.tools",
    "retrieval.documents",
    "reranker.input_documents",
    "reranker.output_documents",
    "tool.parameters",
    "embedding.embeddings",
)
_PREFIXES = tuple(f"{key}." for key in _CONTENT)

Attributes = dict[str, Any]


def read(span: TracedSpan, attributes: Attributes) -> None:
    """Fill in what the span did; what was read of the attributes is taken out of them."""
    keys = [key for key in attributes if key in _CONTENT or key.startswith(_PREFIXES)]
    found = nested((key, attributes.pop(key)) for key in keys)
    kind = str(attributes.get(KIND, "")).upper()
    is_root_chain = kind == "CHAIN" and not span.parent_span_id
    span.kind = SpanKind.AGENT if is_root_chain else _KINDS.get(kind)
    if (metadata := parsed(attributes.get("metadata"))) and isinstance(metadata, dict):
        del attributes["metadata"]
        attributes |= flat("metadata", metadata)
    if span.kind is not None:
        _READERS[span.kind](span, found, attributes)


def _llm(span: TracedSpan, found: Attributes, attributes: Attributes) -> None:  # noqa: ARG001  as all readers
    llm = _object(found.get("llm"))
    span.input = messages(llm.get("input_messages"), "user") or messages(llm.get("prompts"), "user")
    span.output = messages(llm.get("output_messages"), "assistant") or messages(
        llm.get("choices"), "assistant"
    )
    span.input = span.input or _value(found, "input", "user")
    span.output = span.output or _value(found, "output", "assistant")
    tools = llm.get("tools")
    if isinstance(tools, list):
        schemas = [_object(_object(tool).get("tool")).get("json_schema", tool) for tool in tools]
        span.tools = definitions([parsed(schema) for schema in schemas])


def _retriever(span: TracedSpan, found: Attributes, attributes: Attributes) -> None:
    query = attributes.pop("reranker.query", None)
    span.input = _value(found, "input", "user") or messages(query, "user")
    retrieval, reranker = _object(found.get("retrieval")), _object(found.get("reranker"))
    span.documents = documents(parsed(retrieval.get("documents"))) or documents(
        parsed(reranker.get("output_documents"))
    )


def _tool(span: TracedSpan, found: Attributes, attributes: Attributes) -> None:
    name = attributes.get("tool.name") or attributes.get("tool_call.function.name") or span.name
    arguments = _object(found.get("input")).get("value")
    if arguments is None:
        arguments = _object(found.get("tool")).get("parameters")
    result = _object(found.get("output")).get("value")
    call_id = str(attributes.get("tool_call.id") or attributes.get("tool.id") or "")
    call_of_tool(span, str(name), arguments, result, call_id)


def _agent(span: TracedSpan, found: Attributes, attributes: Attributes) -> None:  # noqa: ARG001  as all readers
    span.input = _value(found, "input", "user")
    span.output = after_the_last_user(_value(found, "output", "assistant"))


_READERS: dict[SpanKind, Callable[[TracedSpan, Attributes, Attributes], None]] = {
    SpanKind.LLM: _llm,
    SpanKind.RETRIEVER: _retriever,
    SpanKind.TOOL: _tool,
    SpanKind.AGENT: _agent,
}


def _value(found: Attributes, side: str, role: str) -> list[dict[str, Any]]:
    value = _object(found.get(side)).get("value")
    whole = parsed(value)
    return messages(whole if isinstance(whole, dict) else value, role)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
