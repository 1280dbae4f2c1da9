"""What every `WebhookStore` promises: the one in memory and the real one."""

import dataclasses
import threading
from datetime import timedelta

import pytest

from gnomon.names import WebhookDeliveryName, WebhookName
from gnomon_registry.adapters.webhooks import SqlWebhooks
from gnomon_registry.domain.deliveries import Attempt, DeliveryState
from gnomon_registry.domain.entities import Answered, ChangeKind
from gnomon_registry.domain.webhooks import PauseCause
from tests.databases import ENGINES, registry_database
from tests.registry.fake_webhooks import NOW, FakeWebhooks, a_change, a_delivery, a_webhook, seconds


@pytest.fixture(params=["fake", *ENGINES])
def store(request, tmp_path):
    if request.param == "fake":
        yield FakeWebhooks()
        return
    database = registry_database(request.param, request, tmp_path)
    yield SqlWebhooks(database)
    database.close()


def put(store, *entities):
    with store.writing() as writer:
        for entity in entities:
            if not hasattr(entity, "body"):
                writer.put_webhook(entity)
            elif writer.delivery(entity.name):
                writer.put_delivery(entity)
            else:
                writer.add_deliveries([entity])


def without_ids(deliveries):
    return [dataclasses.replace(delivery, id=0) for delivery in deliveries]


def names(deliveries):
    return [delivery.name.delivery for delivery in deliveries]


def test_what_was_written_is_read_as_it_was(store):
    webhook = a_webhook(
        kinds=(ChangeKind.ALIAS_SET, ChangeKind.VERSION_RESTORED),
        metrics=("tox",),
        sealed_old_secret=b"old",
        old_secret_expire_time=NOW + seconds(5),
        pause_cause=PauseCause.GONE,
        last_success_time=NOW,
        failing_since_time=NOW - seconds(1),
        last_error="The receiver answered 500.",
        secret_number=3,
    )
    attempts = (Attempt(NOW, 0, 0.25, "No."), Attempt(NOW + seconds(1), 204, 0.5, ""))
    delivery = a_delivery(attempts=attempts, attempt_count=2, tries=1, claim_time=NOW)
    ended = a_delivery("msg-2", due_time=None, give_up_time=None, end_time=NOW, state=DeliveryState.DELIVERED)
    put(store, webhook, delivery, ended)
    with store.reading() as reader:
        assert reader.webhook(WebhookName("hook")) == webhook
        assert without_ids([reader.delivery(delivery.name), reader.delivery(ended.name)]) == [delivery, ended]
        assert reader.webhook(WebhookName("other")) is None
        assert reader.delivery(WebhookDeliveryName("other", "msg-1")) is None


def test_webhooks_are_listed_by_id_after_an_id(store):
    put(store, *(a_webhook(name) for name in ("b", "a-b", "a", "c")))
    with store.reading() as reader:
        assert [w.name.webhook for w in reader.webhooks("", 3)] == ["a", "a-b", "b"]
        assert [w.name.webhook for w in reader.webhooks("a-b", 5)] == ["b", "c"]


def test_those_behind_the_log_are_the_ones_to_make_deliveries_for(store):
    paused = a_webhook("paused", pause_cause=PauseCause.USER)
    put(store, a_webhook("first", position=3), a_webhook("second", position=4), paused)
    with store.reading() as reader:
        assert [w.name.webhook for w in reader.webhooks_behind(4)] == ["first"]


def test_a_position_is_moved_for_several_at_once(store):
    put(store, a_webhook("first"), a_webhook("second", position=2), a_webhook("third"))
    with store.writing() as writer:
        writer.set_position(["first", "second"], 9)
    with store.reading() as reader:
        assert [w.position for w in reader.webhooks("", 9)] == [9, 9, 0]


def test_new_deliveries_keep_their_order(store):
    put(store, a_webhook())
    with store.writing() as writer:
        writer.add_deliveries([])
        writer.add_deliveries([a_delivery("msg-b"), a_delivery("msg-a")])
        assert names(writer.deliveries_newest_first("hook", None, 9, None)) == ["msg-a", "msg-b"]


