"""API keys over the real wire, with access control on: what is kept, what is answered, what is let in."""

import contextlib
import sqlite3
import uuid
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from gnomon.api_keys import new_key, read_key
from gnomon.errors import (
    ApiKeyExpiredError,
    ApiKeyMissingError,
    ApiKeyRevokedError,
    ApiKeyUnknownError,
    EtagMismatchError,
    InvalidRequestError,
    NotFoundError,
    ProjectDeniedError,
    ProjectUnstatedError,
    RequestIdReusedError,
    ScopeMissingError,
)
from gnomon.v1 import access_service_pb2 as rpc
from gnomon.v1 import access_service_pb2_grpc, registry_service_pb2_grpc, webhooks_pb2
from gnomon.v1 import registry_service_pb2 as registry_pb
from gnomon_registry.domain.api_key import KeyState
from gnomon_registry.domain.api_keys import ApiKeys, Wanted, operator_key
from gnomon_rpc.settings import SettingError
from tests.registry.fakes import FakeCatalog
from tests.registry.receiver import MASTER_KEY
from tests.registry.running import error_of, registry, settings
from tests.registry.running import until as until_true

ADMIN = new_key().text


class Access:
    """A caller with keys."""

    def __init__(self, app, channel):
        self.app = app
        self.access = access_service_pb2_grpc.AccessServiceStub(channel)
        self.registry = registry_service_pb2_grpc.RegistryServiceStub(channel)

    async def create(self, *scopes, **fields):
        request = rpc.CreateApiKeyRequest(api_key=rpc.ApiKey(scopes=scopes or ["score"], **fields))
        return await self.access.CreateApiKey(request, metadata=bearer(ADMIN))

    async def who(self, text, **more):
        request = rpc.IdentifyCallerRequest()
        return await self.access.IdentifyCaller(request, metadata=bearer(text, **more))


def bearer(text, **more):
    return (("authorization", f"Bearer {text}"), *more.items())


@contextlib.asynccontextmanager
async def guarded(folder, **changes):
    changes = {"access": "keys", "admin_key": ADMIN, **changes}
    async with (
        registry(folder, **changes) as caller,
        grpc.aio.insecure_channel(caller.app.address) as channel,
    ):
        yield Access(caller.app, channel)


async def make_project(access, project):
    request = registry_pb.CreateProjectRequest(project_id=project)
    await access.registry.CreateProject(request, metadata=bearer(ADMIN))


async def test_a_key_is_shown_once_and_only_its_digest_is_kept(tmp_path):
    async with guarded(tmp_path) as access:
        made = await access.create("score", "train", display_name="bot")
        got = await access.access.GetApiKey(
            rpc.GetApiKeyRequest(name=made.api_key.name), metadata=bearer(ADMIN)
        )
        listed = await access.access.ListApiKeys(rpc.ListApiKeysRequest(), metadata=bearer(ADMIN))
        who = await access.who(made.key_text)

    key = read_key(made.key_text)
    assert got == made.api_key == listed.api_keys[0]
    assert (got.name, got.last_four, list(got.scopes)) == (
        f"apiKeys/{key.id}",
        made.key_text[-4:],
        ["score", "train"],
    )
    assert got.created_by == f"apiKeys/{read_key(ADMIN).id}"
    assert (who.name, who.display_name, list(who.scopes)) == (got.name, "bot", ["score", "train"])
    with sqlite3.connect(tmp_path / "registry.db") as database:
        dump = "\n".join(database.iterdump())
    assert key.secret_sha256.hex() in dump.lower()
    for text in (made.key_text, ADMIN):
        assert text not in dump
        assert text.rpartition("_")[2] not in dump


async def test_a_create_that_is_repeated_makes_no_second_key_and_tells_no_text(tmp_path):
    async with guarded(tmp_path) as access:
        request = rpc.CreateApiKeyRequest(api_key=rpc.ApiKey(scopes=["score"]), request_id=str(uuid.uuid4()))
        first = await access.access.CreateApiKey(request, metadata=bearer(ADMIN))
        again = await access.access.CreateApiKey(request, metadata=bearer(ADMIN))
        request.api_key.scopes.append("admin")
        other = await error_of(access.access.CreateApiKey(request, metadata=bearer(ADMIN)))

    assert first.key_text
    assert (again.api_key, again.key_text) == (first.api_key, "")
    assert isinstance(other, RequestIdReusedError)


