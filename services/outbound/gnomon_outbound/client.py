"""The one client for calls to addresses that users name."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from weakref import WeakValueDictionary

import httpcore2

from gnomon_outbound.errors import (
    BusyError,
    OutboundError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
)
from gnomon_outbound.network import GuardedNetwork, Resolve, resolve
from gnomon_outbound.targets import AllowedHosts, Target, target_of

_MOST_CONNECTIONS = 64  # to one origin: a server that hangs must not take those of others
_IDLE_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Course:
    """How far a call has come."""

    has_place: bool = False
    was_sent: bool = False
    _unproved: httpcore2.AsyncNetworkStream | None = None  # connected, and TLS is not agreed on

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of what httpcore tells."""
        if event == "connection.connect_tcp.complete":
            self._unproved = info["return_value"]
        elif event == "connection.start_tls.complete":
            self._unproved = None
        elif event == "http11.send_request_headers.started":
            self._unproved, self.was_sent = None, True

    async def clear(self) -> None:
        """Close the connection of a call that was given up during TLS, as httpcore leaves it open."""
        if self._unproved is not None:
            await self._unproved.aclose()


class OutboundClient:
    """Calls public HTTPS servers, and the hosts that the operator allows; nothing else.

    It follows no redirect, knows no proxy, keeps no cookie and unpacks
    nothing. Headers of an answer are limited to 100 KiB by httpcore. Belongs
    to one event loop; close it there.
    """

    def __init__(
        self,
        allowed: AllowedHosts,
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        logging.getLogger("httpcore2").setLevel(logging.WARNING)  # it tells about requests at debug
        self._allowed = allowed
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls or httpcore2.default_ssl_context(),
            max_connections=None,  # see `_place`
            keepalive_expiry=_IDLE_S,
            network_backend=GuardedNetwork(allowed, resolve, network),
        )
        self._places: WeakValueDictionary[tuple[str, str, int], asyncio.Semaphore] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    def check(self, url: str) -> None:
        """Raise RefusedError if the URL can be seen to be refused before its name is resolved."""
        target_of(url, self._allowed)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, deadline_s: float, max_bytes: int
    ) -> Answer:
        """Send a body; return the whole answer, whatever its status.

        `deadline_s` is for all of it, the last byte included; `max_bytes` for the body that comes.

        Raises:
            RefusedError: the URL, or an address that its host has, may not be called.
            UnreachableError: no connection, no valid TLS certificate, or no HTTP.
            TooSlowError: the answer was not complete in time.
            BusyError: no connection was free in time.
            TooLargeError: the answer is larger.
        """
        target, course = target_of(url, self._allowed), _Course()
        try:
            async with asyncio.timeout(deadline_s), self._place(target):
                course.has_place = True
                return await self._called(target, body, headers, max_bytes, course)
        except TimeoutError as error:
            late = _late(target, deadline_s, course)
            late.was_sent = course.was_sent
            raise late from error
        except OutboundError as error:
            error.was_sent = course.was_sent
            raise

    def _place(self, target: Target) -> asyncio.Semaphore:
        """Return the places at an origin. They last as long as somebody has one or waits for it."""
        origin = (target.scheme, target.host, target.port)
        place = self._places.get(origin) or asyncio.Semaphore(_MOST_CONNECTIONS)
        return self._places.setdefault(origin, place)

    async def _called(
        self, target: Target, body: bytes, headers: Mapping[str, str], max_bytes: int, course: _Course
    ) -> Answer:
        try:
            return await self._post(target, body, headers, max_bytes, course)
        except (httpcore2.NetworkError, httpcore2.TimeoutException, ssl.SSLError, OSError) as error:
            raise UnreachableError(_why(target, error)) from error
        except httpcore2.ProtocolError as error:
            raise UnreachableError(
                f"{target.host} broke off, or its answer is not HTTP/1.1 with headers under 100 KiB."
            ) from error
        finally:
            await course.clear()

    async def _post(
        self, target: Target, body: bytes, headers: Mapping[str, str], max_bytes: int, course: _Course
    ) -> Answer:
        url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        sent = {"host": target.authority, "accept-encoding": "identity", "user-agent": "gnomon"}
        lines = list((sent | {key.lower(): value for key, value in headers.items()}).items())
        watched = {"trace": course.trace}
        sending = self._pool.stream("POST", url, headers=lines, content=body, extensions=watched)
        async with sending as response:
            found = {
                key.decode("latin-1").lower(): value.decode("latin-1") for key, value in response.headers
            }
            if found.get("content-encoding", "identity").lower() != "identity":
                raise UnreachableError(f"{target.host} packs its answers although it was asked not to.")
            body = await _read(response, target.host, max_bytes)
            more = _left_over(response)
            if more != b"":  # on this connection it would be taken for the answer of the next call
                await response.extensions["network_stream"].aclose()
            if more:
                raise UnreachableError(f"{target.host} sends more than the answer that it announced.")
            return Answer(response.status, found, body)


async def _read(response: httpcore2.Response, host: str, max_bytes: int) -> bytes:
    content = bytearray()
    async for part in response.aiter_stream():
        content += part
        if len(content) > max_bytes:
            raise TooLargeError(f"The answer of {host} is larger than {max_bytes} bytes.")
    return bytes(content)


def _left_over(response: httpcore2.Response) -> bytes | None:
    """Return what came behind the answer; None if it cannot be known, as nothing public tells it."""
    try:
        state: Any = response.stream._stream._connection._h11_state  # type: ignore[union-attr]
        return bytes(state.trailing_data[0])
    except AttributeError:
        return None


def _late(target: Target, deadline_s: float, course: _Course) -> OutboundError:
    if course.was_sent:
        return TooSlowError(f"{target.host} did not answer completely in {deadline_s:g} s.")
    if course.has_place:
        return TooSlowError(f"{target.host} could not be connected to in {deadline_s:g} s.")
    return BusyError(
        f"All {_MOST_CONNECTIONS} connections to {target.host} were in use for {deadline_s:g} s. "
        "Ask it less at once, or wait longer."
    )


def _why(target: Target, error: Exception) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"The TLS certificate of {target.host} is not one that this machine trusts for that name."
    return f"The connection to {target.host}, port {target.port}, failed or was closed."
