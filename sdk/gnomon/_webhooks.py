"""From the words of users to messages of webhooks. Pure; both clients use it."""

from collections.abc import Iterable
from typing import Any

from gnomon import shorthand
from gnomon._requests import refused
from gnomon.v1 import webhooks_pb2 as pb


def webhook_message(
    *, name: str = "", url: str = "", events: Iterable[str] = (), metrics: Iterable[str] = ()
) -> pb.Webhook:
    """Return a webhook; events are in the words of requests' bodies, such as `alias.set`."""
    return pb.Webhook(
        name=name,
        url=url,
        event_kinds=[_named(pb.Webhook.EventKind, event.replace(".", "_"), "events") for event in events],
        metrics=[shorthand.metric(metric) for metric in metrics],
    )


def event_word(kind: int) -> str:
    """Return `alias.set` for `ALIAS_SET`."""
    return str(pb.Webhook.EventKind.Name(kind)).lower().replace("_", ".")


def delivery_state(word: str) -> Any:
    return _named(pb.WebhookDelivery.State, word, "state") if word else None


def _named(enum: Any, word: str, field: str) -> Any:
    """Return the value that a user's word names, in either case."""
    values = {name: value for name, value in enum.items() if value}
    if word.upper() not in values:
        choices = ", ".join(values).lower()
        shown = choices.replace("_", ".") if enum is pb.Webhook.EventKind else choices
        raise refused(field, f"holds {word[:80]!r}; it must be of: {shown}")
    return values[word.upper()]
