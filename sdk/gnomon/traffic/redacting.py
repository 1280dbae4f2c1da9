"""Replaces in a span what the redactor finds, before anything of it is stored. Pure."""

from gnomon.traffic.redaction import Redactor
from gnomon.traffic.traced import TracedSpan

_NAMELESS = "?"  # what must have a name and had one of NUL characters


def redact(span: TracedSpan, redactor: Redactor) -> None:
    """Replace what the redactor finds in everything that is kept but the IDs of traces, spans and calls."""
    text, clean = redactor.text, redactor.clean
    for message in (*span.input, *span.output):
        if message["role"] not in clean:
            message["role"] = text(message["role"]) or _NAMELESS
        if message["content"] not in clean:
            message["content"] = text(message["content"])
        for call in message.get("tool_calls", ()):
            called = call["function"]
            called["name"] = text(called["name"]) or _NAMELESS
            called["arguments"] = text(called["arguments"])
    for held in (*span.documents, *span.tools):
        for key, value in held.items():
            held[key] = text(value)
    for tool in span.tools:
        tool["name"] = tool["name"] or _NAMELESS
    span.attributes = redactor.attributes(span.attributes)
    span.name = text(span.name)
    if span.tags:
        span.tags = tuple(map(text, span.tags))
    if span.session_id not in clean:
        span.session_id = redactor.identity(span.session_id)
