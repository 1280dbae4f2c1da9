"""What becomes of deliveries and webhooks, attempt by attempt. Pure."""

import dataclasses
import json
from collections import Counter, deque
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gnomon.errors import WebhookSecretMissingError
from gnomon_registry.domain.deliveries import (
    Attempt,
    DeliveryState,
    Schedule,
    after,
    again,
    body_of,
    claimed,
    webhook_after,
)
from gnomon_registry.domain.entities import ChangeKind
from gnomon_registry.domain.webhook_places import Places
from gnomon_registry.domain.webhooks import PauseCause
from tests.registry.fake_webhooks import NOW, a_change, a_delivery, a_webhook, seconds

SCHEDULE = Schedule(first_s=5, longest_s=12 * 3600, give_up_s=3 * 86400)
WELL = Attempt(NOW, 204, 0.1, "")
MANY = [*"abcdefghijklmnopqrstuvwxyz"]
FAILED = Attempt(NOW, 500, 0.1, "The receiver answered 500.")


def middle(low, high):
    return (low + high) / 2


def tried(delivery, attempt=FAILED, now=NOW, retry_after_s=0.0, draw=middle):
    return after(delivery, attempt, now, schedule=SCHEDULE, retry_after_s=retry_after_s, draw=draw)


def test_waits_triple_from_five_seconds_to_half_a_day_and_end_after_three():
    delivery, now, waits = a_delivery(give_up_time=NOW + timedelta(days=3)), NOW, []
    while True:
        delivery = tried(claimed(delivery, now, 10.0), now=now)
        if delivery.state is DeliveryState.FAILED:
            break
        waits.append((delivery.due_time - now).total_seconds())
        now = delivery.due_time
    assert waits[:9] == [5, 15, 45, 135, 405, 1215, 3645, 10935, 32805]
    assert set(waits[9:-1]) == {43200}
    assert now == NOW + timedelta(days=3)  # the last attempt is at the very end
    assert delivery.end_time == now
    assert delivery.attempt_count == len(waits) + 1 == 15


@given(st.integers(1, 10_000), st.floats(0, 1e9), st.floats(0, 1))
def test_a_wait_is_never_longer_than_the_longest_and_its_jitter(tries, retry_after_s, chance):
    wait_s = SCHEDULE.wait_s(tries, retry_after_s, lambda low, high: low + chance * (high - low))
    assert 4.0 <= wait_s <= 43200 * 1.2
    assert wait_s >= min(retry_after_s, 43200)


def test_receivers_that_failed_together_are_not_asked_together():
    draws = [lambda low, _: low, lambda _, high: high]
    due = [tried(claimed(a_delivery(), NOW, 10.0), draw=draw).due_time for draw in draws]
    assert due == [NOW + seconds(4), NOW + seconds(6)]


def test_a_claim_makes_it_due_again_for_the_time_that_its_sender_has():
    delivery = claimed(a_delivery(), NOW, 25.0)
    assert (delivery.due_time, delivery.claim_time) == (NOW + seconds(25), NOW)
    assert (delivery.attempt_count, delivery.tries) == (1, 1)


def test_an_attempt_whose_sender_did_not_come_back_stands_in_the_history():
    delivery = claimed(claimed(a_delivery(), NOW, 25.0), NOW + seconds(25), 25.0)
    (lost,) = delivery.attempts
    assert (lost.time, lost.http_status) == (NOW, 0)
    assert "not known" in lost.error
    assert delivery.attempt_count == 2


def test_what_was_taken_ends():
    delivery = tried(claimed(a_delivery(), NOW, 25.0), WELL)
    assert (delivery.state, delivery.due_time, delivery.give_up_time) == (DeliveryState.DELIVERED, None, None)
    assert (delivery.attempts, delivery.end_time, delivery.claim_time) == ((WELL,), NOW, None)


def test_gone_leaves_the_delivery_for_the_end_of_the_pause():
    gone = Attempt(NOW, 410, 0.1, "The receiver answered 410 Gone: it wants nothing more.")
    delivery = tried(claimed(a_delivery(give_up_time=NOW), NOW, 25.0), gone)
    assert (delivery.state, delivery.due_time) == (DeliveryState.WAITING, NOW)
    assert webhook_after(a_webhook(), gone, 1e9).pause_cause is PauseCause.GONE
    assert webhook_after(a_webhook(pause_cause=PauseCause.USER), gone, 1e9).pause_cause is PauseCause.USER


def test_the_history_of_one_delivery_is_bounded():
    delivery = a_delivery(give_up_time=NOW + timedelta(days=99))
    for _ in range(50):
        delivery = tried(claimed(delivery, NOW, 25.0))
    assert (len(delivery.attempts), delivery.attempt_count) == (30, 50)


def test_again_begins_a_new_schedule_but_takes_nothing_from_a_sender():
    ended = tried(claimed(a_delivery(), NOW, 25.0), WELL)
    later = NOW + seconds(100)
    fresh = again(ended, later, 60.0)
    assert (fresh.state, fresh.due_time, fresh.tries) == (DeliveryState.WAITING, later, 0)
    assert (fresh.give_up_time, fresh.end_time) == (later + seconds(60), None)
    assert (fresh.attempt_count, fresh.attempts) == (1, (WELL,))
    under_way = claimed(fresh, later, 25.0)
    assert again(under_way, later + seconds(24), 60.0) is under_way
    assert again(under_way, later + seconds(25), 60.0).due_time == later + seconds(25)