async def test_a_repeated_create_is_answered_to_the_key_that_made_it_and_to_no_other(tmp_path):
    request = webhooks_pb2.CreateWebhookRequest(
        webhook_id="hook",
        webhook=webhooks_pb2.Webhook(url="https://receiver.example/hook"),
        request_id=str(uuid.uuid4()),
    )
    async with guarded(tmp_path, master_key=MASTER_KEY) as access:
        mine, other = [await access.create("registry:write") for _ in range(2)]

        async def create(text):
            return await access.registry.CreateWebhook(request, metadata=bearer(text))

        made = await create(mine.key_text)
        refused = [await error_of(create(text)) for text in (other.key_text, ADMIN)]
        rotate = rpc.RotateApiKeyRequest(name=mine.api_key.name)
        rotated = await access.access.RotateApiKey(rotate, metadata=bearer(ADMIN))
        again = await create(rotated.key_text)

    assert made.secret
    assert again == made
    for error in refused:
        assert isinstance(error, RequestIdReusedError)
        assert "hook" not in error.message


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scopes": ["score", "everything"]}, "api_key.scopes[1]"),
        ({"scopes": ["any"]}, "api_key.scopes[0]"),
        ({"scopes": []}, "api_key.scopes"),
        ({"scopes": ["score"], "projects": [f"projects/p{n}" for n in range(101)]}, "api_key.projects"),
        ({"scopes": ["score"], "projects": ["p"]}, "api_key.projects[0]"),
        ({"scopes": ["admin"], "projects": ["projects/p"]}, "api_key.projects"),
        ({"scopes": ["score"], "display_name": "a\nb"}, "api_key.display_name"),
        ({"scopes": ["score"], "expire_time": datetime(2020, 1, 1, tzinfo=UTC)}, "api_key.expire_time"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(tmp_path, fields, field):
    async with guarded(tmp_path) as access:
        request = rpc.CreateApiKeyRequest(api_key=rpc.ApiKey(**fields))
        error = await error_of(access.access.CreateApiKey(request, metadata=bearer(ADMIN)))
        missing = rpc.CreateApiKeyRequest(api_key=rpc.ApiKey(scopes=["score"], projects=["projects/none"]))
        nowhere = await error_of(access.access.CreateApiKey(missing, metadata=bearer(ADMIN)))

    assert isinstance(error, InvalidRequestError)
    assert [violation.field for violation in error.violations] == [field]
    assert isinstance(nowhere, NotFoundError)


async def test_a_key_that_never_was_is_not_found_whatever_is_to_be_done_with_it(tmp_path):
    name = f"apiKeys/{new_key().id}"
    async with guarded(tmp_path) as access:
        for call, request in (
            (access.access.GetApiKey, rpc.GetApiKeyRequest(name=name)),
            (
                access.access.UpdateApiKey,
                rpc.UpdateApiKeyRequest(api_key={"name": name, "display_name": "b"}),
            ),
            (access.access.RotateApiKey, rpc.RotateApiKeyRequest(name=name)),
            (access.access.RevokeApiKey, rpc.RevokeApiKeyRequest(name=name)),
        ):
            error = await error_of(call(request, metadata=bearer(ADMIN)))
            assert isinstance(error, NotFoundError)
            assert f"There is no {name}" in error.message


async def test_an_update_that_changes_nothing_refuses_nobody_who_has_seen_the_key_before(tmp_path):
    async with guarded(tmp_path) as access:
        made = (await access.create(display_name="bot")).api_key

        async def update(display_name):
            draft = rpc.ApiKey(name=made.name, display_name=display_name, etag=made.etag)
            request = rpc.UpdateApiKeyRequest(api_key=draft)
            return await access.access.UpdateApiKey(request, metadata=bearer(ADMIN))

        assert await update("bot") == made
        changed = await update("robot")
        stale = await error_of(update("bot"))

    assert changed.display_name == "robot"
    assert isinstance(stale, EtagMismatchError)


def test_no_key_gets_the_id_of_another_or_of_one_of_the_operator():
    now, (first, operators, second) = datetime(2026, 1, 1, tzinfo=UTC), [new_key() for _ in range(3)]
    made = iter([first, first, operators, second])
    known = {operators.id: operator_key(operators, "operator", ("admin",), now)}
    keys = ApiKeys(FakeCatalog(), lambda: now, lambda: "etag", lambda _: next(made), known)

    texts = [keys.create(Wanted("", ["score"], [], None), "operator", None)[1] for _ in range(2)]

    assert texts == [first.text, second.text]
    for key in (first, operators, second):
        assert keys.verify(key.id, key.secret_sha256).state is KeyState.VALID


async def test_a_wrong_secret_is_told_what_a_key_that_never_was_is_told(tmp_path):
    async with guarded(tmp_path) as access:
        made = await access.create()
        revoked = await access.create()
        await access.access.RevokeApiKey(
            rpc.RevokeApiKeyRequest(name=revoked.api_key.name), metadata=bearer(ADMIN)
        )
        errors = [
            await error_of(access.who(new_key(key_id).text))
            for key_id in (
                None,
                read_key(made.key_text).id,
                read_key(revoked.key_text).id,
                read_key(ADMIN).id,
            )
        ]

    assert {type(error) for error in errors} == {ApiKeyUnknownError}
    assert len({(error.message, str(error.metadata)) for error in errors}) == 1


async def test_a_rotated_key_has_both_texts_for_the_overlap_and_no_longer(tmp_path):
    async with guarded(tmp_path) as access:
        made = await access.create()

        async def rotate(overlap_s, **fields):
            request = rpc.RotateApiKeyRequest(name=made.api_key.name, **fields)
            request.overlap.FromTimedelta(timedelta(seconds=overlap_s))
            return await access.access.RotateApiKey(request, metadata=bearer(ADMIN))

        second = await rotate(60)
        for text in (made.key_text, second.key_text):
            assert (await access.who(text)).name == made.api_key.name
        stale = await error_of(rotate(0, etag=made.api_key.etag))
        third = await rotate(0)
        assert (await access.who(third.key_text)).name == made.api_key.name
        await until_refused(access, second.key_text, ApiKeyRevokedError)
        await until_refused(access, made.key_text, ApiKeyUnknownError)
        too_long = await error_of(rotate(91 * 86_400))

    assert isinstance(stale, EtagMismatchError)
    assert isinstance(too_long, InvalidRequestError)


async def until_refused(access, text, error):
    """Within a second."""
    found = None

    async def look():
        nonlocal found
        while True:
            try:
                await access.who(text)
            except grpc.aio.AioRpcError:
                found = await error_of(access.who(text))
                return

    await look()
    assert isinstance(found, error)


async def test_a_revoked_key_stays_in_the_list_and_is_good_for_nothing(tmp_path):
    async with guarded(tmp_path) as access:
        made = await access.create()
        await access.who(made.key_text)
        name = made.api_key.name
        revoked = await access.access.RevokeApiKey(rpc.RevokeApiKeyRequest(name=name), metadata=bearer(ADMIN))
        again = await access.access.RevokeApiKey(rpc.RevokeApiKeyRequest(name=name), metadata=bearer(ADMIN))
        await until_refused(access, made.key_text, ApiKeyRevokedError)
        rotate = access.access.RotateApiKey(rpc.RotateApiKeyRequest(name=name), metadata=bearer(ADMIN))
        error = await error_of(rotate)

    assert revoked.HasField("revoke_time")
    assert again == revoked
    assert isinstance(error, ApiKeyRevokedError)


async def test_a_key_expires_by_itself(tmp_path):
    async with guarded(tmp_path) as access:
        soon = datetime.now(UTC) + timedelta(seconds=3)
        made = await access.create(expire_time=soon)
        await access.who(made.key_text)
        await until_true(lambda: datetime.now(UTC) > soon)
        error = await error_of(access.who(made.key_text))

    assert isinstance(error, ApiKeyExpiredError)


async def test_a_bound_key_acts_for_its_projects_alone(tmp_path):
    async with guarded(tmp_path) as access:
        for project in ("a", "b", "c"):
            await make_project(access, project)
        one = (await access.create("train", projects=["projects/a"])).key_text
        two = (await access.create("train", projects=["projects/a", "projects/b"])).key_text

        assert (await access.who(one)).project == "projects/a"
        assert (await access.who(two, **{"gnomon-project": "b"})).project == "projects/b"
        assert isinstance(await error_of(access.who(two)), ProjectUnstatedError)
        for header in ("c", "projects/c", "nowhere"):
            error = await error_of(access.who(one, **{"gnomon-project": header}))
            assert isinstance(error, ProjectDeniedError)
        get = registry_pb.GetProjectRequest
        for stub, request in (
            (access.registry.GetProject, get(name="projects/b")),
            (access.registry.CreateProject, registry_pb.CreateProjectRequest(project_id="new")),
            (access.registry.UpdateProject, registry_pb.UpdateProjectRequest(project={"name": "projects/b"})),
        ):
            assert isinstance(await error_of(stub(request, metadata=bearer(one))), ProjectDeniedError)
        await access.registry.GetProject(get(name="projects/a"), metadata=bearer(one))
        listed = await access.registry.ListProjects(
            registry_pb.ListProjectsRequest(page_size=1),
            metadata=bearer(two, **{"gnomon-project": "a"}),
        )
        rest = await access.registry.ListProjects(
            registry_pb.ListProjectsRequest(page_size=1, page_token=listed.next_page_token),
            metadata=bearer(two, **{"gnomon-project": "a"}),
        )

    assert [p.name for p in (*listed.projects, *rest.projects)] == ["projects/a", "projects/b"]
    assert rest.next_page_token == ""


async def test_what_needs_a_scope_is_refused_without_it(tmp_path):
    async with guarded(tmp_path) as access:
        text = (await access.create("score")).key_text
        nobody = await error_of(access.access.ListApiKeys(rpc.ListApiKeysRequest()))
        error = await error_of(access.access.ListApiKeys(rpc.ListApiKeysRequest(), metadata=bearer(text)))

    assert isinstance(nobody, ApiKeyMissingError)
    assert isinstance(error, ScopeMissingError)
    assert error.metadata["wanted"] == "admin"


async def test_the_operators_keys_are_told_apart(tmp_path):
    trainer, scorer = new_key().text, new_key().text
    (tmp_path / "key").write_text(f"{trainer}\n")
    async with guarded(tmp_path, trainer_key_file=tmp_path / "key", scorer_key=scorer) as access:
        scopes = [list((await access.who(text)).scopes) for text in (ADMIN, trainer, scorer)]
        key = read_key(ADMIN)
        verified = await access.access.VerifyApiKey(
            rpc.VerifyApiKeyRequest(api_key_id=key.id, secret_sha256=key.secret_sha256),
            metadata=bearer(scorer),
        )

    assert scopes == [["admin"], ["registry:write", "service"], ["service"]]
    assert verified.state == rpc.VerifyApiKeyResponse.VALID
    assert list(verified.scopes) == ["admin"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"admin_key": "hunter2"}, "GNOMON_REGISTRY_ADMIN_KEY is not the text of an API key"),
        ({"admin_key": " "}, "GNOMON_REGISTRY_ADMIN_KEY is empty"),
        ({"admin_key_file": "none"}, "GNOMON_REGISTRY_ADMIN_KEY and GNOMON_REGISTRY_ADMIN_KEY_FILE"),
        ({"admin_key": None, "admin_key_file": "none"}, "GNOMON_REGISTRY_ADMIN_KEY_FILE=none cannot be read"),
        ({"access": "off"}, "Set GNOMON_REGISTRY_ACCESS=keys"),
        ({"trainer_key": ADMIN}, "GNOMON_REGISTRY_TRAINER_KEY is"),
    ],
)
async def test_wrong_keys_of_the_operator_are_named_and_not_shown(tmp_path, changes, words):
    with pytest.raises(SettingError) as refused:
        async with guarded(tmp_path, **changes):
            pass
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert ADMIN not in str(refused.value)
    assert "hunter2" not in repr(settings(tmp_path, admin_key="hunter2"))