def test_webhooks_read_the_log_and_remember_requests_in_one_transaction(store):
    def half(writer):
        writer.log(a_change())
        writer.put_webhook(a_webhook())
        writer.remember(Answered("r", "b", "webhooks/hook 1"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), store.writing() as writer:
        half(writer)
    with store.writing() as writer:
        assert (writer.webhooks("", 9), writer.last_change(), writer.answered("r")) == ([], 0, None)
        writer.log(a_change())
        assert [change.number for change in writer.changes(0, 9)] == [1]


def test_deliveries_come_newest_first_from_before_an_id_on_and_in_one_state(store):
    put(store, a_webhook(), a_webhook("other"), a_delivery("msg-9", "other"))
    put(store, *(a_delivery(f"msg-{number}") for number in (1, 2, 3)))
    put(store, a_delivery("msg-2", state=DeliveryState.FAILED, due_time=None))
    with store.reading() as reader:
        found = reader.deliveries_newest_first("hook", None, 9, None)
        assert names(found) == ["msg-3", "msg-2", "msg-1"]  # writing again keeps the place
        assert names(reader.deliveries_newest_first("hook", found[0].id, 1, None)) == ["msg-2"]
        assert names(reader.deliveries_newest_first("hook", None, 9, DeliveryState.WAITING)) == [
            "msg-3",
            "msg-1",
        ]


def test_what_is_due_is_found_by_webhook_and_the_longest_wait_comes_first(store):
    put(store, a_webhook(), a_webhook("other"), a_webhook("idle"))
    put(
        store,
        a_delivery("msg-1", due_time=NOW + seconds(2)),
        a_delivery("msg-2", due_time=NOW),
        a_delivery("msg-3", due_time=NOW + seconds(2)),
        a_delivery("msg-4", "other", due_time=NOW + seconds(3)),
        a_delivery("msg-5", "idle", due_time=None, state=DeliveryState.DELIVERED),
    )
    with store.reading() as reader:
        assert reader.webhooks_with_due(NOW - timedelta(microseconds=1)) == []
        assert reader.webhooks_with_due(NOW) == ["hook"]
        assert reader.webhooks_with_due(NOW + seconds(3)) == ["hook", "other"]
        assert names(reader.due("hook", NOW + seconds(2), 9)) == ["msg-2", "msg-1", "msg-3"]
        assert names(reader.due("hook", NOW + seconds(2), 2)) == ["msg-2", "msg-1"]
        assert reader.next_due_time(NOW) == NOW + seconds(2)
        assert reader.next_due_time(NOW + seconds(2)) == NOW + seconds(3)
        assert reader.next_due_time(NOW + seconds(3)) is None


def test_nothing_of_a_paused_webhook_is_due(store):
    put(store, a_webhook(pause_cause=PauseCause.GONE), a_delivery(due_time=NOW + seconds(1)))
    with store.reading() as reader:
        assert reader.webhooks_with_due(NOW + seconds(9)) == []
        assert reader.next_due_time(NOW) is None


def test_a_new_schedule_is_for_all_that_wait_and_takes_nothing_from_a_sender(store):
    later, until = NOW + seconds(50), NOW + seconds(9999)
    put(store, a_webhook(), a_webhook("other"))
    put(
        store,
        a_delivery("msg-1", due_time=later, tries=4),
        a_delivery("msg-2", due_time=later, tries=4, claim_time=NOW),
        a_delivery("msg-3", due_time=None, tries=4, state=DeliveryState.FAILED),
        a_delivery("msg-4", "other", due_time=later, tries=4),
    )
    with store.writing() as writer:
        writer.reschedule("hook", NOW, until)
        found = {d.name.delivery: d for d in writer.deliveries_newest_first("hook", None, 9, None)}
        assert [(d.due_time, d.tries) for d in map(found.get, ("msg-1", "msg-2", "msg-3"))] == [
            (NOW, 0),
            (later, 0),
            (None, 4),
        ]
        assert found["msg-1"].give_up_time == found["msg-2"].give_up_time == until
        assert writer.delivery(WebhookDeliveryName("other", "msg-4")).due_time == later


def test_only_what_ended_before_a_time_is_forgotten_and_no_more_than_the_limit(store):
    put(store, a_webhook(), a_delivery("msg-0"))
    ended = {"due_time": None, "state": DeliveryState.DELIVERED}
    put(store, *(a_delivery(f"msg-{n}", end_time=NOW + seconds(n), **ended) for n in (1, 2, 3, 4)))
    with store.writing() as writer:
        assert writer.forget_ended(NOW + seconds(4), 2) == 2
        assert names(writer.deliveries_newest_first("hook", None, 9, None)) == ["msg-4", "msg-3", "msg-0"]
        assert writer.forget_ended(NOW + seconds(4), 2) == 1
        assert names(writer.deliveries_newest_first("hook", None, 9, None)) == ["msg-4", "msg-0"]


def test_a_webhook_takes_its_deliveries_with_it(store):
    put(store, a_webhook(), a_webhook("other"), a_delivery(), a_delivery("msg-2", "other"))
    with store.writing() as writer:
        writer.remove_webhook(WebhookName("hook"))
    with store.reading() as reader:
        assert [w.name.webhook for w in reader.webhooks("", 9)] == ["other"]
        assert reader.delivery(a_delivery().name) is None
        assert names(reader.deliveries_newest_first("other", None, 9, None)) == ["msg-2"]


def test_writers_wait_for_each_other(store):
    put(store, a_webhook())

    def count():
        for _ in range(10):
            with store.writing() as writer:
                webhook = writer.webhook(WebhookName("hook"))
                writer.put_webhook(dataclasses.replace(webhook, position=webhook.position + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.reading() as reader:
        assert reader.webhook(WebhookName("hook")).position == 40
