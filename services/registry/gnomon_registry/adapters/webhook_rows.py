"""Between the rows of webhooks and deliveries and the domain's entities."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from gnomon.names import WebhookDeliveryName, WebhookName
from gnomon_registry.adapters.rows import Values
from gnomon_registry.domain.deliveries import Attempt, Delivery, DeliveryState
from gnomon_registry.domain.entities import ChangeKind
from gnomon_registry.domain.webhooks import PauseCause, Webhook


def from_webhook(webhook: Webhook) -> Values:
    return {
        "webhook": webhook.name.webhook,
        "display_name": webhook.display_name,
        "url": webhook.url,
        "kinds": [kind.value for kind in webhook.kinds],
        "metrics": list(webhook.metrics),
        "position": webhook.position,
        "sealed_secret": webhook.sealed_secret,
        "secret_number": webhook.secret_number,
        "sealed_old_secret": webhook.sealed_old_secret,
        "old_secret_expire_time": webhook.old_secret_expire_time,
        "pause_cause": webhook.pause_cause and webhook.pause_cause.value,
        "last_success_time": webhook.last_success_time,
        "failing_since_time": webhook.failing_since_time,
        "last_error": webhook.last_error,
        "etag": webhook.etag,
        "create_time": webhook.create_time,
        "update_time": webhook.update_time,
    }


def to_webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        name=WebhookName(row.webhook),
        display_name=row.display_name,
        url=row.url,
        kinds=tuple(map(ChangeKind, row.kinds)),
        metrics=tuple(row.metrics),
        sealed_secret=row.sealed_secret,
        position=row.position,
        etag=row.etag,
        create_time=row.create_time,
        update_time=row.update_time,
        secret_number=row.secret_number,
        sealed_old_secret=row.sealed_old_secret,
        old_secret_expire_time=row.old_secret_expire_time,
        pause_cause=row.pause_cause and PauseCause(row.pause_cause),
        last_success_time=row.last_success_time,
        failing_since_time=row.failing_since_time,
        last_error=row.last_error,
    )


def from_delivery(delivery: Delivery) -> Values:
    return {
        "webhook": delivery.name.webhook,
        "delivery": delivery.name.delivery,
        "change_id": delivery.change_id,
        "kind": delivery.kind.value,
        "body": delivery.body,
        "state": delivery.state.value,
        "attempt_count": delivery.attempt_count,
        "tries": delivery.tries,
        "attempts": [
            [a.time.astimezone(UTC).isoformat(), a.http_status, a.duration_s, a.error]
            for a in delivery.attempts
        ],
        "due_time": delivery.due_time,
        "give_up_time": delivery.give_up_time,
        "claim_time": delivery.claim_time,
        "create_time": delivery.create_time,
        "end_time": delivery.end_time,
    }


def to_delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        name=WebhookDeliveryName(row.webhook, row.delivery),
        change_id=row.change_id,
        kind=ChangeKind(row.kind),
        body=row.body,
        create_time=row.create_time,
        due_time=row.due_time,
        give_up_time=row.give_up_time,
        state=DeliveryState(row.state),
        attempt_count=row.attempt_count,
        tries=row.tries,
        attempts=tuple(
            Attempt(datetime.fromisoformat(time), status, duration_s, error)
            for time, status, duration_s, error in row.attempts
        ),
        claim_time=row.claim_time,
        end_time=row.end_time,
        id=row.id,
    )
