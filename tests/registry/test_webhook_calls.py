"""The resource over the wire: what is stored, what is refused, and where a secret is seen."""

import sqlite3
import uuid

import pytest

from gnomon import webhooks
from gnomon.errors import (
    AlreadyExistsError,
    EtagMismatchError,
    InvalidRequestError,
    MasterKeyMissingError,
    NotFoundError,
    RequestIdReusedError,
    WebhookSecretMissingError,
)
from gnomon.v1 import webhooks_pb2 as pb
from gnomon_rpc.settings import SettingError
from tests.registry.fake_webhooks import SECRET
from tests.registry.hooking import created, deliveries, got, hooked, rotated, updated
from tests.registry.running import error_of, registry

URL = "https://receiver.example/hook"


@pytest.fixture
async def caller(tmp_path):
    async with hooked(tmp_path) as caller:
        yield caller


async def test_a_webhook_is_created_read_listed_changed_and_deleted(caller):
    made = await created(
        caller,
        URL,
        display_name="To CI",
        event_kinds=["ALIAS_SET", "VERSION_CREATED", "ALIAS_SET"],
        metrics=["metrics/tox", "metrics/not-yet"],
    )
    assert (made.name, made.url, made.display_name, made.paused) == ("webhooks/hook", URL, "To CI", False)
    assert list(made.event_kinds) == [pb.Webhook.VERSION_CREATED, pb.Webhook.ALIAS_SET]
    assert list(made.metrics) == ["metrics/not-yet", "metrics/tox"]

    changed = await updated(caller, "display_name", "event_kinds", display_name="To CD")
    assert (changed.display_name, list(changed.event_kinds), changed.url) == ("To CD", [], URL)
    assert changed.etag != made.etag
    assert changed.update_time.ToNanoseconds() > made.update_time.ToNanoseconds()

    await created(caller, URL, "another")
    first = await caller.ListWebhooks(pb.ListWebhooksRequest(page_size=1))
    rest = await caller.ListWebhooks(pb.ListWebhooksRequest(page_size=1, page_token=first.next_page_token))
    assert [w.name for w in (*first.webhooks, *rest.webhooks)] == ["webhooks/another", "webhooks/hook"]
    assert rest.next_page_token == ""

    await caller.DeleteWebhook(pb.DeleteWebhookRequest(name="webhooks/hook"))
    assert isinstance(await error_of(got(caller)), NotFoundError)
    assert isinstance(await error_of(deliveries(caller)), NotFoundError)


async def test_only_who_makes_a_secret_sees_it(caller, tmp_path):
    made = await created(caller, URL)
    own = await created(caller, URL, "own", secret=SECRET)
    assert len(webhooks.secret_bytes(made.secret)) == 32
    assert own.secret == SECRET

    listed = await caller.ListWebhooks(pb.ListWebhooksRequest())
    changed = await updated(caller, "display_name", display_name="x")
    assert [w.secret for w in (await got(caller), changed, *listed.webhooks)] == [""] * 4
    second = await rotated(caller)
    assert second.secret not in {"", made.secret}
    with sqlite3.connect(tmp_path / "registry.db") as connection:
        dump = "\n".join(connection.iterdump())
    for secret in (made.secret, second.secret, SECRET):
        key = webhooks.secret_bytes(secret)
        assert secret not in dump
        assert key.hex().upper() not in dump


async def test_a_repeated_create_is_answered_the_same_until_the_secret_is_another(caller):
    request_id = str(uuid.uuid4())
    made = await created(caller, URL, request_id=request_id)
    assert await created(caller, URL, request_id=request_id) == made
    assert isinstance(
        await error_of(created(caller, URL, display_name="x", request_id=request_id)), RequestIdReusedError
    )
    await rotated(caller)
    assert (await created(caller, URL, request_id=request_id)).secret == ""
    assert isinstance(await error_of(created(caller, URL)), AlreadyExistsError)


async def test_another_secret_of_ones_own_is_another_request(caller):
    request_id, other = str(uuid.uuid4()), webhooks.secret_of(b"o" * 32)
    await created(caller, URL, secret=SECRET, request_id=request_id)
    assert (await created(caller, URL, secret=SECRET, request_id=request_id)).secret == SECRET
    error = await error_of(created(caller, URL, secret=other, request_id=request_id))
    assert isinstance(error, RequestIdReusedError)


