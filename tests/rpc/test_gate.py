"""The gate at a real server: what it keeps from handlers, and what it tells them."""

import asyncio
import contextlib
import dataclasses
from types import SimpleNamespace

import grpc
import pytest

from gnomon.api_keys import new_key
from gnomon.errors import (
    ApiKeyMissingError,
    ApiKeyRevokedError,
    PermissionDeniedError,
    QuotaExceededError,
)
from gnomon.quotas import Quotas
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import registry_service_pb2_grpc as registry
from gnomon.v1 import resources_pb2
from gnomon_rpc import caller, methods
from gnomon_rpc.access import KeyAnswer, KeyState
from gnomon_rpc.caller import Caller
from gnomon_rpc.limits import Limits
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings
from tests.rpc.serving import NAME, Scripted, refused

KEY = new_key()


class Keys:
    """Knows one key."""

    def __init__(self, *scopes, projects=()):
        name = f"apiKeys/{KEY.id}"
        self.caller = Caller(name, "bot", frozenset(scopes), frozenset(projects))
        self.state = KeyState.VALID

    async def look_up(self, key_id, secret_sha256):
        if secret_sha256 != KEY.secret_sha256:
            return KeyAnswer(KeyState.UNKNOWN)
        known = self.caller if self.state is KeyState.VALID else None
        return KeyAnswer(self.state, self.caller.name, known)


@contextlib.asynccontextmanager
async def serving(keys, limits=None, **scripted):
    settings = ServerSettings(listen="127.0.0.1:0", grace_s=0.1, access="keys" if keys else "off")
    add = registry.add_RegistryServiceServicer_to_server
    server = Server(settings, [Service(NAME, add, Scripted(**scripted))], keys=keys, limits=limits)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield channel
    finally:
        await server.stop()


def bearer(text=KEY.text, **more):
    return (("authorization", f"Bearer {text}"), *((k.replace("_", "-"), v) for k, v in more.items()))


async def told(request, context):
    await asyncio.sleep(0)
    found = await asyncio.to_thread(caller.current)
    return resources_pb2.Metric(name=found.name, display_name=found.display_name, description=found.project)


async def test_a_request_that_is_not_let_in_is_not_even_parsed():
    async with serving(Keys("score"), GetMetric=told) as channel:
        raw = channel.unary_unary(f"/{NAME}/GetMetric")
        garbage = b"\xff\xff\xff"
        _, nobody = await refused(raw(garbage))
        code, parsed = await refused(raw(garbage, metadata=bearer()))

    assert isinstance(nobody, ApiKeyMissingError)
    assert code is grpc.StatusCode.UNKNOWN  # gRPC's own words for what cannot be parsed
    assert not isinstance(parsed, ApiKeyMissingError)


async def test_a_handler_and_its_threads_know_who_calls_and_for_which_project():
    async with serving(Keys("score", projects=["a", "b"]), GetMetric=told) as channel:
        stub = registry.RegistryServiceStub(channel)
        request = pb.GetMetricRequest(name="metrics/x")
        answers = await asyncio.gather(
            *(stub.GetMetric(request, metadata=bearer(gnomon_project=p)) for p in "abab")
        )
    assert [answer.description for answer in answers] == ["a", "b", "a", "b"]
    assert {answer.name for answer in answers} == {f"apiKeys/{KEY.id}"}


async def test_without_access_control_the_caller_is_local():
    async with serving(None, GetMetric=told) as channel:
        stub = registry.RegistryServiceStub(channel)
        request = pb.GetMetricRequest(name="metrics/x")
        plain = await stub.GetMetric(request)
        stating = await stub.GetMetric(request, metadata=(("gnomon-project", "p"),))
    assert (plain.name, plain.display_name, plain.description) == ("", "local", "")
    assert stating.description == "p"


async def test_what_watches_over_calls_knows_who_makes_them_and_who_was_refused():
    seen = []

    class Watch:
        def begin(self, method, context):
            seen.append(caller.current())
            return seen.append

    settings = ServerSettings(listen="127.0.0.1:0", grace_s=0.1, access="keys")
    add, keys = registry.add_RegistryServiceServicer_to_server, Keys("score", projects=["a"])
    telemetry = SimpleNamespace(watches=[Watch()], start=_nothing, stop=_nothing)
    server = Server(settings, [Service(NAME, add, Scripted(GetMetric=told))], None, telemetry, keys)
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = registry.RegistryServiceStub(channel)
        request = pb.GetMetricRequest(name="metrics/x")
        await stub.GetMetric(request, metadata=bearer(gnomon_project="a"))
        await refused(stub.GetMetric(request))
        await refused(stub.CreateMetric(pb.CreateMetricRequest(), metadata=bearer()))
    await server.stop()

    known, ok, nobody, unauthenticated, short, denied = seen
    assert (known.name, known.project, ok) == (f"apiKeys/{KEY.id}", "a", "OK")
    assert (nobody, unauthenticated) == (caller.UNKNOWN, "UNAUTHENTICATED")
    assert (short.name, short.scopes, denied) == (known.name, frozenset(), "PERMISSION_DENIED")
    assert not any(each.is_local for each in (known, nobody, short))


