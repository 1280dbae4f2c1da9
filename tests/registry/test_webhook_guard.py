"""Webhooks go through the guarded client: addresses that may not be called are not, and it is said."""

import functools
import ipaddress

import pytest
from httpcore2 import AsyncNetworkBackend, ConnectError

from gnomon.errors import EndpointNotAllowedError
from gnomon.status import from_status
from gnomon_outbound.client import OutboundClient
from gnomon_registry import webhook_wiring
from tests.outbound.listening import http, listening
from tests.registry.hooking import created, got, hooked, the_delivery, tried_out
from tests.registry.receiver import receiving

PUBLIC, INNER = "1.1.1.1", "127.0.0.1"


class Recording(AsyncNetworkBackend):
    """Connects nowhere, and tells where to it was to."""

    def __init__(self):
        self.connected = []

    async def connect_tcp(self, host, port, **options):
        self.connected.append(host)
        raise ConnectError("a test")


async def first_attempts(caller, count):
    await caller.version()
    delivery = await the_delivery(caller, lambda found: len(found.attempts) >= count)
    return [attempt.error for attempt in delivery.attempts[:count]]


async def test_a_name_of_this_machine_is_not_connected_to(tmp_path):
    async with listening() as inner, hooked(tmp_path) as caller:
        await created(caller, f"https://localhost:{inner.port}/hook")
        (error,) = await first_attempts(caller, 1)
        tried = from_status((await tried_out(caller)).error)
        assert "localhost is not a public address" in error
        assert "not a public address" in (await got(caller)).last_error
        assert isinstance(tried, EndpointNotAllowedError)
    assert inner.connections == 0


async def test_an_allowed_host_sends_nobody_elsewhere(tmp_path):
    async with listening() as inner:
        answer = http(b"", "307 Elsewhere", f"Location: {inner.url}")
        async with receiving(answer=answer) as receiver, hooked(tmp_path, receiver) as caller:
            await created(caller, receiver.url)
            (error,) = await first_attempts(caller, 1)
    assert error.startswith("The receiver answered 307. Redirects are not followed")
    assert inner.connections == 0


async def test_a_name_that_is_moved_inside_is_refused_from_then_on(tmp_path, monkeypatch):
    moves = [[PUBLIC], [INNER], [PUBLIC, INNER], [PUBLIC]]
    network = Recording()

    async def resolve(host):
        return [ipaddress.ip_address(each) for each in (moves.pop(0) if moves else [PUBLIC])]

    client = functools.partial(OutboundClient, resolve=resolve, network=network)
    monkeypatch.setattr(webhook_wiring, "OutboundClient", client)
    async with hooked(tmp_path) as caller:
        await created(caller, "https://receiver.example/hook")
        errors = await first_attempts(caller, 4)
    assert ["Nothing answers" in error for error in errors] == [True, False, False, True]
    assert ["not a public address" in error for error in errors] == [False, True, True, False]
    assert set(network.connected) == {PUBLIC}


@pytest.mark.parametrize("answer", [http(b"x" * 70_000), b"SMTP ready\r\n\r\n"])
async def test_an_answer_that_is_none_is_a_failed_attempt(answer, tmp_path):
    async with receiving(answer=answer) as receiver, hooked(tmp_path, receiver) as caller:
        await created(caller, receiver.url)
        (error,) = await first_attempts(caller, 1)
    assert "larger than" in error or "not HTTP" in error


async def test_a_receiver_that_does_not_end_its_answer_is_left(tmp_path):
    changes = {"webhook_timeout_s": 0.3, "webhook_longest_retry_s": 60.0}
    async with (
        receiving(answer=b"HTTP/1.1 200 OK\r\n") as receiver,
        hooked(tmp_path, receiver, **changes) as caller,
    ):
        await created(caller, receiver.url)
        (error,) = await first_attempts(caller, 1)
    assert "did not answer completely in 0.3 s" in error