async def test_a_repeated_rotation_rotates_once(caller):
    request_id = str(uuid.uuid4())
    await created(caller, URL)
    second = await rotated(caller, request_id=request_id)
    again = await rotated(caller, request_id=request_id)
    assert again == second
    assert second.old_secret_expire_time.seconds - second.update_time.seconds == 24 * 3600


async def test_a_new_url_drops_the_secret_and_another_one_ends_the_pause(caller):
    made = await created(caller, URL)
    moved = await updated(caller, "url", url="https://other.example/hook")
    assert (moved.paused, moved.pause_cause) == (True, pb.Webhook.SECRET_DROPPED)
    error = await error_of(updated(caller, "paused", paused=False))
    assert isinstance(error, WebhookSecretMissingError)
    assert "gnomon webhooks rotate hook" in error.message

    second = await rotated(caller)
    assert (second.paused, second.HasField("old_secret_expire_time")) == (False, False)
    assert second.secret != made.secret


async def test_another_secret_does_not_end_what_a_user_paused(caller):
    await created(caller, URL, paused=True)
    moved = await updated(caller, "url", url="https://other.example/hook")
    assert moved.pause_cause == pb.Webhook.USER
    assert (await rotated(caller)).pause_cause == pb.Webhook.USER
    assert not (await updated(caller, "paused", paused=False)).paused


async def test_the_same_url_again_drops_nothing(caller):
    await created(caller, URL)
    assert not (await updated(caller, "url", url=URL)).paused


async def test_a_change_of_what_someone_else_changed_is_refused(caller):
    made = await created(caller, URL)
    await updated(caller, "display_name", display_name="x", etag=made.etag)
    error = await error_of(updated(caller, "display_name", display_name="y", etag=made.etag))
    assert isinstance(error, EtagMismatchError)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("webhook.url", {"url": "http://receiver.example/hook"}),
        ("webhook.url", {"url": "https://127.0.0.1/hook"}),
        ("webhook.url", {"url": "https://169.254.169.254/hook"}),
        ("webhook.url", {"url": "https://user:word@receiver.example/"}),
        ("webhook.url", {"url": "file:///etc/passwd"}),
        ("webhook.url", {"url": "https://receiver.example/" + "a" * 1000}),
        ("webhook.display_name", {"display_name": "x" * 64}),
        ("webhook.metrics[1]", {"metrics": ["metrics/tox", "tox"]}),
        ("webhook.event_kinds[0]", {"event_kinds": [77]}),
        ("webhook.event_kinds[0]", {"event_kinds": [0]}),
        ("webhook.secret", {"secret": "whsec_c2hvcnQ="}),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named_and_nothing_is_stored(caller, field, fields):
    error = await error_of(created(caller, **{"url": URL, **fields}))
    assert isinstance(error, InvalidRequestError)
    assert error.violations[0].field == field
    assert "c2hvcnQ" not in str(error)
    assert isinstance(await error_of(got(caller)), NotFoundError)
    if field != "webhook.secret":
        await created(caller, URL)
        error = await error_of(updated(caller, *fields, **fields))
        assert error.violations[0].field == field


@pytest.mark.parametrize("overlap", [-1, 31 * 86400])
async def test_an_overlap_is_at_most_a_month(caller, overlap):
    await created(caller, URL)
    error = await error_of(rotated(caller, overlap_s=overlap))
    assert error.violations[0].field == "overlap"
    assert (await rotated(caller, overlap_s=0)).HasField("old_secret_expire_time") is False


async def test_a_secret_cannot_be_changed_by_an_update(caller):
    await created(caller, URL)
    error = await error_of(updated(caller, "secret", secret=SECRET))
    assert "cannot be changed" in error.message


async def test_without_a_master_key_there_are_no_webhooks_and_the_setting_is_named(tmp_path):
    async with registry(tmp_path) as caller:
        error = await error_of(created(caller, URL))
    assert isinstance(error, MasterKeyMissingError)
    assert "GNOMON_REGISTRY_MASTER_KEY_FILE" in error.message


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"master_key": "short"}, "GNOMON_REGISTRY_MASTER_KEY: must be 32 bytes"),
        ({"allowed_hosts": "x"}, "host:port"),
    ],
)
async def test_a_wrong_setting_ends_the_start_with_its_name(tmp_path, setting, words):
    with pytest.raises(SettingError, match=words):
        async with registry(tmp_path, **setting):
            pass
