"""Connects to the very addresses that were checked."""

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from httpcore2 import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError, ConnectTimeout

from gnomon_outbound.addresses import Address, is_metadata, is_never_a_service, is_public
from gnomon_outbound.errors import UnreachableError
from gnomon_outbound.targets import AllowedHosts, literal, not_to_be_called

_MOST_ADDRESSES = 4
_CONNECT_S = 5.0  # for one address, so that the next one gets its turn

# Names whose servers are silent must not take the threads that a service does its own work in.
_RESOLVERS = ThreadPoolExecutor(32, thread_name_prefix="resolve")

Resolve = Callable[[str], Awaitable[Sequence[Address]]]


async def resolve(host: str) -> Sequence[Address]:
    """Ask the system for the addresses of a name.

    Raises:
        UnreachableError: there are none.
    """
    ask = functools.partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, ask)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"The name {host} cannot be resolved. Check its spelling.") from error
    addresses = (literal(str(entry[4][0])) for entry in found)
    return [address for address in addresses if address is not None]


class GuardedNetwork(AsyncNetworkBackend):
    """Resolves a name once, checks all its addresses, and connects to one of them by number.

    Nothing resolves the name a second time, so that its owner cannot give
    another address in between. TLS still proves the name: it is the caller
    who goes on with it.
    """

    def __init__(
        self, allowed: AllowedHosts, resolve: Resolve = resolve, inner: AsyncNetworkBackend | None = None
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._inner = inner or AnyIOBackend()
        self._resolving: dict[str, asyncio.Future[Sequence[Address]]] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the signature is httpcore's
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> AsyncNetworkStream:
        problem = UnreachableError(f"{host} has no address.")
        for address in (await self._checked(host, port))[:_MOST_ADDRESSES]:
            try:
                return await self._inner.connect_tcp(str(address), port, timeout=timeout or _CONNECT_S)
            except (ConnectError, ConnectTimeout):
                problem = UnreachableError(f"Nothing answers at {host}, port {port}.")
        raise problem

    async def _checked(self, host: str, port: int) -> Sequence[Address]:
        address = literal(host)
        addresses = await self._resolved(host) if address is None else [address]
        if self._allowed.has(host, port):
            never = is_never_a_service if address is None else is_metadata
            ok = not any(map(never, addresses))
        else:
            ok = all(map(is_public, addresses))
        if not ok:  # one bad address among good ones is no accident
            raise not_to_be_called(host, port, addresses)
        return addresses

    async def _resolved(self, host: str) -> Sequence[Address]:
        """Resolve a name, once for all who wait for it: who leaves ends nothing for the others."""
        under_way = self._resolving.get(host)
        if under_way is None:
            under_way = self._resolving[host] = asyncio.ensure_future(self._resolve(host))
            under_way.add_done_callback(lambda future: self._was_resolved(host, future))
        return await asyncio.shield(under_way)

    def _was_resolved(self, host: str, future: asyncio.Future[Sequence[Address]]) -> None:
        del self._resolving[host]
        if not future.cancelled():
            future.exception()  # looked at: all who waited for it may have left
