"""What receivers get, over real HTTP: every change once, signed, and again where they fail."""

import asyncio
import json
import time

import pytest
import standardwebhooks

from gnomon import webhooks
from gnomon.errors import (
    NotFoundError,
    WebhookSecretMissingError,
    WebhookUndeliveredError,
)
from gnomon.status import from_status
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import webhooks_pb2 as pb
from gnomon_outbound.client import OutboundClient
from tests.outbound.listening import http
from tests.registry.fake_webhooks import SECRET
from tests.registry.hooking import (
    created,
    deliveries,
    got,
    hooked,
    is_delivered,
    is_failed,
    rotated,
    the_delivery,
    tried_out,
    updated,
)
from tests.registry.receiver import receiving
from tests.registry.running import error_of, until

TOX = "metrics/tox"
PATIENT = {"webhook_longest_retry_s": 60.0}


def redelivered(caller, delivery):
    return caller.RedeliverWebhook(pb.RedeliverWebhookRequest(name=delivery.name))


async def test_every_kind_of_change_arrives_once_and_signed(tmp_path):
    async with receiving() as receiver, hooked(tmp_path, receiver) as caller:
        made = await created(caller, receiver.url)
        for _ in range(2):
            await caller.version()
        await caller.alias("production", 1)
        await caller.alias("production", 2)
        await caller.DeleteAlias(rpc.DeleteAliasRequest(name=f"{TOX}/aliases/production"))
        await caller.DeleteMetricVersion(rpc.DeleteMetricVersionRequest(name=f"{TOX}/versions/1"))
        await caller.UndeleteMetricVersion(rpc.UndeleteMetricVersionRequest(name=f"{TOX}/versions/1"))
        taken = await receiver.took(7)
        await until(lambda: receiver.under_way == 0)
        listed = await deliveries(caller)
        history = (await got(caller)).last_success_time.seconds

    one, two = f"{TOX}/versions/1", f"{TOX}/versions/2"
    alias = f"{TOX}/aliases/production"
    events = sorted((r.event(made.secret) for r in taken), key=lambda event: event.time)
    assert [(event.type, event.data) for event in events] == [
        ("version.created", {"metric": TOX, "version": one}),
        ("version.created", {"metric": TOX, "version": two}),
        ("alias.set", {"metric": TOX, "version": one, "alias": alias}),
        ("alias.set", {"metric": TOX, "version": two, "alias": alias, "old_version": one}),
        ("alias.deleted", {"metric": TOX, "alias": alias, "old_version": two}),
        ("version.deleted", {"metric": TOX, "version": one}),
        ("version.restored", {"metric": TOX, "version": one}),
    ]
    assert len(set(receiver.ids)) == len(receiver.ids) == 7
    assert {delivery.name.rpartition("/")[2] for delivery in listed} == set(receiver.ids)
    assert {r.headers["content-type"] for r in taken} == {"application/json"}
    for request in taken:
        assert standardwebhooks.Webhook(made.secret).verify(request.body, request.headers)["type"]
    assert time.time() - history < 60


async def test_a_webhook_is_told_of_what_it_wants_and_of_nothing_before_it(tmp_path):
    async with receiving() as receiver, hooked(tmp_path, receiver) as caller:
        await caller.metric("tone")
        await caller.version()
        await created(caller, receiver.url, event_kinds=["VERSION_CREATED"], metrics=["metrics/tone"])
        await caller.version()
        await caller.version("tone")
        await caller.alias("production", 1, "tone")
        await created(caller, receiver.url.replace("/hook", "/all"), "all")
        await caller.alias("shadow", 1)
        await receiver.took(2)
        await asyncio.sleep(0.2)
        said = [(r.path, json.loads(r.body)) for r in receiver.requests]
        seen = [(path, body["type"], body["data"]["metric"]) for path, body in said]
    assert sorted(seen) == [
        ("/all", "alias.set", TOX),
        ("/hook", "version.created", "metrics/tone"),
    ]


