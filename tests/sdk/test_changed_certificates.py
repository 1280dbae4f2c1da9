"""A client goes on where the files are replaced that it knows the service by, or is known by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gnomon.errors import ServiceUnavailableError
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import registry_service_pb2_grpc as registry
from gnomon.v1 import resources_pb2
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings
from tests.rpc.certificates import Authority, Pair
from tests.rpc.serving import NAME, Scripted
from tests.sdk.serving import Failing, connected


def project(_: Any) -> resources_pb2.Project:
    return resources_pb2.Project(name="projects/p")


@contextlib.asynccontextmanager
async def serving(
    own: Pair, client_ca: Path | None = None, listen: str = "127.0.0.1:0", **methods: Any
) -> AsyncIterator[str]:
    """Serve over TLS; again at the same address, it is what clients see of a restart."""
    settings = ServerSettings(
        listen=listen,
        grace_s=0.1,
        tls_certificate_file=own.certificate,
        tls_key_file=own.key,
        tls_client_ca_file=client_ca,
    )
    servicer = Scripted(**{"GetProject": Failing(then=project), **methods})
    server = Server(settings, [Service(NAME, registry.add_RegistryServiceServicer_to_server, servicer)])
    await server.start()
    try:
        yield server.address
    finally:
        await server.stop()


async def works(client: Any) -> bool:
    return bool((await client.projects.get("p")).name == "projects/p")


@pytest.fixture
def old(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "old", "old")


@pytest.fixture
def new(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "new", "new")


@pytest.fixture
def trusted(tmp_path: Path, old: Authority) -> Path:
    """The client's file of authorities."""
    file = tmp_path / "ca.pem"
    trust(file, old)
    return file


def trust(file: Path, *authorities: Authority) -> None:
    file.write_bytes(b"".join(authority.file.read_bytes() for authority in authorities))


async def test_a_client_goes_on_while_the_authority_is_exchanged(
    kind: str, old: Authority, new: Authority, trusted: Path
) -> None:
    async with contextlib.AsyncExitStack() as life:
        async with serving(old.issue("server")) as address:
            client = await life.enter_async_context(connected(kind, address, ca_file=trusted))
            assert await works(client)
            trust(trusted, old, new)
            assert await works(client)
        async with serving(new.issue("server"), listen=address):
            assert await works(client)
            trust(trusted, new)
        async with serving(new.issue("server"), listen=address):
            assert await works(client)


async def test_a_client_shows_a_renewed_certificate_once_its_old_one_is_refused(
    kind: str, old: Authority, new: Authority
) -> None:
    own, mine, renewed = old.issue("server"), old.issue("client"), new.issue("client")
    shown: dict[str, Any] = {
        "certificate_file": mine.certificate,
        "certificate_key_file": mine.key,
        "timeout_s": 1.0,
    }
    async with contextlib.AsyncExitStack() as life:
        async with serving(own, old.file) as address:
            client = await life.enter_async_context(connected(kind, address, ca_file=old.file, **shown))
            assert await works(client)
        async with serving(own, new.file, listen=address):
            with pytest.raises(ServiceUnavailableError):
                await client.projects.get("p")
            mine.certificate.write_bytes(renewed.certificate.read_bytes())
            with pytest.raises(ServiceUnavailableError):  # the key of it is not there yet
                await client.projects.get("p")
            mine.key.write_bytes(renewed.key.read_bytes())
            assert await works(client)


@pytest.mark.parametrize(
    "half_written",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"-----BEGIN"),
        lambda file: file.unlink(),
    ],
    ids=["empty", "begun", "removed"],
)
async def test_files_that_are_not_whole_yet_change_nothing(
    kind: str, old: Authority, trusted: Path, half_written: Any
) -> None:
    async with contextlib.AsyncExitStack() as life:
        async with serving(old.issue("server")) as address:
            client = await life.enter_async_context(connected(kind, address, ca_file=trusted))
            assert await works(client)
            half_written(trusted)
        async with serving(old.issue("server"), listen=address):
            assert await works(client)


async def test_what_is_under_way_ends_on_its_old_channel_which_is_closed_then(
    kind: str, old: Authority, new: Authority, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def watch(request: Any, context: Any) -> Any:
        yield pb.WatchCatalogResponse(kind=pb.WatchCatalogResponse.HEARTBEAT)
        await go_on.wait()
        yield pb.WatchCatalogResponse(kind=pb.WatchCatalogResponse.SNAPSHOT_COMPLETE)

    channels = opened(kind, monkeypatch)
    get = Failing(grpc.StatusCode.UNAVAILABLE, then=project)
    async with (
        serving(old.issue("server"), GetProject=get, WatchCatalog=watch) as address,
        connected(kind, address, ca_file=trusted) as client,
        contextlib.aclosing(client.watch_catalog()) as events,
    ):
        await anext(events)
        trust(trusted, old, new)
        assert await works(client)
        assert list(channels.values()) == [False, False]
        go_on.set()
        assert [event.kind async for event in events] == [pb.WatchCatalogResponse.SNAPSHOT_COMPLETE]
        assert list(channels.values()) == [True, False]
        assert await works(client)
    assert list(channels.values()) == [True, True]


async def test_files_that_stay_as_they_are_leave_the_channel_as_it_is(
    kind: str, old: Authority, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = opened(kind, monkeypatch)
    get = Failing(*3 * [grpc.StatusCode.UNAVAILABLE], then=project)
    async with (
        serving(old.issue("server"), GetProject=get) as address,
        connected(kind, address, ca_file=trusted) as client,
    ):
        assert await works(client)
    assert len(channels) == 1


def opened(kind: str, monkeypatch: pytest.MonkeyPatch) -> dict[Any, bool]:
    """Return the channels that clients will have opened, in order, and whether each was closed."""
    concurrency = f"gnomon._{kind}.concurrency"
    open_channel = pytest.importorskip(concurrency).open_channel
    found: dict[Any, bool] = {}

    def noted(*args: Any) -> Any:
        channel = open_channel(*args)
        found[channel] = False
        close = channel.close

        def closing() -> Any:
            found[channel] = True
            return close()

        channel.close = closing
        return channel

    monkeypatch.setattr(f"{concurrency}.open_channel", noted)
    return found
