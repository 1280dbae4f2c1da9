"""The ports of webhooks in memory, and things for their tests."""

import contextlib
import copy
import dataclasses
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gnomon.errors import InvalidRequestError
from gnomon.names import WebhookDeliveryName, WebhookName
from gnomon_outbound.vault import AesVault
from gnomon_registry.domain.deliveries import Delivery, DeliveryState
from gnomon_registry.domain.entities import Change, ChangeKind
from gnomon_registry.domain.webhook_ports import NoReplyError, Reply
from gnomon_registry.domain.webhooks import Webhook, bound_to, no_secret
from tests.registry.fakes import FakeTransaction, State, _page

NOW = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)
URL = "https://receiver.example/hook"
SECRET = "whsec_" + "C2FI5Lxp" * 4
VAULT = AesVault(b"k" * 32, service="registry", unreadable=no_secret)


def seconds(count):
    return timedelta(seconds=count)


def a_webhook(name="hook", **changes):
    named = WebhookName(name)
    sealed = VAULT.seal(SECRET, bound_to(named, changes.get("url", URL)))
    given = {"kinds": (), "metrics": (), "sealed_secret": sealed, "position": 0, "etag": "e", "url": URL}
    return Webhook(name=named, display_name="", create_time=NOW, update_time=NOW, **(given | changes))


def a_delivery(delivery="msg-1", webhook="hook", **changes):
    given = {"due_time": NOW, "give_up_time": NOW + seconds(1000), "change_id": 7, "create_time": NOW}
    name = WebhookDeliveryName(webhook, delivery)
    return Delivery(name=name, kind=ChangeKind.ALIAS_SET, body="{}", **(given | changes))


def a_change(number=1, metric="tox", kind=ChangeKind.VERSION_CREATED, **changes):
    return Change(kind, metric, number, changes.pop("create_time", NOW), **changes)


class Ticking:
    """A clock that a test moves."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def pass_by(self, count):
        self.now += seconds(count)


@dataclass
class WebhookState(State):
    webhooks: dict = field(default_factory=dict)
    deliveries: dict = field(default_factory=dict)


class FakeWebhooks:
    def __init__(self):
        self._state = WebhookState()
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def reading(self):
        yield FakeWebhookTransaction(self._state)

    @contextlib.contextmanager
    def writing(self):
        with self._turn:
            fields = dataclasses.fields(WebhookState)
            state = WebhookState(**{f.name: copy.copy(getattr(self._state, f.name)) for f in fields})
            yield FakeWebhookTransaction(state)
            self._state = state


class FakeWebhookTransaction(FakeTransaction):
    def webhook(self, name):
        return self._state.webhooks.get(name.webhook)

    def webhooks(self, after, limit):
        return _page(self._state.webhooks, after, limit)

    def webhooks_behind(self, change_id):
        every = _page(self._state.webhooks, "", None)
        return [w for w in every if w.pause_cause is None and w.position < change_id]

    def put_webhook(self, webhook):
        self._state.webhooks[webhook.name.webhook] = webhook

    def remove_webhook(self, name):
        del self._state.webhooks[name.webhook]
        for delivery in self._of(name.webhook):
            del self._state.deliveries[delivery.name]

    def delivery(self, name):
        return self._state.deliveries.get(name)

    def deliveries_newest_first(self, webhook, before, limit, state):
        found = sorted(self._of(webhook), key=lambda delivery: -delivery.id)
        found = [d for d in found if before is None or d.id < before]
        return [d for d in found if state in (None, d.state)][:limit]

    def _of(self, webhook):
        return [d for d in self._state.deliveries.values() if d.name.webhook == webhook]

    def _live(self):
        every = self._state.deliveries.values()
        return [d for d in every if d.due_time and not self._state.webhooks[d.name.webhook].pause_cause]

    def webhooks_with_due(self, now):
        return sorted({d.name.webhook for d in self._live() if d.due_time <= now})

    def due(self, webhook, now, limit):
        found = [d for d in self._of(webhook) if d.due_time and d.due_time <= now]
        return sorted(found, key=lambda d: (d.due_time, d.id))[:limit]

    def next_due_time(self, now):
        return min((d.due_time for d in self._live() if d.due_time > now), default=None)

    def set_position(self, webhooks, position):
        for name in webhooks:
            self.put_webhook(dataclasses.replace(self._state.webhooks[name], position=position))

    def add_deliveries(self, deliveries):
        for delivery in deliveries:
            number = max((d.id for d in self._state.deliveries.values()), default=0) + 1
            self._state.deliveries[delivery.name] = dataclasses.replace(delivery, id=number)

    def put_delivery(self, delivery):
        number = self._state.deliveries[delivery.name].id
        self._state.deliveries[delivery.name] = dataclasses.replace(delivery, id=number)

    def reschedule(self, webhook, now, give_up_time):
        for d in self._of(webhook):
            if d.state is DeliveryState.WAITING:
                due = now if d.claim_time is None else d.due_time
                self.put_delivery(dataclasses.replace(d, tries=0, give_up_time=give_up_time, due_time=due))

    def forget_ended(self, before, limit):
        ended = [d for d in self._state.deliveries.values() if d.end_time and d.end_time < before]
        for delivery in sorted(ended, key=lambda d: d.end_time)[:limit]:
            del self._state.deliveries[delivery.name]
        return min(len(ended), limit)


class FakeSender:
    """Answers as it is told: a status, a Reply, or an exception; keeps what it was sent."""

    def __init__(self, *replies, then=200):
        self.replies = list(replies)
        self.then = then
        self.sent = []

    def check(self, url):
        if not url.startswith("https://"):
            raise InvalidRequestError("webhook.url is refused.")

    async def post(self, url, body, headers, deadline_s):
        self.sent.append((url, body, headers))
        reply = self.replies.pop(0) if self.replies else self.then
        if isinstance(reply, NoReplyError):
            raise reply
        return reply if isinstance(reply, Reply) else Reply(reply)
