"""From the log to deliveries and their senders, on the store in memory."""

import pytest

from gnomon.errors import WebhookUndeliveredError
from gnomon.names import WebhookName
from gnomon_registry.domain.deliveries import Attempt, DeliveryState, Schedule
from gnomon_registry.domain.entities import ChangeKind
from gnomon_registry.domain.webhook_outbox import Outbox
from gnomon_registry.domain.webhook_sending import Outcome
from gnomon_registry.domain.webhooks import PauseCause
from tests.registry.fake_webhooks import FakeWebhooks, Ticking, a_change, a_webhook, seconds

LEASE_S = 25.0


@pytest.fixture
def clock():
    return Ticking()


@pytest.fixture
def store():
    return FakeWebhooks()


@pytest.fixture
def outbox(store, clock):
    return outbox_of(store, clock)


def outbox_of(store, clock, prefix="msg"):
    ids = iter(range(10_000))
    return Outbox(
        store=store,
        clock=clock,
        draw=lambda low, high: 1.0,
        new_id=lambda: f"{prefix}-{next(ids)}",
        schedule=Schedule(5.0, 100.0, 1000.0),
        lease_s=LEASE_S,
        pause_after_s=500.0,
        history_s=3600.0,
    )


def write(store, *webhooks, changes=()):
    with store.writing() as writer:
        for webhook in webhooks:
            writer.put_webhook(webhook)
        for change in changes:
            writer.log(change)


def stored(store, webhook="hook"):
    with store.reading() as reader:
        return reader.deliveries_newest_first(webhook, None, 1000, None)[::-1]


def take_all(outbox):
    while outbox.take_changes():
        pass


def outcome(clock, error="", status=200, retry_after_s=0.0):
    problem = WebhookUndeliveredError(error) if error else None
    return Outcome(Attempt(clock.now, status, 0.1, error), problem, retry_after_s)


def test_each_change_is_taken_once_whoever_takes_it(store, clock, outbox):
    write(store, a_webhook(), a_webhook("other", position=2), changes=[a_change(n) for n in (1, 2, 3)])
    take_all(outbox)
    take_all(outbox_of(store, clock, "again"))
    assert [d.change_id for d in stored(store)] == [1, 2, 3]
    assert [d.change_id for d in stored(store, "other")] == [3]
    assert not outbox.take_changes()


def test_what_is_not_wanted_moves_the_position_alone(store, outbox):
    write(store, a_webhook(kinds=(ChangeKind.ALIAS_SET,)), changes=[a_change()])
    take_all(outbox)
    assert stored(store) == []
    with store.reading() as reader:
        assert reader.webhook(WebhookName("hook")).position == 1


def test_a_long_log_is_taken_in_small_transactions_and_in_order(store, outbox):
    webhooks = [a_webhook("hook"), a_webhook("late", position=120), a_webhook("other")]
    write(store, *webhooks, changes=[a_change(n) for n in range(1, 301)])
    assert outbox.take_changes()
    assert sum(len(stored(store, name)) for name in ("hook", "late", "other")) <= 100
    take_all(outbox)
    assert [d.change_id for d in stored(store)] == list(range(1, 301))
    assert [d.change_id for d in stored(store, "late")] == list(range(121, 301))


def test_a_delivery_goes_to_one_sender_until_its_time_is_over(store, clock, outbox):
    write(store, a_webhook(), changes=[a_change()])
    take_all(outbox)
    ((_, first),) = outbox.claim({"hook": 4})
    assert outbox_of(store, clock).claim({"hook": 4}) == []
    assert outbox.next_due_time() == clock.now + seconds(LEASE_S)
    clock.pass_by(LEASE_S)
    ((_, second),) = outbox_of(store, clock).claim({"hook": 4})
    assert second.name == first.name

    outbox.record([(first, outcome(clock, "The receiver answered 500.", 500))])  # too late: it is not its own
    assert stored(store)[0].claim_time == clock.now
    outbox.record([(second, outcome(clock))])
    assert stored(store)[0].state is DeliveryState.DELIVERED


def test_no_more_are_taken_than_there_is_room_for(store, outbox):
    write(store, a_webhook(), a_webhook("other"), changes=[a_change(n) for n in range(9)])
    take_all(outbox)
    taken = outbox.claim({"hook": 2, "other": 1})
    assert [delivery.name.webhook for _, delivery in taken] == ["hook", "hook", "other"]
    assert outbox.webhooks_with_due() == ["hook", "other"]


def test_what_a_receiver_asks_for_is_heeded_up_to_the_longest_wait(store, clock, outbox):
    write(store, a_webhook(), changes=[a_change(1), a_change(2)])
    take_all(outbox)
    asked = [outcome(clock, "No.", 503, retry_after_s) for retry_after_s in (60.0, 9e9)]
    taken = [delivery for _, delivery in outbox.claim({"hook": 2})]
    outbox.record(zip(taken, asked, strict=True))
    assert [d.due_time - clock.now for d in stored(store)] == [seconds(60), seconds(100)]


def test_a_pause_is_told_of_once_and_ends_what_is_sent(store, clock, outbox):
    write(store, a_webhook(), changes=[a_change(1), a_change(2)])
    take_all(outbox)
    taken = [delivery for _, delivery in outbox.claim({"hook": 2})]
    paused = outbox.record([(delivery, outcome(clock, "Gone.", 410)) for delivery in taken])
    assert [webhook.pause_cause for webhook in paused] == [PauseCause.GONE]
    clock.pass_by(10_000)
    assert outbox.webhooks_with_due() == []
    assert outbox.claim({"hook": 9}) == []


def test_what_came_of_a_deleted_webhook_is_dropped(store, clock, outbox):
    write(store, a_webhook(), changes=[a_change()])
    take_all(outbox)
    ((_, taken),) = outbox.claim({"hook": 1})
    with store.writing() as writer:
        writer.remove_webhook(WebhookName("hook"))
    assert outbox.record([(taken, outcome(clock))]) == []


def test_the_history_is_forgotten_after_its_time_and_what_waits_is_not(store, clock, outbox):
    write(store, a_webhook(), changes=[a_change(n) for n in range(250)])
    take_all(outbox)
    ended = [delivery for _, delivery in outbox.claim({"hook": 240})]
    outbox.record((delivery, outcome(clock)) for delivery in ended)
    clock.pass_by(3600)
    outbox.forget_old()
    assert len(stored(store)) == 250
    clock.pass_by(1)
    outbox.forget_old()
    assert {d.state for d in stored(store)} == {DeliveryState.WAITING}
    assert len(stored(store)) == 10
