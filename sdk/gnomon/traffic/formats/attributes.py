"""From a span's attributes to what it did, by the convention that they follow. Pure."""

from gnomon.traffic.formats import genai, openinference
from gnomon.traffic.formats.genai import Attributes, Events
from gnomon.traffic.traced import TracedSpan, tags_of, text_of

_SESSIONS = frozenset(
    (
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.session_id",
    )
)
_TAGS = frozenset(("tag.tags", "langfuse.trace.tags", "langfuse.tags", "langsmith.span.tags", "tags"))


def read(span: TracedSpan, attributes: Attributes, events: Events = ()) -> TracedSpan:
    """Fill in the span from its attributes and events, and return it.

    Raises:
        MalformedError: what they hold is not what the convention says.
    """
    if not _SESSIONS.isdisjoint(attributes):
        span.session_id = text_of(attributes[min(_SESSIONS.intersection(attributes))]) or ""
    if not _TAGS.isdisjoint(attributes):
        span.tags = tags_of(attributes.pop(min(_TAGS.intersection(attributes))))
    if openinference.KIND in attributes:
        openinference.read(span, attributes)
    else:
        genai.read(span, attributes, events)
    kept = span.attributes
    for key, value in attributes.items():
        text = value if type(value) is str else text_of(value)
        if text is not None and type(key) is str:
            kept[key] = text
    return span
