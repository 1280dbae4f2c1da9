"""A network between two peers, which can go away without a word."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Network:
    """Carries connections to an address until it is cut; then it keeps them open and carries nothing.

    It takes no new ones then: peers that try again all the time would be met at the very end, too.
    """

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._carries = asyncio.Event()
        self._carries.set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._ends: list[asyncio.StreamWriter] = []
        self.address = ""

    def cut(self) -> None:
        self._carries.clear()
        self._listening.close()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Network"]:
        self._listening = await asyncio.start_server(self._meet, self._host)
        self.address = f"{self._host}:{self._listening.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self._listening.close()
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            for end in self._ends:
                end.close()
            await asyncio.gather(*(end.wait_closed() for end in self._ends), return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.append(writer)
        there, onwards = await asyncio.open_connection(self._host, self._port)
        self._ends.append(onwards)
        for source, target in ((reader, onwards), (there, writer)):
            self._under_way.add(asyncio.create_task(self._carry(source, target)))

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while content := await source.read(65536):
                await self._carries.wait()
                target.write(content)
                await target.drain()
        finally:
            target.close()
