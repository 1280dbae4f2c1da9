"""A receiver of webhooks on loopback that answers as a test scripts it, and keeps what it took."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from gnomon import webhooks
from tests.outbound.listening import http, listening, read_request

MASTER_KEY = "a1" * 32


@dataclass
class Received:
    """One request."""

    headers: dict
    body: bytes
    path: str

    @property
    def id(self):
        return self.headers["webhook-id"]

    def event(self, secret):
        return webhooks.verify(self.body, self.headers, secret)


@dataclass
class Receiver:
    """Answers with `next`, one after the other, then with `answer`; an answer is a status line or bytes."""

    host: str = ""
    requests: list = field(default_factory=list)
    next: list = field(default_factory=list)
    answer: object = "204 No Content"
    delay_s: float = 0.0
    under_way: int = 0

    @property
    def url(self):
        return f"http://{self.host}/hook"

    @property
    def ids(self):
        return [request.id for request in self.requests]

    async def took(self, count, timeout_s=20.0):
        """Wait for so many requests, and return them."""
        async with asyncio.timeout(timeout_s):
            while len(self.requests) < count:
                await asyncio.sleep(0.01)
        return self.requests


@contextlib.asynccontextmanager
async def receiving(**script):
    receiver = Receiver(**script)

    async def respond(_reader, writer):
        raw = listener.requests[-1]
        await answer(raw, writer)
        while True:  # the connection is kept for the next one
            await answer(await read_request(_reader), writer)

    async def answer(raw, writer):
        receiver.requests.append(_received(raw))
        receiver.under_way += 1
        try:
            await asyncio.sleep(receiver.delay_s)
            reply = receiver.next.pop(0) if receiver.next else receiver.answer
            writer.write(reply if isinstance(reply, bytes) else http(b"", reply))
            await writer.drain()
        finally:
            receiver.under_way -= 1

    async with listening(respond) as listener:
        receiver.host = listener.host
        yield receiver


def _received(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Received({key.lower(): value for key, value in headers.items()}, body, first.split()[1])