def test_a_webhook_that_fails_is_paused_once_it_has_failed_for_long():
    webhook = webhook_after(a_webhook(), FAILED, 60.0)
    assert (webhook.failing_since_time, webhook.last_error) == (NOW, FAILED.error)
    late = dataclasses.replace(FAILED, time=NOW + seconds(59))
    assert webhook_after(webhook, late, 60.0).pause_cause is None
    later = dataclasses.replace(FAILED, time=NOW + seconds(60))
    assert webhook_after(webhook, later, 60.0).pause_cause is PauseCause.FAILING
    mended = webhook_after(webhook, WELL, 60.0)
    assert (mended.failing_since_time, mended.last_error, mended.last_success_time) == (None, "", NOW)


@pytest.mark.parametrize(
    ("kinds", "metrics", "wanted"),
    [
        ((), (), True),
        ((ChangeKind.VERSION_CREATED,), ("tox",), True),
        ((ChangeKind.ALIAS_SET,), (), False),
        ((), ("tone",), False),
    ],
)
def test_a_webhook_wants_its_kinds_of_its_metrics(kinds, metrics, wanted):
    assert a_webhook(kinds=kinds, metrics=metrics).wants(a_change()) is wanted


def test_a_body_is_json_that_never_changes():
    change = a_change(2, kind=ChangeKind.ALIAS_SET, alias="production", old_number=1)
    assert body_of(change) == body_of(change)
    assert json.loads(body_of(change)) == {
        "type": "alias.set",
        "timestamp": "2026-11-22T10:00:00.123Z",
        "data": {
            "metric": "metrics/tox",
            "version": "metrics/tox/versions/2",
            "alias": "metrics/tox/aliases/production",
            "old_version": "metrics/tox/versions/1",
        },
    }


def test_an_old_secret_signs_until_its_time_is_over_and_goes_with_the_url():
    webhook = a_webhook().with_secret(b"new", NOW, seconds(60))
    old = a_webhook().sealed_secret
    assert webhook.sealed_secrets(NOW + seconds(59))[0] == b"new"
    assert len(webhook.sealed_secrets(NOW + seconds(59))) == 2
    assert webhook.sealed_secrets(NOW + seconds(60)) == [b"new"]
    third = webhook.with_secret(b"third", NOW, seconds(60))
    assert third.sealed_secrets(NOW) == [b"third", b"new"]
    moved = third.with_url("https://other.example/")
    assert old not in (moved.sealed_secret, moved.sealed_old_secret)
    for call in (lambda: moved.sealed_secrets(NOW), moved.resumed):
        with pytest.raises(WebhookSecretMissingError):
            call()


def test_places_are_given_in_turns_and_four_to_one_at_most():
    places = Places(8)
    assert places.rooms(["a"]) == {"a": 4}
    assert places.rooms(["a", "b", "c"]) == {"a": 3, "b": 3, "c": 2}
    for _ in range(4):
        places.take("a")
    assert places.rooms(["a", "b"]) == {"b": 4}
    assert places.rooms([]) == {}


def test_those_in_trouble_have_one_place_each_and_half_of_all():
    places = Places(8)
    slow = [f"slow-{number}" for number in range(20)]
    for name in slow:
        places.take(name)
        places.give_back(name, well=False)
    rooms = places.rooms([*slow, "well"])
    assert rooms.pop("well") == 4
    assert list(rooms.values()) == [1] * 4
    for name in rooms:
        places.take(name)
    assert places.rooms([*slow, "well"]) == {"well": 4}
    assert places.taken == 4


def test_one_success_ends_the_trouble():
    places = Places(8)
    for well, room in [(False, 1), (True, 4)]:
        places.take("a")
        places.give_back("a", well=well)
        assert places.rooms(["a"]) == {"a": room}


@given(st.sets(st.sampled_from(MANY), min_size=1), st.sets(st.sampled_from(MANY)), st.integers(1, 9))
@example(receivers=set(MANY), dead=set(MANY), count=8)
@example(receivers=set("abcdefghz"), dead={"z"}, count=8)
def test_each_receiver_has_its_turn_however_many_are_dead_or_busy(receivers, dead, count):
    places, under_way, began = Places(count), deque(), Counter()
    for _ in range(2 * (4 * len(receivers) + count)):  # all have work; of what is under way the oldest ends
        for webhook, room in places.rooms(sorted(receivers)).items():
            for _ in range(room):
                places.take(webhook)
                began[webhook] += 1
                under_way.append(webhook)
        ended = under_way.popleft()
        places.give_back(ended, well=ended not in dead)
    assert min(began[webhook] for webhook in receivers) >= 2


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=40), st.integers(2, 9))
def test_there_are_never_more_requests_than_places(steps, count):
    places, under_way = Places(count), []
    for name, well in steps:
        for webhook, room in places.rooms("abcdef").items():
            under_way += [webhook] * room
            for _ in range(room):
                places.take(webhook)
        assert places.taken == len(under_way) <= count
        if name in under_way:
            under_way.remove(name)
            places.give_back(name, well=well)
