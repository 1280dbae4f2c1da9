"""Plain text goes straight to its address: a proxy of the environment would read the key on its way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

import gnomon
from gnomon import health
from gnomon._security import Security
from gnomon.api_keys import new_key
from tests.sdk.serving import connected, serving

KEY = new_key().text
VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
EXCEPTIONS = ("no_grpc_proxy", "no_proxy")


class Proxy:
    """Counts who comes, and lets nobody through."""

    def __init__(self) -> None:
        self.visits: list[bytes] = []
        self.visited = asyncio.Event()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            self.visits.append(await reader.readline())
            self.visited.set()
        writer.close()


@contextlib.asynccontextmanager
async def proxied(monkeypatch: pytest.MonkeyPatch, variable: str = "https_proxy") -> AsyncIterator[Proxy]:
    """Set an environment in which gRPC goes through a proxy, for whatever address."""
    proxy = Proxy()
    server = await asyncio.start_server(proxy.meet, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    for name in (*VARIABLES, *EXCEPTIONS):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv(variable, f"http://{host}:{port}")
    async with server:
        yield proxy


async def project(request: Any, context: Any) -> Any:
    return gnomon.v1.resources_pb2.Project(name=request.name)


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_key_that_stays_on_this_machine_passes_no_proxy(
    kind: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(monkeypatch, variable) as proxy, serving(GetProject=project) as address:
        port = address.rpartition(":")[2]
        for target in (address, f"localhost:{port}", f"http://{address}", f"ipv4:{address}"):
            async with connected(kind, target, timeout_s=5.0, api_key=KEY) as client:
                assert (await client.projects.get("p")).name == "projects/p"
    assert proxy.visits == []


async def test_a_key_that_a_network_protects_passes_no_proxy_either(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxied(monkeypatch) as proxy, serving(GetProject=project) as address:
        options: dict[str, Any] = {"api_key": KEY, "plain_text_key": True}
        target = f"0.0.0.0:{address.rpartition(':')[2]}"  # this machine, though nobody may rely on it
        async with connected("async", target, timeout_s=5.0, **options) as client:
            await client.projects.get("p")
    assert proxy.visits == []


async def test_a_channel_of_ones_own_and_a_health_check_pass_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxied(monkeypatch) as proxy, serving(GetProject=project) as address:
        channel = Security(api_key=KEY).channel(grpc.aio, address, [("grpc.enable_retries", 0)])
        async with channel, asyncio.timeout(5):
            await channel.channel_ready()
        assert (await asyncio.to_thread(health.ask, address)).is_serving
    assert proxy.visits == []


def over_tls(address: str) -> Any:
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials())


def through_security(address: str) -> Any:
    return Security(tls=True).channel(grpc.aio, address, [])


@pytest.mark.parametrize("open_channel", [over_tls, through_security])
async def test_tls_may_pass_a_proxy_which_reads_nothing_of_it(
    open_channel: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This also shows that the proxy of these tests is one that gRPC finds."""
    async with proxied(monkeypatch) as proxy, open_channel("127.0.0.1:1") as channel:
        connecting = asyncio.ensure_future(channel.channel_ready())
        await asyncio.wait_for(proxy.visited.wait(), 10)
        connecting.cancel()
    assert proxy.visits[0].startswith(b"CONNECT 127.0.0.1:1")
