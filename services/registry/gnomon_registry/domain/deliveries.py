"""Deliveries: one change on its way to one webhook, attempt after attempt. Pure."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from gnomon.names import AliasName, MetricName, MetricVersionName, WebhookDeliveryName, WebhookName
from gnomon_registry.domain.entities import Change, ChangeKind
from gnomon_registry.domain.webhooks import PauseCause, Webhook

Draw = Callable[[float, float], float]
"""Returns a random number between two."""

TEST_TYPE = "webhook.test"
GONE = 410
_KEPT_ATTEMPTS = 30  # more than a schedule of three days has
_JITTER = 0.2  # receivers that failed together are not asked again together
_FACTOR = 3.0


class DeliveryState(StrEnum):
    """How far it is; the names are those of `gnomon.v1.WebhookDelivery.State`."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, or one that could not be made. `http_status` is 0 without an answer."""

    time: datetime
    http_status: int
    duration_s: float
    error: str  # empty if it was taken


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it is stored.

    Who sends it puts `due_time` to when its own right to do so ends: a process that dies leaves it due.
    `attempt_count` tells a sender whether the delivery was taken from it meanwhile; `claim_time` is set while
    an attempt is under way. `tries` counts from the last schedule on.
    """

    name: WebhookDeliveryName
    change_id: int
    kind: ChangeKind
    body: str
    create_time: datetime
    due_time: datetime | None
    give_up_time: datetime | None
    state: DeliveryState = DeliveryState.WAITING
    attempt_count: int = 0
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    claim_time: datetime | None = None
    end_time: datetime | None = None
    id: int = 0  # given by the store, increasing


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to try again, in seconds: threefold waits from the first to the longest, until it is given up."""

    first_s: float
    longest_s: float
    give_up_s: float

    def wait_s(self, tries: int, retry_after_s: float, draw: Draw) -> float:
        """Return the wait after a number of tries; what the receiver asks for counts up to the longest."""
        wait_s = self.longest_s
        if tries < 64:  # beyond, the power does not fit
            wait_s = min(self.first_s * _FACTOR ** (tries - 1), self.longest_s)
        return max(wait_s * draw(1 - _JITTER, 1 + _JITTER), min(retry_after_s, self.longest_s))


def new_delivery(
    webhook: WebhookName, delivery: str, change: Change, now: datetime, give_up_s: float
) -> Delivery:
    return Delivery(
        name=WebhookDeliveryName(webhook.webhook, delivery),
        change_id=change.id,
        kind=change.kind,
        body=body_of(change),
        create_time=now,
        due_time=now,
        give_up_time=now + timedelta(seconds=give_up_s),
    )


def body_of(change: Change) -> str:
    """Return the JSON that tells of a change: resource names alone, no text of a user."""
    data = {"metric": str(MetricName(change.metric))}
    if change.number is not None:
        data["version"] = str(MetricVersionName(change.metric, change.number))
    if change.alias is not None:
        data["alias"] = str(AliasName(change.metric, change.alias))
    if change.old_number is not None:
        data["old_version"] = str(MetricVersionName(change.metric, change.old_number))
    return _json(change.kind.value.replace("_", ".", 1), change.create_time, data)


def test_body(webhook: WebhookName, now: datetime) -> str:
    return _json(TEST_TYPE, now, {"webhook": str(webhook)})


def _json(kind: str, time: datetime, data: dict[str, str]) -> str:
    text = time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": kind, "timestamp": text, "data": data}, separators=(",", ":"))


def claimed(delivery: Delivery, now: datetime, lease_s: float) -> Delivery:
    """Return it as somebody takes it to send it; nobody else does before the lease is over."""
    if delivery.claim_time is not None:  # whoever had it did not come back
        words = "The registry ended during this attempt. Whether the receiver took it is not known."
        delivery = _with_attempt(delivery, Attempt(delivery.claim_time, 0, 0.0, words))
    return replace(
        delivery,
        attempt_count=delivery.attempt_count + 1,
        tries=delivery.tries + 1,
        claim_time=now,
        due_time=now + timedelta(seconds=lease_s),
    )


def after(
    delivery: Delivery,
    attempt: Attempt,
    now: datetime,
    *,
    schedule: Schedule,
    retry_after_s: float,
    draw: Draw,
) -> Delivery:
    """Return a claimed delivery after its attempt: delivered, waiting for the next one, or given up."""
    delivery = replace(_with_attempt(delivery, attempt), claim_time=None)
    if not attempt.error:
        return _ended(delivery, DeliveryState.DELIVERED, now)
    assert delivery.give_up_time is not None, "it waits"
    if attempt.http_status == GONE:  # the webhook is paused now; the end of the pause sets another schedule
        return replace(delivery, due_time=now)
    if now >= delivery.give_up_time:
        return _ended(delivery, DeliveryState.FAILED, now)
    wait = timedelta(seconds=schedule.wait_s(delivery.tries, retry_after_s, draw))
    return replace(delivery, due_time=min(now + wait, delivery.give_up_time))  # the last try is at the end


def again(delivery: Delivery, now: datetime, give_up_s: float) -> Delivery:
    """Return it with a new schedule, due now. One that is under way stays so."""
    if delivery.claim_time is not None and delivery.due_time is not None and now < delivery.due_time:
        return delivery
    return replace(
        delivery,
        state=DeliveryState.WAITING,
        tries=0,
        due_time=now,
        give_up_time=now + timedelta(seconds=give_up_s),
        end_time=None,
    )


def webhook_after(webhook: Webhook, attempt: Attempt, pause_after_s: float) -> Webhook:
    """Return what an attempt makes of its webhook: well, failing, or paused."""
    if not attempt.error:
        return replace(webhook, last_success_time=attempt.time, failing_since_time=None, last_error="")
    since = webhook.failing_since_time or attempt.time
    webhook = replace(webhook, failing_since_time=since, last_error=attempt.error)
    if webhook.pause_cause is not None:
        return webhook
    if attempt.http_status == GONE:
        return replace(webhook, pause_cause=PauseCause.GONE)
    if attempt.time - since >= timedelta(seconds=pause_after_s):
        return replace(webhook, pause_cause=PauseCause.FAILING)
    return webhook


def _with_attempt(delivery: Delivery, attempt: Attempt) -> Delivery:
    return replace(delivery, attempts=(*delivery.attempts, attempt)[-_KEPT_ATTEMPTS:])


def _ended(delivery: Delivery, state: DeliveryState, now: datetime) -> Delivery:
    return replace(delivery, state=state, due_time=None, give_up_time=None, end_time=now)
