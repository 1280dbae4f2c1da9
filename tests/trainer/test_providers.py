"""Providers over the real wire, with a real endpoint on loopback."""

import asyncio
import base64
import hashlib
import json
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import (
    AlreadyExistsError,
    EtagMismatchError,
    InvalidRequestError,
    MasterKeyMissingError,
    NotFoundError,
    ProviderKeyUnreadableError,
    RequestIdReusedError,
)
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc.request_ids import request_key
from gnomon_rpc.settings import SettingError
from tests.outbound.listening import http
from tests.trainer.fake_endpoint import DRIPS, KEY, FakeEndpoint, able, completion, failure, fake_endpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import Trainer, refused, trainer_at

MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
State = resources.Provider.KeyState


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    async with fake_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    settings = {"master_key": MASTER_KEY, "allowed_hosts": f"{endpoint.host},localhost:11434"}
    async with trainer_at(tmp_path, registry, **settings) as trainer:
        yield trainer


async def create(trainer: Trainer, base_url: str = "https://api.example.com/v1", **fields: Any) -> Any:
    provider_id, request_id = fields.pop("provider_id", "main"), fields.pop("request_id", "")
    provider = resources.Provider(**({"base_url": base_url, "model": "tiny-1", "api_key": KEY} | fields))
    request = pb.CreateProviderRequest(provider_id=provider_id, provider=provider, request_id=request_id)
    return await trainer.stub.CreateProvider(request)


async def get(trainer: Trainer, name: str = "providers/main") -> Any:
    return await trainer.stub.GetProvider(pb.GetProviderRequest(name=name))


async def update(trainer: Trainer, *fields: str, name: str = "providers/main", **values: Any) -> Any:
    request = pb.UpdateProviderRequest(provider=resources.Provider(name=name, **values))
    request.update_mask.paths.extend(fields)
    return await trainer.stub.UpdateProvider(request)


async def tried(trainer: Trainer, name: str = "providers/main") -> Any:
    return await trainer.stub.TestProvider(pb.TestProviderRequest(name=name))


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_a_provider_comes_back_without_its_key(trainer: Trainer) -> None:
    made = await create(trainer, "https://api.example.com/v1/", display_name="Example")

    assert (made.name, made.base_url, made.model) == (
        "providers/main",
        "https://api.example.com/v1",
        "tiny-1",
    )
    assert (made.display_name, made.key_state, made.api_key) == ("Example", State.STORED, "")
    assert made.create_time == made.update_time
    assert made == await get(trainer)
    listed = await trainer.stub.ListProviders(pb.ListProvidersRequest())
    assert list(listed.providers) == [made]


