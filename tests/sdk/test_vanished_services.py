"""Services whose machine or network goes away without a word: nothing says that their connection is over."""

import asyncio
import importlib
from typing import Any

import pytest

from gnomon.errors import ServiceUnavailableError
from tests.rpc.networks import Network
from tests.sdk.serving import connected, serving

# What takes a client half a minute, in a second; patient, for a machine with much to do.
_QUICK = {
    "grpc.keepalive_time_ms": 200,
    "grpc.keepalive_timeout_ms": 1000,
    "grpc.http2.ping_timeout_ms": 1000,
}


@pytest.fixture
def quick_pings(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale down those options that the client has; none is added."""
    connection = importlib.import_module(f"gnomon._{kind}.connection")
    scaled = [(name, _QUICK.get(name, value)) for name, value in connection.OPTIONS]
    monkeypatch.setattr(connection, "OPTIONS", scaled)


@pytest.mark.usefixtures("quick_pings")
async def test_a_call_ends_soon_after_its_service_vanished(kind: str) -> None:
    begun = asyncio.Event()

    async def create(request: Any, context: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    async with (
        serving(CreateApiKey=create) as address,
        Network(address).open() as network,
        connected(kind, network.address, timeout_s=60.0) as client,
    ):
        call = asyncio.ensure_future(client.keys.create("score"))  # it is not called again
        await begun.wait()
        network.cut()
        with pytest.raises(ServiceUnavailableError, match="ping"):
            await asyncio.wait_for(call, 10)
