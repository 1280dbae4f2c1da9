"""From a span's attributes to what it did, by the convention that they follow. Pure."""

from typing import Any

from gnomon.traffic.formats import genai, openinference
from gnomon.traffic.formats.genai import Attributes, Events
from gnomon.traffic.traced import TracedSpan, tags_of, text_of

_SESSIONS = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
)
_TAGS = ("tag.tags", "langfuse.trace.tags", "langfuse.tags", "langsmith.span.tags", "tags")


def read(span: TracedSpan, attributes: Attributes, events: Events = ()) -> TracedSpan:
    """Fill in the span from its attributes and events, and return it.

    Raises:
        MalformedError: what they hold is not what the convention says.
    """
    for key in _SESSIONS:
        if value := attributes.get(key):
            span.session_id = text_of(value) or ""
            break
    for key in _TAGS:
        if key in attributes:
            span.tags = tags_of(attributes.pop(key))
            break
    if openinference.KIND in attributes:
        openinference.read(span, attributes)
    else:
        genai.read(span, attributes, events)
    span.attributes = {key: text for key, value in attributes.items() if (text := _kept(value)) is not None}
    return span


def _kept(value: Any) -> str | None:
    return value if type(value) is str else text_of(value)