async def test_a_connection_test_says_what_the_endpoint_can_do(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await create(trainer, endpoint.url)

    tested = await tried(trainer)

    assert not tested.HasField("error")
    assert tested.model == "tiny-1"
    assert 0 < tested.latency.ToMilliseconds() < 5_000
    assert (tested.json_schema.works, tested.log_probabilities.works) == (True, True)
    assert endpoint.heads[0].startswith("post /v1/chat/completions http/1.1")
    assert all(f"authorization: bearer {KEY}" in head for head in endpoint.heads)
    assert {body["model"] for body in endpoint.bodies} == {"tiny-1"}


async def test_a_connection_test_says_what_the_endpoint_cannot_do(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    def plain(body: Any) -> Any:
        if "response_format" in body:
            return failure("400 Bad Request", "response_format is not supported")
        return completion("ready")

    endpoint.reply = plain
    await create(trainer, endpoint.url, api_key="")

    tested = await tried(trainer)

    assert tested.model == "tiny-1"
    assert not tested.json_schema.works
    assert "response_format is not supported" in tested.json_schema.problem
    assert tested.log_probabilities.problem == "The endpoint answers without log-probabilities."
    assert not any("authorization" in head for head in endpoint.heads)


async def test_a_schema_may_be_asked_for_in_the_other_form(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    def older(body: Any) -> Any:
        form = body.get("response_format", {})
        if form.get("type") == "json_schema":
            return failure("500 Internal Server Error", "Input should be 'text' or 'json_object'")
        words = form.get("schema", {}).get("properties", {"label": {"enum": ["ready"]}})["label"]["enum"]
        return completion(json.dumps({"label": words[0]}))

    endpoint.reply = older
    await create(trainer, endpoint.url)

    assert (await tried(trainer)).json_schema.works
    endpoint.reply = lambda body: failure("500 Oops", "no") if "response_format" in body else able(body)
    tested = await tried(trainer)
    assert (tested.json_schema.works, tested.log_probabilities.works) == (False, True)


async def test_an_endpoint_that_ignores_schemas_is_found_out(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = lambda body: completion("ready")
    await create(trainer, endpoint.url)

    assert "does not follow it" in (await tried(trainer)).json_schema.problem


@pytest.mark.parametrize(
    ("reply", "reason", "words"),
    [
        (failure("401 Unauthorized", f"Incorrect API key provided: {KEY}"), "PROVIDER_REFUSED", "the key"),
        (failure("404 Not Found", "no model tiny-1"), "PROVIDER_REFUSED", "no model tiny-1"),
        (failure("302 Found", "", "Location: http://169.254.169.254/"), "PROVIDER_REFUSED", "Redirects"),
        (failure("429 Too Many", "slow down", "Retry-After: 7"), "PROVIDER_UNAVAILABLE", "slow down"),
        (failure("429 Too Many", "", code="insufficient_quota"), "PROVIDER_REFUSED", "quota is spent"),
        (failure("500 Oops", KEY[:12]), "PROVIDER_UNAVAILABLE", "HTTP 500"),
        (http(b'{"choices": [{"mess'), "PROVIDER_ANSWER_INVALID", "is no chat completion"),
        (http(b"<html>"), "PROVIDER_ANSWER_INVALID", "is no chat completion"),
        (http(b"[" * 100_000), "PROVIDER_ANSWER_INVALID", "is no chat completion"),
        (http(b"x" * 5_000_000), "PROVIDER_ANSWER_INVALID", "larger than 4194304 bytes"),
        (completion(None), "PROVIDER_ANSWER_INVALID", "is empty"),
        (b"SSH-2.0\r\n\r\n", "PROVIDER_UNAVAILABLE", "not HTTP"),
    ],
)
async def test_a_connection_test_that_fails_says_why_and_never_the_key(
    trainer: Trainer, endpoint: FakeEndpoint, reply: Any, reason: str, words: str
) -> None:
    endpoint.reply = lambda body: reply
    await create(trainer, endpoint.url)

    tested = await tried(trainer)
    error = from_status(tested.error)

    assert (error.reason, error.metadata["resource"]) == (reason, "providers/main")
    assert words in error.message
    assert KEY[:12] not in str(tested)
    assert (tested.model, len(endpoint.bodies)) == ("", 1)
    if "Retry-After" in str(reply):
        assert error.retry_after_s == 7


async def test_an_address_that_turns_inward_later_is_refused_when_it_is_called(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    async with trainer_at(tmp_path, registry, allowed_hosts=endpoint.host) as trainer:
        await create(trainer, endpoint.url, api_key="")
    async with trainer_at(tmp_path, registry) as trainer:
        error = from_status((await tried(trainer)).error)

    assert error.reason == "ENDPOINT_NOT_ALLOWED"
    assert "GNOMON_TRAINER_ALLOWED_HOSTS" in error.message
    assert endpoint.listener.connections == 0


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("base_url", "http://api.example.com/v1", "Only https"),
        ("base_url", "https://127.0.0.1/v1", "not a public address"),
        ("base_url", "https://0x7f.1/v1", "usual form"),
        ("base_url", "https://me:secret@api.example.com/v1", "user name or password"),
        ("base_url", "https://api.example.com/v1?key=17", "query"),
        ("base_url", "https://api.example.com/v1/chat/completions", "must end before"),
        ("base_url", "https://" + "a" * 600, "at most 500"),
        ("model", "tiny\n1", "printable"),
        ("api_key", "sk-1\r\nX-Evil: 1", "printable ASCII"),
        ("api_key", "k" * 5000, "at most 4096"),
        ("display_name", "x" * 64, "at most 63"),
    ],
)
async def test_a_field_that_breaks_a_rule_is_refused_by_create_and_update(
    trainer: Trainer, field: str, value: str, words: str
) -> None:
    created = await refused(create(trainer, **{field: value}))
    await create(trainer)
    updated = await refused(update(trainer, field, **{field: value}))

    for error in (created, updated):
        assert isinstance(error, InvalidRequestError)
        assert words in error.message
        assert field in error.violations[0].field
        assert "secret" not in error.message
        assert "X-Evil" not in error.message


async def test_required_fields_are_asked_for(trainer: Trainer) -> None:
    error = await refused(create(trainer, model="", base_url=""))

    assert [v.field for v in error.violations] == ["provider.base_url", "provider.model"]
    assert isinstance(await refused(create(trainer, provider_id="No Name")), InvalidRequestError)


async def test_a_new_url_drops_the_key_and_says_so(trainer: Trainer) -> None:
    await create(trainer)

    same = await update(trainer, "base_url", base_url="https://api.example.com/v1/")
    assert same.key_state == State.STORED
    moved = await update(trainer, "base_url", base_url="https://other.example.com/v1")
    assert moved.key_state == State.DROPPED
    assert (await get(trainer)).key_state == State.DROPPED
    again = await update(trainer, "api_key", api_key=KEY)
    assert again.key_state == State.STORED
    both = await update(trainer, "base_url", "api_key", base_url="https://third.example.com", api_key="k2")
    assert both.key_state == State.STORED
    removed = await update(trainer, "api_key")
    assert removed.key_state == State.NO_KEY


async def test_a_moved_provider_sends_its_old_key_nowhere(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    await create(trainer)
    await update(trainer, base_url=endpoint.url)

    await tried(trainer)

    assert len(endpoint.heads) == 3
    assert not any("authorization" in head for head in endpoint.heads)


async def test_a_stored_row_that_is_changed_by_hand_does_not_take_the_key_along(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await create(trainer)
    with trainer.app.database.write() as connection:
        connection.exec_driver_sql("UPDATE providers SET base_url = ?", (endpoint.url,))

    error = from_status((await tried(trainer)).error)

    assert isinstance(error, ProviderKeyUnreadableError)
    assert endpoint.listener.connections == 0


async def test_an_update_writes_what_its_mask_names(trainer: Trainer) -> None:
    made = await create(trainer, display_name="One")

    updated = await update(trainer, "model", model="large-2", display_name="ignored")
    assert (updated.model, updated.display_name, updated.base_url) == ("large-2", "One", made.base_url)
    assert updated.etag != made.etag
    assert isinstance(await refused(update(trainer, "model", model="x", etag=made.etag)), EtagMismatchError)
    assert (await update(trainer, "model", model="large-2", etag=updated.etag)).etag == updated.etag
    for path in ("name", "key_state", "nonsense", "create_time"):
        assert isinstance(await refused(update(trainer, path)), InvalidRequestError)


async def test_a_create_that_is_sent_twice_makes_one_provider(trainer: Trainer) -> None:
    request_id = str(uuid.uuid4())
    first = await create(trainer, request_id=request_id)

    assert await create(trainer, request_id=request_id) == first
    for other in ({"model": "other"}, {"api_key": "another-key"}, {"api_key": ""}):
        assert isinstance(
            await refused(create(trainer, request_id=request_id, **other)), RequestIdReusedError
        )
    assert isinstance(await refused(create(trainer)), AlreadyExistsError)


async def test_a_deleted_provider_is_gone(trainer: Trainer) -> None:
    await create(trainer)
    await trainer.stub.DeleteProvider(pb.DeleteProviderRequest(name="providers/main"))

    for call in (
        get(trainer),
        tried(trainer),
        update(trainer, "model", model="x"),
        trainer.stub.DeleteProvider(pb.DeleteProviderRequest(name="providers/main")),
    ):
        assert isinstance(await refused(call), NotFoundError)


async def test_providers_are_listed_in_pages(trainer: Trainer) -> None:
    for name in ("b", "c", "a"):
        await create(trainer, provider_id=name)

    first = await trainer.stub.ListProviders(pb.ListProvidersRequest(page_size=2))
    rest = await trainer.stub.ListProviders(
        pb.ListProvidersRequest(page_size=2, page_token=first.next_page_token)
    )

    assert [p.name[-1] for page in (first, rest) for p in page.providers] == ["a", "b", "c"]
    assert rest.next_page_token == ""


async def test_without_a_master_key_no_key_is_stored_and_the_setting_is_named(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry) as trainer:
        error = await refused(create(trainer))
        assert isinstance(error, MasterKeyMissingError)
        assert "GNOMON_TRAINER_MASTER_KEY_FILE" in error.message
        assert isinstance(await refused(get(trainer)), NotFoundError)
        assert (await create(trainer, api_key="")).key_state == State.NO_KEY
        assert isinstance(await refused(update(trainer, "api_key", api_key=KEY)), MasterKeyMissingError)


async def test_another_master_key_does_not_open_what_the_first_one_sealed(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, master_key=MASTER_KEY) as trainer:
        await create(trainer)
    file = tmp_path / "master.key"
    file.write_text(os.urandom(32).hex() + "\n")
    async with trainer_at(tmp_path, registry, master_key_file=file) as trainer:
        error = from_status((await tried(trainer)).error)

    assert isinstance(error, ProviderKeyUnreadableError)
    assert "gnomon providers update" in error.message


@pytest.mark.parametrize(
    "settings",
    [
        {"master_key": "short"},
        {"master_key": base64.b64encode(b"x" * 31).decode()},
        {"master_key_file": "/nowhere/at/all"},
        {"master_key": MASTER_KEY, "master_key_file": "/nowhere"},
        {"allowed_hosts": "localhost"},
    ],
)
async def test_wrong_settings_stop_the_trainer_before_it_starts(
    tmp_path: Path, registry: FakeRegistry, settings: Any
) -> None:
    with pytest.raises(SettingError, match="GNOMON_TRAINER_") as caught:
        async with trainer_at(tmp_path, registry, **settings):
            pass
    assert "short" not in str(caught.value)


async def test_no_file_of_the_trainer_holds_the_key_nor_its_digest(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    settings = {"master_key": MASTER_KEY, "allowed_hosts": endpoint.host}
    async with trainer_at(tmp_path, registry, **settings) as trainer:
        provider = resources.Provider(base_url=endpoint.url, model="tiny-1", api_key=KEY)
        request = pb.CreateProviderRequest(
            provider_id="main", provider=provider, request_id=str(uuid.uuid4())
        )
        await trainer.stub.CreateProvider(request)
        await tried(trainer)
        open_files = contents(tmp_path)
    closed_files = contents(tmp_path)

    assert f"bearer {KEY}" in endpoint.heads[0]
    raw = KEY.encode()
    traces = [raw, base64.b64encode(raw)[:-4], raw.hex().encode(), hashlib.sha256(raw).digest()]
    key = request_key(request)
    assert key is not None
    traces += [key.body.encode()]  # who knows the rest of a request could try keys until its digest fits
    traces += [hashlib.sha256(raw).hexdigest().encode(), base64.b64decode(MASTER_KEY), MASTER_KEY.encode()]
    for content in (*open_files, *closed_files):
        assert not any(trace in content for trace in traces)


async def test_neither_key_reaches_a_log_or_a_worker(
    trainer: Trainer, endpoint: FakeEndpoint, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level("DEBUG")
    await create(trainer, endpoint.url)
    endpoint.next = [failure("500 Oops", KEY)]
    await tried(trainer)
    await tried(trainer)
    trainer.app.database.close()
    await refused(create(trainer, model="\x00", request_id=str(uuid.uuid4())))

    captured = capfd.readouterr()
    for text in (caplog.text, captured.out, captured.err, repr(trainer.app), repr(trainer.app.settings)):
        assert KEY not in text
        assert MASTER_KEY not in text
    environment = json.dumps(dict(trainer.app.workers._environment))
    assert MASTER_KEY not in environment
    assert "MASTER_KEY" not in environment


@pytest.mark.parametrize("name", ["GNOMON_TRAINER_MASTER_KEY_FILE", "gnomon_trainer_master_key_file"])
async def test_a_worker_is_not_told_where_the_master_key_lies(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "master-key"
    path.write_text(MASTER_KEY)
    monkeypatch.setenv(name, str(path))
    monkeypatch.setenv("ANOTHER", "kept")
    async with trainer_at(tmp_path, registry) as trainer:
        environment = dict(trainer.app.workers._environment)

    assert trainer.app.settings.master_key_file == path
    assert str(path) not in environment.values()
    assert environment["ANOTHER"] == "kept"


async def test_a_caller_who_leaves_a_slow_test_hurts_no_one(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    await create(trainer, endpoint.url)
    endpoint.next = [DRIPS]
    call = asyncio.ensure_future(tried(trainer))
    while not endpoint.bodies:
        await asyncio.sleep(0.01)
    call.cancel()

    assert (await tried(trainer)).model == "tiny-1"
