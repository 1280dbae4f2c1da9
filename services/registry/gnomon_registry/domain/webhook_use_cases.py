"""Use cases of webhooks and their deliveries."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gnomon import webhooks as signing
from gnomon.errors import AlreadyExistsError, WebhookSecretMissingError
from gnomon.names import WebhookDeliveryName, WebhookName
from gnomon_registry.domain import webhooks as rules
from gnomon_registry.domain.deliveries import Delivery, DeliveryState, again, test_body
from gnomon_registry.domain.entities import ChangeKind
from gnomon_registry.domain.lookup import check_etag, not_found
from gnomon_registry.domain.ports import Clock, NewEtag
from gnomon_registry.domain.requests import RequestKey, answer_of, remember
from gnomon_registry.domain.rules import check_texts
from gnomon_registry.domain.webhook_ports import Sender, Vault, WebhookReader, WebhookStore, WebhookWriter
from gnomon_registry.domain.webhook_sending import Outcome, Sending
from gnomon_registry.domain.webhooks import PauseCause, Webhook, bound_to

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class WebhookDraft:
    """What a caller wants stored. `secret` is empty for one that is made here."""

    name: WebhookName
    display_name: str
    url: str
    kinds: tuple[ChangeKind, ...]
    metrics: tuple[str, ...]  # resource names
    paused: bool
    secret: str = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class WithSecret:
    """A webhook with its secret, as those who made the secret may see it; empty if it was replaced since."""

    webhook: Webhook
    secret: str = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class _Key:
    """A request's key, from whose digest no secret can be guessed."""

    request_id: str
    body: str


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Stores webhooks, gives them secrets, shows their history."""

    store: WebhookStore
    vault: Vault
    sender: Sender
    sending: Sending
    clock: Clock
    new_etag: NewEtag
    new_id: Callable[[], str]
    random_bytes: Callable[[int], bytes]
    give_up_s: float

    def create(self, draft: WebhookDraft, key: RequestKey | None) -> WithSecret:
        """Store a webhook, which is told of what happens from now on.

        Raises:
            InvalidRequestError: a field breaks a rule.
            AlreadyExistsError: the ID is taken.
            MasterKeyMissingError: there is nothing to seal the secret with.
        """
        check_texts("webhook", display_name=draft.display_name)
        secret = draft.secret and rules.check_secret(draft.secret, "webhook.secret")
        url, now = self._checked_url(draft.url), self.clock()
        key = self._without_trace(key, secret)
        secret = secret or self._new_secret()
        webhook = Webhook(
            name=draft.name,
            display_name=draft.display_name,
            url=url,
            kinds=rules.checked_kinds(draft.kinds),
            metrics=rules.checked_metrics(draft.metrics),
            sealed_secret=self.vault.seal(secret, bound_to(draft.name, url)),
            position=0,
            etag=self.new_etag(),
            create_time=now,
            update_time=now,
            pause_cause=PauseCause.USER if draft.paused else None,
        )
        with self.store.writing() as writer:
            if answer := answer_of(writer, key):
                return self._answered(writer, answer)
            if writer.webhook(draft.name):
                raise AlreadyExistsError(f"There is {draft.name} already.", resource=str(draft.name))
            webhook = dataclasses.replace(webhook, position=writer.last_change())
            writer.put_webhook(webhook)
            remember(writer, key, _with_number(webhook))
        return WithSecret(webhook, secret)

    def get(self, name: WebhookName) -> Webhook:
        with self.store.reading() as reader:
            return _the_webhook(reader, name)

    def page(self, after: str, limit: int) -> list[Webhook]:
        with self.store.reading() as reader:
            return reader.webhooks(after, limit)

    def update(self, name: WebhookName, values: Mapping[str, Any], etag: str) -> Webhook:
        """Write fields: `display_name`, `url`, `kinds`, `metrics` (resource names), `paused`.

        Raises:
            EtagMismatchError: `etag` is given, and someone wrote since.
            WebhookSecretMissingError: the pause shall end, and there is no secret.
        """
        plain = self._checked(values)
        with self.store.writing() as writer:
            old = _the_webhook(writer, name)
            check_etag(etag, old.etag, name)
            new = dataclasses.replace(old, **plain)
            new = new.with_url(values.get("url", old.url))
            if "paused" in values:
                new = new.paused() if values["paused"] else new.resumed()
            if new == old:
                return old
            return self._changed(writer, old, new)

    def rotate(
        self, name: WebhookName, secret: str, overlap: timedelta, key: RequestKey | None
    ) -> WithSecret:
        """Give a webhook another secret. The old one counts as well until the overlap is over."""
        secret = secret and rules.check_secret(secret, "secret")
        rules.checked_overlap(overlap)
        key = self._without_trace(key, secret)
        secret = secret or self._new_secret()
        with self.store.writing() as writer:
            if answer := answer_of(writer, key):
                return self._answered(writer, answer)
            old = _the_webhook(writer, name)
            sealed = self.vault.seal(secret, bound_to(name, old.url))
            # One that does not open must not stop what the new one signs.
            keep_for = overlap if self._opens(old) else timedelta(0)
            new = old.with_secret(sealed, self.clock(), keep_for)
            if new.pause_cause is PauseCause.SECRET_DROPPED:
                new = new.resumed()
            new = self._changed(writer, old, new)
            remember(writer, key, _with_number(new))
        return WithSecret(new, secret)

    def delete(self, name: WebhookName) -> None:
        with self.store.writing() as writer:
            _the_webhook(writer, name)
            writer.remove_webhook(name)

    async def test(self, webhook: Webhook) -> Outcome:
        """Send an event that means nothing, once."""
        return await self.sending.send(webhook, self.new_id(), test_body(webhook.name, self.clock()))

    def deliveries(
        self, name: WebhookName, before: int | None, limit: int, state: DeliveryState | None
    ) -> list[Delivery]:
        with self.store.reading() as reader:
            _the_webhook(reader, name)
            return reader.deliveries_newest_first(name.webhook, before, limit, state)

    def redeliver(self, name: WebhookDeliveryName) -> Delivery:
        """Have a delivery sent again, with the same message ID. One that is under way stays so."""
        with self.store.writing() as writer:
            if (delivery := writer.delivery(name)) is None:
                raise not_found(name, " What ended long ago is forgotten.")
            delivery = again(delivery, self.clock(), self.give_up_s)
            writer.put_delivery(delivery)
        return delivery

    def _checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return those fields that are written as they are; check all."""
        plain = {field: values[field] for field in ("display_name",) if field in values}
        check_texts("webhook", **plain)
        if "kinds" in values:
            plain["kinds"] = rules.checked_kinds(values["kinds"])
        if "metrics" in values:
            plain["metrics"] = rules.checked_metrics(values["metrics"])
        if "url" in values:
            self._checked_url(values["url"])
        return plain

    def _checked_url(self, url: str) -> str:
        self.sender.check(rules.check_length(url))
        return url

    def _changed(self, writer: WebhookWriter, old: Webhook, new: Webhook) -> Webhook:
        now = self.clock()
        new = dataclasses.replace(new, etag=self.new_etag(), update_time=now)
        writer.put_webhook(new)
        if old.pause_cause is not None and new.pause_cause is None:
            writer.reschedule(new.name.webhook, now, now + timedelta(seconds=self.give_up_s))
        return new

    def _opens(self, webhook: Webhook) -> bool:
        try:
            self.vault.open(webhook.sealed_secret, bound_to(webhook.name, webhook.url))
        except WebhookSecretMissingError:
            return False
        return True

    def _new_secret(self) -> str:
        return signing.secret_of(self.random_bytes(_SECRET_BYTES))

    def _without_trace(self, key: RequestKey | None, secret: str) -> RequestKey | None:
        """Return the key with a digest that only the master key's holder can compare with that of a guess."""
        if key is None or not secret:
            return key
        text = f"{key.body} {self.vault.fingerprint(secret)}"
        return _Key(key.request_id, hashlib.sha256(text.encode()).hexdigest())

    def _answered(self, reader: WebhookReader, answer: str) -> WithSecret:
        """Return what the same request was answered: the secret as well, unless it was replaced since."""
        name, _, number = answer.partition(" ")
        webhook = _the_webhook(reader, WebhookName.parse(name))
        if not webhook.sealed_secret or str(webhook.secret_number) != number:
            return WithSecret(webhook, "")
        return WithSecret(
            webhook, self.vault.open(webhook.sealed_secret, bound_to(webhook.name, webhook.url))
        )


def _with_number(webhook: Webhook) -> str:
    return f"{webhook.name} {webhook.secret_number}"


def _the_webhook(reader: WebhookReader, name: WebhookName) -> Webhook:
    if (webhook := reader.webhook(name)) is None:
        raise not_found(name)
    return webhook
