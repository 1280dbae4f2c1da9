"""A peer as the target of a load: HTTP/1.1 with kept connections, cheap for the sender's processor."""

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class HttpTarget:
    """Posts one text a call. `deadline_s` is how long one call may take."""

    def __init__(self, address: str, path: str, bodies: Sequence[dict[str, Any]], deadline_s: float) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._deadline_s = deadline_s
        self._idle: list[Connection] = []
        self._requests = [_request(address, path, body) for body in bodies]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, writer in self._idle:
            writer.close()

    async def send(self, i: int) -> tuple[str, float | None]:
        try:
            async with asyncio.timeout(self._deadline_s):
                status = await self._exchange(self._requests[i % len(self._requests)])
        except TimeoutError:
            return "DEADLINE_EXCEEDED", None
        except (OSError, asyncio.IncompleteReadError):
            return "UNAVAILABLE", None
        return ("OK" if status == 200 else f"HTTP {status}"), None

    async def _exchange(self, request: bytes) -> int:
        """A kept connection may be closed by the peer as it is used: then the call goes on a fresh one."""
        kept = self._kept()
        if kept is not None:
            try:
                return await self._exchange_on(kept, request)
            except _UnusedError:
                pass
        fresh = await asyncio.open_connection(self._host, self._port)
        return await self._exchange_on(fresh, request)

    def _kept(self) -> Connection | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None

    async def _exchange_on(self, connection: Connection, request: bytes) -> int:
        reader, writer = connection
        try:
            writer.write(request)
            head = (await _head(reader)).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        self._idle.append(connection)
        return int(head.split(None, 2)[1])


class _UnusedError(ConnectionError):
    """The peer closed the connection before any byte of its answer."""


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        raise _UnusedError from None
    except ConnectionError as error:
        raise _UnusedError from error


def _request(address: str, path: str, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