async def test_a_receiver_that_fails_gets_the_same_message_again_and_the_history_tells(tmp_path):
    troubles = ["500 Oops", "404 No", "302 Moved"]
    async with receiving(next=troubles) as receiver, hooked(tmp_path, receiver) as caller:
        made = await created(caller, receiver.url)
        await caller.version()
        delivery = await the_delivery(caller, is_delivered)
        webhook = await got(caller)
    assert len(receiver.requests) == 4
    assert len(set(receiver.ids)) == len({r.body for r in receiver.requests}) == 1
    assert receiver.requests[-1].event(made.secret).type == "version.created"
    assert delivery.name == f"webhooks/hook/deliveries/{receiver.ids[0]}"
    assert (delivery.attempt_count, delivery.body) == (4, receiver.requests[0].body.decode())
    assert [a.http_status for a in delivery.attempts] == [500, 404, 302, 204]
    assert [a.error for a in delivery.attempts][::3] == ["The receiver answered 500.", ""]
    assert "not followed" in delivery.attempts[2].error
    assert not delivery.HasField("next_attempt_time")
    assert (webhook.last_error, webhook.HasField("failing_since_time")) == ("", False)


async def test_what_a_receiver_writes_is_not_kept(tmp_path):
    answer = http(b"the receiver's own affairs", "500 Oops")
    async with receiving(answer=answer) as receiver, hooked(tmp_path, receiver, **PATIENT) as caller:
        await created(caller, receiver.url)
        await caller.version()
        await the_delivery(caller, lambda found: len(found.attempts) == 1)
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("registry.db*"))
    assert b"receiver answered 500" in stored
    assert b"affairs" not in stored


async def test_a_receiver_that_asks_for_time_gets_it(tmp_path):
    wait = http(b"", "503 Busy", "Retry-After: 1")
    async with receiving(next=[wait]) as receiver, hooked(tmp_path, receiver, **PATIENT) as caller:
        await created(caller, receiver.url)
        await caller.version()
        delivery = await the_delivery(caller, is_delivered)
    first, second = (attempt.time.ToNanoseconds() / 1e9 for attempt in delivery.attempts)
    assert second - first >= 1.0  # the schedule alone says 0.02 s


@pytest.mark.parametrize("header", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "9" * 400, "soon"])
async def test_whatever_a_receiver_asks_for_its_delivery_goes_on(header, tmp_path):
    asks = f"Retry-After: {header}"
    busy, well = http(b"", "503 Busy", asks), http(b"", "200 OK", asks)
    async with receiving(next=[busy, well]) as receiver, hooked(tmp_path, receiver) as caller:
        await created(caller, receiver.url)
        await caller.version()
        delivery = await the_delivery(caller, is_delivered)
        receiver.answer = busy
        error = from_status((await tried_out(caller)).error)
    assert [attempt.http_status for attempt in delivery.attempts] == [503, 200]
    assert error.metadata["http_status"] == "503"


async def test_a_defect_is_a_failed_attempt_and_ends_by_the_schedule(tmp_path, monkeypatch):
    async def breaks(*_, **__):
        raise RuntimeError("of the request: whsec_secret")

    monkeypatch.setattr(OutboundClient, "post", breaks)
    async with receiving() as receiver, hooked(tmp_path, receiver, webhook_give_up_s=0.3) as caller:
        await created(caller, receiver.url)
        await caller.version()
        failed = await the_delivery(caller, is_failed)
        webhook = await got(caller)
    assert {attempt.http_status for attempt in failed.attempts} == {0}
    assert {attempt.error for attempt in failed.attempts} == {webhook.last_error}
    assert "has a defect" in webhook.last_error
    assert "secret" not in webhook.last_error
    assert webhook.HasField("failing_since_time")


async def test_a_delivery_is_given_up_with_its_reason_and_delivered_on_demand(tmp_path):
    changes = {"webhook_give_up_s": 0.5}
    async with receiving(answer="500 Oops") as receiver, hooked(tmp_path, receiver, **changes) as caller:
        await created(caller, receiver.url)
        await caller.version()
        failed = await the_delivery(caller, is_failed)
        assert failed.attempts[-1].error == "The receiver answered 500."
        assert failed.HasField("end_time")
        assert not failed.HasField("give_up_time")
        assert (await got(caller)).last_error == "The receiver answered 500."

        receiver.answer = "204 No Content"
        again = await redelivered(caller, failed)
        assert (again.state, again.name) == (pb.WebhookDelivery.WAITING, failed.name)
        delivered = await the_delivery(caller, is_delivered)
        await redelivered(caller, failed)  # once more, although it was taken
        await receiver.took(delivered.attempt_count + 1)
        failed.name += "x"
        assert isinstance(await error_of(redelivered(caller, failed)), NotFoundError)
    assert len(set(receiver.ids)) == 1