async def _nothing():
    pass


async def test_a_method_without_an_entry_is_refused_even_to_an_admin(monkeypatch):
    monkeypatch.setattr("gnomon_rpc.gate.described", lambda method: methods.Method(None))
    async with serving(Keys("admin"), GetMetric=told) as channel:
        stub = registry.RegistryServiceStub(channel)
        _, error = await refused(stub.GetMetric(pb.GetMetricRequest(name="metrics/x"), metadata=bearer()))
    assert type(error) is PermissionDeniedError


async def test_a_handler_whose_key_is_revoked_is_stopped_and_its_caller_told_why():
    keys, ended = Keys("score"), asyncio.Event()

    async def endless(request, context):
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def watch(request, context):
        yield pb.WatchCatalogResponse()
        await endless(request, context)

    async with serving(keys, GetMetric=endless, WatchCatalog=watch) as channel:
        stub = registry.RegistryServiceStub(channel)
        unary = stub.GetMetric(pb.GetMetricRequest(name="metrics/x"), metadata=bearer())
        stream = stub.WatchCatalog(pb.WatchCatalogRequest(), metadata=bearer())
        await anext(aiter(stream))
        keys.state = KeyState.REVOKED
        async with asyncio.timeout(10):
            _, of_unary = await refused(unary)
            _, of_stream = await refused(anext(aiter(stream)))
            await ended.wait()

    assert isinstance(of_unary, ApiKeyRevokedError)
    assert isinstance(of_stream, ApiKeyRevokedError)


async def test_a_stream_goes_by_the_quotas_that_its_key_has_now():
    keys, limits = Keys("score"), Limits()

    async def read(request, context):
        while True:
            await asyncio.sleep(0.01)
            try:
                limits.check_tokens()
            except QuotaExceededError as error:
                yield pb.WatchCatalogResponse(alias=error.metadata["limit"])
            else:
                limits.debit_tokens(1000)
                yield pb.WatchCatalogResponse()

    def limit(tokens_per_minute):
        keys.caller = dataclasses.replace(keys.caller, quotas=Quotas(tokens_per_minute=tokens_per_minute))

    async with serving(keys, limits=limits, WatchCatalog=read) as channel:
        stream = registry.RegistryServiceStub(channel).WatchCatalog(
            pb.WatchCatalogRequest(), metadata=bearer()
        )

        async def until_limited_to(limit):
            async with asyncio.timeout(10):
                while (await stream.read()).alias != limit:
                    pass

        await until_limited_to("")
        for now, expected in ((600, "600"), (500, "500"), (0, "")):
            limit(now)
            await until_limited_to(expected)
        stream.cancel()


async def test_a_stream_whose_caller_reads_nothing_is_ended_as_well():
    keys, ended = Keys("score"), asyncio.Event()

    async def flood(request, context):
        try:
            while True:
                yield pb.DownloadBlobResponse(content=bytes(1024 * 1024))
        finally:
            ended.set()

    async with serving(keys, DownloadBlob=flood) as channel:
        stub = registry.RegistryServiceStub(channel)
        stream = stub.DownloadBlob(pb.DownloadBlobRequest(sha256="a" * 64), metadata=bearer())
        await anext(aiter(stream))
        keys.state = KeyState.REVOKED
        async with asyncio.timeout(10):
            await ended.wait()


@pytest.mark.parametrize(
    "shown",
    ["", "gnm_x", KEY.text[:-1], KEY.text + "\n", f"{KEY.text} {KEY.text}"],
    ids=["nothing", "too short", "cut", "two lines", "two keys"],  # of random keys, names would differ
)
async def test_what_is_no_key_is_refused_without_a_question(shown):
    keys = Keys("admin")
    keys.look_up = None  # would fail
    async with serving(keys, GetMetric=told) as channel:
        stub = registry.RegistryServiceStub(channel)
        request = pb.GetMetricRequest(name="metrics/x")
        metadata = (("authorization", f"Bearer {shown}".replace("\n", " ")),)
        _, error = await refused(stub.GetMetric(request, metadata=metadata))
    assert error.reason == "API_KEY_MALFORMED"
    assert KEY.text not in error.message
