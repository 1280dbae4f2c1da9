"""OpenTelemetry's semantic conventions for generative AI: what attributes and events say that a span did.

Read are messages in attributes (`gen_ai.input.messages`), the older form of an
event a message (`gen_ai.user.message`, `gen_ai.choice`), the still older
`gen_ai.content.prompt`, and the indexed attributes of OpenLLMetry
(`gen_ai.prompt.0.content`). Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gnomon.instances import SpanKind
from gnomon.traffic.contents import call_of_tool, definitions, documents
from gnomon.traffic.json_text import parsed
from gnomon.traffic.messages import CUT_OFF, messages
from gnomon.traffic.nesting import nested
from gnomon.traffic.traced import MalformedError, TracedSpan

_KINDS: dict[Any, SpanKind | None] = {
    "chat": SpanKind.LLM,
    "generate_content": SpanKind.LLM,
    "text_completion": SpanKind.LLM,
    "completion": SpanKind.LLM,
    "retrieval": SpanKind.RETRIEVER,
    "execute_tool": SpanKind.TOOL,
    "invoke_agent": SpanKind.AGENT,
    "invoke_workflow": SpanKind.AGENT,
    "embeddings": None,
    "create_agent": None,
}
_TRACELOOP_KINDS: dict[Any, SpanKind] = {
    "workflow": SpanKind.AGENT,
    "agent": SpanKind.AGENT,
    "tool": SpanKind.TOOL,
}
_EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}
_DETAILS = "gen_ai.client.inference.operation.details"
_CONTENT = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
)

Attributes = dict[str, Any]
Events = Iterable[tuple[str, Attributes]]


def read(span: TracedSpan, attributes: Attributes, events: Events) -> None:
    """Fill in what the span did; what was read of the attributes is taken out of them.

    Raises:
        MalformedError: messages are not whole JSON.
    """
    take = attributes.pop
    for name, more in events:
        if name == _DETAILS or (name in _EVENT_ROLES and "gen_ai.input.messages" in more):
            attributes.update((key, more[key]) for key in _CONTENT if key in more)
        else:
            _event(span, name, more)
    told = messages(_json(take("gen_ai.system_instructions", None)), "system")
    given = messages(_json(take("gen_ai.input.messages", None)), "user")
    if told or given:
        span.input = [*told, *given]
    if answered := messages(_json(take("gen_ai.output.messages", None)), "assistant"):
        span.output = answered
    if (tools := take("gen_ai.tool.definitions", None)) is not None:
        span.tools = definitions(_json(tools))
    if "gen_ai.prompt.0.role" in attributes or "gen_ai.completion.0.role" in attributes:
        _indexed(span, attributes)
    span.kind = _kind(span, attributes)
    if span.kind is SpanKind.TOOL:
        _tool(span, attributes)
    elif span.kind is SpanKind.RETRIEVER:
        _retrieval(span, attributes)
    elif span.kind is SpanKind.AGENT and not span.has_content:
        span.input = messages(take("traceloop.entity.input", None), "user")
        span.output = messages(take("traceloop.entity.output", None), "assistant")


def _kind(span: TracedSpan, attributes: Attributes) -> SpanKind | None:
    operation = attributes.get("gen_ai.operation.name")
    if operation is not None:
        return _KINDS.get(operation)
    if kind := _TRACELOOP_KINDS.get(attributes.get("traceloop.span.kind")):
        return kind
    if "gen_ai.tool.name" in attributes:
        return SpanKind.TOOL
    return SpanKind.LLM if span.input or span.output or "gen_ai.request.model" in attributes else None


def _json(value: Any) -> Any:
    """Return what JSON text holds.

    Tracers cut attributes that are too long, in the middle of the JSON: half a
    conversation would pass for one text of a user.
    """
    if not isinstance(value, str):
        return value
    found = parsed(value)
    if isinstance(found, str) and value.lstrip()[:2] in ("[{", '{"'):
        raise MalformedError(CUT_OFF)
    return found


def _event(span: TracedSpan, name: str, attributes: Attributes) -> None:
    role = _EVENT_ROLES.get(name)
    if role is None:
        if name == "gen_ai.content.prompt":
            span.input += messages(attributes.get("gen_ai.prompt"), "user")
        elif name == "gen_ai.content.completion":
            span.output += messages(attributes.get("gen_ai.completion"), "assistant")
        return
    body = parsed(attributes.get("gen_ai.event.content"))
    said: Mapping[str, Any] = body if isinstance(body, dict) else attributes
    inner = parsed(said.get("message"))
    said = inner if isinstance(inner, dict) else said
    message = {
        "role": role,
        **{key: parsed(said[key]) if key == "tool_calls" else said[key] for key in said if key in _SAID},
    }
    target = span.output if name == "gen_ai.choice" else span.input
    target += messages(message, role)


_SAID = {"role", "content", "tool_calls", "id"}


def _indexed(span: TracedSpan, attributes: Attributes) -> None:
    keys = [
        key
        for key in attributes
        if key.startswith(("gen_ai.prompt.", "gen_ai.completion.", "llm.request.functions."))
    ]
    found = nested((key, attributes.pop(key)) for key in keys)
    gen_ai = found.get("gen_ai", {})
    span.input = messages(gen_ai.get("prompt"), "user")
    span.output = messages(gen_ai.get("completion"), "assistant")
    if functions := found.get("llm", {}).get("request", {}).get("functions"):
        span.tools = definitions(functions)


def _tool(span: TracedSpan, attributes: Attributes) -> None:
    tool = attributes.get("gen_ai.tool.name") or attributes.get("traceloop.entity.name") or span.name
    arguments = attributes.pop("gen_ai.tool.call.arguments", None) or attributes.pop(
        "traceloop.entity.input", None
    )
    result = attributes.pop("gen_ai.tool.call.result", None) or attributes.pop(
        "traceloop.entity.output", None
    )
    if arguments is not None or result is not None:
        call_of_tool(span, str(tool), arguments, result, str(attributes.get("gen_ai.tool.call.id") or ""))


def _retrieval(span: TracedSpan, attributes: Attributes) -> None:
    query = attributes.pop("gen_ai.retrieval.query.text", None)
    span.input = messages(query, "user") or span.input
    span.documents = documents(parsed(attributes.pop("gen_ai.retrieval.documents", None)))