async def test_gone_pauses_and_the_end_of_the_pause_sends_what_waited(tmp_path):
    async with receiving(answer="410 Gone") as receiver, hooked(tmp_path, receiver) as caller:
        await created(caller, receiver.url)
        await caller.version()
        await receiver.took(1)
        while not (webhook := await got(caller)).paused:
            await asyncio.sleep(0.02)
        assert webhook.pause_cause == pb.Webhook.GONE
        assert webhook.last_error == "The receiver answered 410 Gone: it wants nothing more."
        await caller.version()
        await asyncio.sleep(0.3)
        assert len(receiver.requests) == 1

        receiver.answer = "200 OK"
        await updated(caller, "paused", paused=False)
        await receiver.took(3)
        assert receiver.ids.count(receiver.ids[0]) == 2
        assert len(set(receiver.ids)) == 2


async def test_a_webhook_that_fails_for_long_is_paused_and_says_so(tmp_path):
    changes = {"webhook_pause_after_s": 0.3}
    async with receiving(answer="500 Oops") as receiver, hooked(tmp_path, receiver, **changes) as caller:
        await created(caller, receiver.url)
        await caller.version()
        async with asyncio.timeout(20):
            while not (webhook := await got(caller)).paused:
                await asyncio.sleep(0.02)
        assert (webhook.pause_cause, webhook.last_error) == (pb.Webhook.FAILING, "The receiver answered 500.")
        assert webhook.HasField("failing_since_time")
        (waiting,) = await deliveries(caller, state="WAITING")
        receiver.answer = "200 OK"
        assert not (await updated(caller, "paused", paused=False)).HasField("failing_since_time")
        assert (await the_delivery(caller, is_delivered)).name == waiting.name


async def test_what_happens_in_a_pause_is_sent_after_it(tmp_path):
    async with receiving() as receiver, hooked(tmp_path, receiver) as caller:
        await created(caller, receiver.url, paused=True)
        for _ in range(3):
            await caller.version()
        await asyncio.sleep(0.2)
        assert receiver.requests == []
        await updated(caller, "paused", paused=False)
        await receiver.took(3)
        versions = {json.loads(r.body)["data"]["version"] for r in receiver.requests}
    assert versions == {f"{TOX}/versions/{number}" for number in (1, 2, 3)}


async def test_while_a_secret_is_replaced_both_count(tmp_path):
    async with receiving() as receiver, hooked(tmp_path, receiver) as caller:
        first = (await created(caller, receiver.url, secret=SECRET)).secret
        second = (await rotated(caller, overlap_s=4)).secret
        await caller.version()
        await receiver.took(1)
        until_s = (await got(caller)).old_secret_expire_time.ToNanoseconds() / 1e9
        await asyncio.sleep(max(0.0, until_s - time.time()) + 0.01)
        await caller.version()
        both, one = await receiver.took(2)
    assert both.event(first).id == both.event(second).id
    assert one.event(second)
    with pytest.raises(webhooks.VerificationError):
        one.event(first)


async def test_a_test_is_answered_with_what_came_of_it_and_leaves_no_trace(tmp_path):
    async with receiving() as receiver, hooked(tmp_path, receiver) as caller:
        made = await created(caller, receiver.url, paused=True)
        well = await tried_out(caller)
        event = receiver.requests[0].event(made.secret)
        assert (event.type, event.data) == ("webhook.test", {"webhook": "webhooks/hook"})
        assert (well.HasField("error"), well.attempt.http_status) == (False, 204)

        receiver.answer = "401 Who"
        error = from_status((await tried_out(caller)).error)
        assert isinstance(error, WebhookUndeliveredError)
        assert error.metadata == {"resource": "webhooks/hook", "http_status": "401"}
        assert await deliveries(caller) == []

        await updated(caller, "url", url=receiver.url + "2")
        assert isinstance(from_status((await tried_out(caller)).error), WebhookSecretMissingError)
    assert len(receiver.requests) == 2


async def test_another_master_key_signs_nothing_and_says_what_to_do(tmp_path):
    async with receiving() as receiver:
        async with hooked(tmp_path, receiver) as caller:
            await created(caller, receiver.url)
        async with hooked(tmp_path, receiver, master_key="b2" * 32) as caller:
            await caller.version()
            delivery = await the_delivery(caller, lambda found: len(found.attempts) > 0)
            assert "gnomon webhooks rotate hook" in delivery.attempts[0].error
            assert receiver.requests == []
            second = (await rotated(caller)).secret
            await the_delivery(caller, is_delivered)
            assert receiver.requests[0].event(second)
