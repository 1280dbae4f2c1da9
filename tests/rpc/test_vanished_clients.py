"""Clients whose machine or network goes away without a word: nothing says that their connection is over."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import registry_service_pb2_grpc as registry
from gnomon.v1 import resources_pb2
from gnomon_rpc import server as rpc_server
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings
from tests.rpc.networks import Network
from tests.rpc.serving import NAME, Scripted

OF_ITS_OWN = [("grpc.use_local_subchannel_pool", 1)]


class Busy:
    """A call that says nothing until it is let go; `ended` once it is over, `abandoned` if nobody waited."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.abandoned = False

    async def __call__(self, request: Any, context: Any) -> Any:
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.abandoned = True
            raise
        finally:
            self.ended.set()
        return resources_pb2.Project(name="projects/p")


@contextlib.asynccontextmanager
async def reached_over_a_network(busy: Busy) -> AsyncIterator[tuple[Network, Any]]:
    add = registry.add_RegistryServiceServicer_to_server
    server = Server(
        ServerSettings(listen="127.0.0.1:0", grace_s=0), [Service(NAME, add, Scripted(GetProject=busy))]
    )
    await server.start()
    try:
        async with (
            Network(server.address).open() as network,
            grpc.aio.insecure_channel(network.address, options=OF_ITS_OWN) as channel,
        ):
            yield network, registry.RegistryServiceStub(channel)  # type: ignore[no-untyped-call]
    finally:
        await server.stop()


@pytest.fixture
def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_server, "_PING_EVERY_MS", 50)
    monkeypatch.setattr(rpc_server, "_PING_ANSWER_MS", 1000)  # patient, for a machine with much to do


@pytest.mark.usefixtures("quick_pings")
async def test_a_call_ends_soon_after_its_client_vanished() -> None:
    busy = Busy()
    async with reached_over_a_network(busy) as (network, stub):
        call = asyncio.ensure_future(stub.GetProject(pb.GetProjectRequest(name="projects/p")))
        await busy.begun.wait()
        await asyncio.sleep(0.3)  # several pings, each answered
        assert not busy.ended.is_set()
        network.cut()
        await asyncio.wait_for(busy.ended.wait(), 10)
        call.cancel()

    assert busy.abandoned


@pytest.mark.usefixtures("quick_pings")
async def test_a_client_that_waits_in_silence_keeps_its_call() -> None:
    busy = Busy()
    async with reached_over_a_network(busy) as (_, stub):
        call = asyncio.ensure_future(stub.GetProject(pb.GetProjectRequest(name="projects/p")))
        await busy.begun.wait()
        await asyncio.sleep(0.8)  # pings are answered, however many
        busy.go_on.set()

        assert (await call).name == "projects/p"
    assert not busy.abandoned
