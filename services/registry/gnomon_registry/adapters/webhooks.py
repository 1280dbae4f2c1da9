"""Webhooks and their deliveries, in the database of the catalog."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from gnomon.names import WebhookDeliveryName, WebhookName
from gnomon_registry.adapters import webhook_rows as rows
from gnomon_registry.adapters.catalog import SqlCatalog, SqlReader, SqlWriter
from gnomon_registry.adapters.schema import webhook_deliveries, webhooks
from gnomon_registry.domain.deliveries import Delivery, DeliveryState
from gnomon_registry.domain.webhooks import Webhook

_W, _D = webhooks.c, webhook_deliveries.c


class SqlWebhookReader(SqlReader):
    """Implements `WebhookReader` on an open transaction."""

    def webhook(self, name: WebhookName) -> Webhook | None:
        row = self._one(webhooks, _W.webhook == name.webhook)
        return row and rows.to_webhook(row)

    def webhooks(self, after: str, limit: int) -> list[Webhook]:
        query = select(webhooks).where(_W.webhook > after).order_by(_W.webhook).limit(limit)
        return [rows.to_webhook(row) for row in self._connection.execute(query)]

    def webhooks_behind(self, change_id: int) -> list[Webhook]:
        query = select(webhooks).where(_W.pause_cause.is_(None), _W.position < change_id).order_by(_W.webhook)
        return [rows.to_webhook(row) for row in self._connection.execute(query)]

    def delivery(self, name: WebhookDeliveryName) -> Delivery | None:
        row = self._one(webhook_deliveries, *_named(name))
        return row and rows.to_delivery(row)

    def deliveries_newest_first(
        self, webhook: str, before: int | None, limit: int, state: DeliveryState | None
    ) -> list[Delivery]:
        query = select(webhook_deliveries).where(_D.webhook == webhook).order_by(_D.id.desc()).limit(limit)
        if before is not None:
            query = query.where(_D.id < before)
        if state is not None:
            query = query.where(_D.state == state.value)
        return [rows.to_delivery(row) for row in self._connection.execute(query)]

    def webhooks_with_due(self, now: datetime) -> list[str]:
        query = (
            select(_D.webhook).distinct().join(webhooks).where(_W.pause_cause.is_(None), _D.due_time <= now)
        )
        return sorted(self._connection.execute(query).scalars())

    def due(self, webhook: str, now: datetime, limit: int) -> list[Delivery]:
        query = select(webhook_deliveries).where(_D.webhook == webhook, _D.due_time <= now)
        found = self._connection.execute(query.order_by(_D.due_time, _D.id).limit(limit))
        return [rows.to_delivery(row) for row in found]

    def next_due_time(self, now: datetime) -> datetime | None:
        query = (
            select(func.min(_D.due_time)).join(webhooks).where(_W.pause_cause.is_(None), _D.due_time > now)
        )
        time: datetime | None = self._connection.execute(query).scalar_one()
        return time


class SqlWebhookWriter(SqlWebhookReader, SqlWriter):
    """Implements `WebhookWriter`."""

    def put_webhook(self, webhook: Webhook) -> None:
        self._put(webhooks, rows.from_webhook(webhook))

    def remove_webhook(self, name: WebhookName) -> None:
        for column in (_D.webhook, _W.webhook):
            self._connection.execute(delete(column.table).where(column == name.webhook))

    def set_position(self, webhooks: Sequence[str], position: int) -> None:
        self._connection.execute(
            update(_W.webhook.table).where(_W.webhook.in_(webhooks)).values(position=position)
        )

    def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            self._connection.execute(insert(webhook_deliveries), list(map(rows.from_delivery, deliveries)))

    def put_delivery(self, delivery: Delivery) -> None:
        same = update(webhook_deliveries).where(*_named(delivery.name))
        self._connection.execute(same.values(rows.from_delivery(delivery)))

    def reschedule(self, webhook: str, now: datetime, give_up_time: datetime) -> None:
        waiting = update(webhook_deliveries).where(
            _D.webhook == webhook, _D.state == DeliveryState.WAITING.value
        )
        self._connection.execute(waiting.values(give_up_time=give_up_time, tries=0))
        self._connection.execute(waiting.where(_D.claim_time.is_(None)).values(due_time=now))

    def forget_ended(self, before: datetime, limit: int) -> int:
        old = select(_D.id).where(_D.end_time < before).order_by(_D.end_time).limit(limit)
        ids = list(self._connection.execute(old).scalars())
        self._connection.execute(delete(webhook_deliveries).where(_D.id.in_(ids)))
        return len(ids)


class SqlWebhooks:
    """Implements `WebhookStore`. Its writers take turns with those of the catalog."""

    def __init__(self, catalog: SqlCatalog) -> None:
        self._catalog = catalog

    @contextlib.contextmanager
    def reading(self) -> Iterator[SqlWebhookReader]:
        with self._catalog.reading() as reader:
            yield SqlWebhookReader(reader.connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[SqlWebhookWriter]:
        with self._catalog.writing() as writer:
            yield SqlWebhookWriter(writer.connection)


def _named(name: WebhookDeliveryName) -> tuple[ColumnElement[bool], ...]:
    return _D.webhook == name.webhook, _D.delivery == name.delivery
