import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("psutil")

from benchmarks.scorer.http_target import HttpTarget
from benchmarks.scorer.peering import Peer, PeerEndedError

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def test_a_dead_peer_can_be_held_still_but_not_woken() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    peer = Peer("infinity", process, "127.0.0.1:1")
    peer.pause()
    peer.resume()
    with pytest.raises(PeerEndedError, match="infinity ended with status 0"), peer.awake():
        pass


@asynccontextmanager
async def _target(serve: Serve) -> AsyncIterator[HttpTarget]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, HttpTarget(f"127.0.0.1:{port}", "/classify", [{"input": ["x"]}], 5.0) as target:
        yield target


async def _read(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(b'{"input": ["x"]}'))


async def test_a_kept_connection_that_the_peer_closed_is_dropped() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read(reader)
        writer.write(_ANSWER)
        await writer.drain()

    async with _target(once) as target:
        for _ in range(3):
            assert await target.send(0) == ("OK", None)
            await asyncio.sleep(0.02)


async def test_a_call_goes_on_afresh_if_the_peer_closes_a_kept_connection_under_it() -> None:
    async def hang_up_on_the_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read(reader)
        writer.write(_ANSWER)
        await writer.drain()
        await _read(reader)

    async with _target(hang_up_on_the_second) as target:
        assert await target.send(0) == ("OK", None)
        assert await target.send(0) == ("OK", None)


async def test_a_peer_that_closes_every_connection_is_unavailable() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read(reader)

    async with _target(hang_up) as target:
        assert await target.send(0) == ("UNAVAILABLE", None)
