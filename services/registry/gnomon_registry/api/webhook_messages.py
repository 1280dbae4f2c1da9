"""From webhooks and deliveries to messages."""

from google.protobuf import duration_pb2

from gnomon.names import MetricName
from gnomon.v1 import webhooks_pb2 as pb
from gnomon_registry.api.messages import timestamp
from gnomon_registry.domain.deliveries import Attempt, Delivery
from gnomon_registry.domain.webhooks import Webhook


def webhook(entity: Webhook, secret: str = "") -> pb.Webhook:
    """Return the webhook. Its secret is in the message only where the caller gives it, opened."""
    return pb.Webhook(
        name=str(entity.name),
        display_name=entity.display_name,
        url=entity.url,
        event_kinds=[kind.name for kind in entity.kinds],
        metrics=[str(MetricName(metric)) for metric in entity.metrics],
        secret=secret,
        old_secret_expire_time=timestamp(entity.old_secret_expire_time),
        paused=entity.pause_cause is not None,
        pause_cause=entity.pause_cause.name if entity.pause_cause else None,
        last_success_time=timestamp(entity.last_success_time),
        failing_since_time=timestamp(entity.failing_since_time),
        last_error=entity.last_error,
        etag=entity.etag,
        create_time=timestamp(entity.create_time),
        update_time=timestamp(entity.update_time),
    )


def delivery(entity: Delivery) -> pb.WebhookDelivery:
    return pb.WebhookDelivery(
        name=str(entity.name),
        event_kind=entity.kind.name,
        state=entity.state.name,
        body=entity.body,
        attempt_count=entity.attempt_count,
        attempts=map(attempt, entity.attempts),
        next_attempt_time=timestamp(entity.due_time),
        give_up_time=timestamp(entity.give_up_time),
        create_time=timestamp(entity.create_time),
        end_time=timestamp(entity.end_time),
    )


def attempt(entity: Attempt) -> pb.WebhookDelivery.Attempt:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(entity.duration_s * 1e9))
    return pb.WebhookDelivery.Attempt(
        time=timestamp(entity.time), http_status=entity.http_status, duration=duration, error=entity.error
    )
