"""What webhooks need of the world. Every port has a contract suite in `tests/registry`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gnomon.names import WebhookDeliveryName, WebhookName
from gnomon_registry.domain.deliveries import Delivery, DeliveryState
from gnomon_registry.domain.ports import CatalogReader, CatalogWriter
from gnomon_registry.domain.webhooks import Webhook


class WebhookReader(CatalogReader, Protocol):
    """Webhooks and the catalog as they were when the transaction began."""

    def webhook(self, name: WebhookName) -> Webhook | None: ...

    def webhooks(self, after: str, limit: int) -> list[Webhook]:
        """Return up to `limit` webhooks after an ID, by ID."""
        ...

    def webhooks_behind(self, change_id: int) -> list[Webhook]:
        """Return those that are not paused and whose position is before an entry of the log."""
        ...

    def delivery(self, name: WebhookDeliveryName) -> Delivery | None: ...

    def deliveries_newest_first(
        self, webhook: str, before: int | None, limit: int, state: DeliveryState | None
    ) -> list[Delivery]: ...

    def webhooks_with_due(self, now: datetime) -> list[str]:
        """Return the IDs of those that are not paused and have waiting deliveries due by now."""
        ...

    def due(self, webhook: str, now: datetime, limit: int) -> list[Delivery]:
        """Return waiting deliveries that are due, those that have waited longest first."""
        ...

    def next_due_time(self, now: datetime) -> datetime | None:
        """Return when the next one is due that is not yet, of webhooks that are not paused."""
        ...


class WebhookWriter(WebhookReader, CatalogWriter, Protocol):
    """The only writer at this time, of the catalog as well."""

    def put_webhook(self, webhook: Webhook) -> None: ...

    def remove_webhook(self, name: WebhookName) -> None:
        """Forget it and its deliveries."""
        ...

    def set_position(self, webhooks: Sequence[str], position: int) -> None: ...

    def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Store new ones, in this order; the store gives the IDs."""
        ...

    def put_delivery(self, delivery: Delivery) -> None:
        """Overwrite the one with the same name."""
        ...

    def reschedule(self, webhook: str, now: datetime, give_up_time: datetime) -> None:
        """Give all that wait a new schedule, due now but for those that are under way."""
        ...

    def forget_ended(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` deliveries that ended before a time; return how many."""
        ...


class WebhookStore(Protocol):
    """Transactions, as of `CatalogStore`; both have one writer together."""

    def reading(self) -> AbstractContextManager[WebhookReader]: ...

    def writing(self) -> AbstractContextManager[WebhookWriter]: ...


class Vault(Protocol):
    """Seals secrets. Every method raises MasterKeyMissingError where the operator gave no master key."""

    def seal(self, secret: str, bound_to: str) -> bytes: ...

    def open(self, sealed: bytes, bound_to: str) -> str:
        """Return the secret, or raise WebhookSecretMissingError."""
        ...

    def fingerprint(self, secret: str) -> str:
        """Return the same text for the same secret, from which nobody without the master key can guess it."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered. `retry_after_s` is 0 if it did not say, or took it."""

    status: int
    retry_after_s: float = 0.0


class NoReplyError(Exception):
    """There was none; the message is a sentence. `refused` tells that the address may not be called."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class Sender(Protocol):
    """Posts to addresses that users name."""

    def check(self, url: str) -> None:
        """Raise InvalidRequestError for a URL that would be refused whatever its name resolves to."""
        ...

    async def post(self, url: str, body: bytes, headers: dict[str, str], deadline_s: float) -> Reply:
        """Send a body once, following nothing; raise NoReplyError."""
        ...
