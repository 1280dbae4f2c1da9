"""Serves Prometheus metrics over HTTP from the event loop; no thread of its own."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from gnomon_rpc.settings import SettingError, host_and_port

log = structlog.get_logger(__name__)

_PATIENCE_S = 5.0  # for a client to send its request, and to take the answer
_MOST_BYTES = 16 * 1024  # of a request


class MetricsPage:
    """`GET /metrics`. Before it answers it calls `refresh` in the event loop, to bring gauges up to date."""

    def __init__(self, listen: str, registry: CollectorRegistry) -> None:
        self._listen = listen
        self._registry = registry
        self._server: asyncio.Server | None = None
        self._one_at_a_time = asyncio.Lock()
        self._open: set[asyncio.Task[None]] = set()
        self.refresh: Callable[[], None] = lambda: None
        self.address = ""

    async def start(self) -> None:
        """Answer from now on; `address` holds the port that was bound.

        Raises:
            SettingError: the address is taken or wrong.
        """
        host, port = host_and_port(self._listen)
        try:
            self._server = await asyncio.start_server(self._accept, host or None, port, limit=_MOST_BYTES)
        except OSError as error:
            raise SettingError(
                f"Cannot serve metrics at {self._listen}: it is taken or wrong. Name another address."
            ) from error
        bound = self._server.sockets[0].getsockname()[1]
        self.address = f"{self._listen.rpartition(':')[0]}:{bound}"
        log.info("serving metrics", address=self.address)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                writer.write(await self._answer(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, or never asked
        except asyncio.CancelledError:
            pass  # the page closes; streams of 3.11 take a cancelled task for a defect
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, request: bytes) -> bytes:
        first, *headers = request.decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        if method not in {"GET", "HEAD"}:
            return _response("405 Method Not Allowed", "text/plain", b"Only GET.\n")
        if rest.partition(" ")[0].partition("?")[0] != "/metrics":
            return _response("404 Not Found", "text/plain", b"See /metrics.\n")
        encode, content_type = choose_encoder(_accepted(headers))
        async with self._one_at_a_time:  # nobody may read between the gauges of another's refresh
            self.refresh()
            body = await asyncio.to_thread(encode, self._registry)  # thousands of lines if versions are many
        return _response("200 OK", content_type, body, with_body=method == "GET")


def _accepted(headers: list[str]) -> str:
    pairs = (header.partition(":") for header in headers)
    return ",".join(value.strip() for name, _, value in pairs if name.strip().lower() == "accept")


def _response(status: str, content_type: str, body: bytes, *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
