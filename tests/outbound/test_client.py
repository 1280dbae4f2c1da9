"""What the guarded client promises of an answer: its size, its time, its name."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from gnomon_outbound import client as client_module
from gnomon_outbound.client import OutboundClient
from gnomon_outbound.errors import BusyError, OutboundError, TooLargeError, TooSlowError, UnreachableError
from gnomon_outbound.targets import AllowedHosts
from tests.outbound.listening import certificate, http, listening, read_request
from tests.outbound.test_addresses import LOOPBACK, post, resolving

SHORT_S = 0.4


def answering(*parts: bytes, pause_s: float = 0.0, close: bool = True) -> Any:
    async def respond(reader: Any, writer: Any) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if not close:
            await asyncio.sleep(60)

    return respond


async def call(respond: Any, **options: Any) -> Any:
    async with listening(respond) as server, OutboundClient(AllowedHosts.parse(server.host)) as client:
        return await post(client, server.url, **options)


async def test_an_answer_comes_back_whole_whatever_its_status() -> None:
    answer = await call(answering(http(b"no", "418 Teapot", "X-Kind: Green")))

    assert (answer.status, answer.body, answer.headers["x-kind"]) == (418, b"no", "Green")


async def test_a_body_over_the_limit_is_not_read_to_its_end() -> None:
    endless = answering(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65_536] * 10_000)
    with pytest.raises(TooLargeError, match="larger than 1000 bytes"):
        await call(endless)


async def test_a_body_of_just_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert len((await call(answering(http(b"x" * 1000)))).body) == 1000
    with pytest.raises(TooLargeError):
        await call(answering(http(b"x" * 1001)))


@pytest.mark.parametrize(
    "respond",
    [
        answering(close=False),
        answering(b"HTTP/1.1 200 OK\r\n", close=False),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b"x"] * 100, pause_s=0.05),
        answering(*[b"H"] * 100, pause_s=0.05),
        answering(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 100, pause_s=0.05),
    ],
    ids=["silence", "half a head", "a dripping body", "a dripping head", "endless interim answers"],
)
async def test_the_deadline_holds_for_the_whole_answer(respond: Any) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(TooSlowError, match=r"127\.0\.0\.1 did not answer completely in 0\.4 s"):
        await call(respond, deadline_s=SHORT_S)
    assert loop.time() - started < 4.0


async def test_a_name_that_resolves_too_slowly_is_given_up() -> None:
    async def resolve(host: str) -> Any:
        await asyncio.sleep(60)

    async with OutboundClient(AllowedHosts(), resolve=resolve) as client:
        with pytest.raises(TooSlowError):
            await post(client, "https://api.example.com/", deadline_s=0.1)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(20_000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        http(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"),
    ],
    ids=[
        "nothing",
        "another protocol",
        "a cut body",
        "a huge header",
        "many headers",
        "bad chunks",
        "packed",
    ],
)
async def test_what_is_not_a_plain_http_answer_is_a_failure_in_words(answer: bytes) -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
        await call(answering(answer))


def one_by_one(*answers: bytes) -> Any:
    """Answer one request after the other on a connection, with the same answers on each."""

    async def respond(reader: Any, writer: Any) -> None:
        for answer in answers:
            writer.write(answer)
            await writer.drain()
            await read_request(reader)

    return respond


async def test_a_connection_is_used_again() -> None:
    plain, chunked = http(b"1"), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n0\r\n\r\n"
    answers = one_by_one(plain, chunked, plain)
    async with listening(answers) as server, OutboundClient(AllowedHosts.parse(server.host)) as client:
        bodies = [(await post(client, server.url)).body for _ in range(3)]

    assert (bodies, server.connections) == ([b"1", b"2", b"1"], 1)


async def test_a_server_that_hangs_takes_no_connection_from_another() -> None:
    async with listening(answering(close=False)) as hanging, listening() as healthy:
        allowed = AllowedHosts.parse(f"{hanging.host},{healthy.host}")
        async with OutboundClient(allowed) as client:
            calls = [asyncio.create_task(post(client, hanging.url, deadline_s=2.0)) for _ in range(70)]
            while hanging.connections < 64:
                await asyncio.sleep(0.01)
            assert (await post(client, healthy.url, deadline_s=2.0)).status == 200

            with pytest.raises(BusyError, match=r"All 64 connections to 127\.0\.0\.1") as caught:
                await post(client, hanging.url, deadline_s=0.05)
            assert not caught.value.was_sent
            for each in calls:
                each.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        assert hanging.connections == 64


async def test_a_silent_name_is_asked_for_once_and_holds_up_no_other() -> None:
    asked, silence = [], asyncio.Event()

    async def resolve(host: str) -> Any:
        asked.append(host)
        if host == "silent.example":
            await silence.wait()
            raise UnreachableError("The name silent.example cannot be resolved.")
        return [LOOPBACK]

    async with listening() as server:
        allowed = AllowedHosts.parse(f"models.internal:{server.port}")
        async with OutboundClient(allowed, resolve=resolve) as client:
            calls = [
                asyncio.create_task(post(client, "https://silent.example/", deadline_s=5.0)) for _ in range(9)
            ]
            with pytest.raises(TooSlowError, match="could not be connected to"):
                await post(client, "https://silent.example/", deadline_s=0.05)
            await post(client, f"http://models.internal:{server.port}/")
            silence.set()
            told = await asyncio.gather(*calls, return_exceptions=True)

    assert asked == ["silent.example", "models.internal"]
    assert {type(error) for error in told} == {UnreachableError}


async def test_an_error_tells_whether_the_server_may_have_got_something() -> None:
    async with listening(answering(close=False)) as silent, listening(answering(b"+OK")) as other:
        allowed = AllowedHosts.parse(f"{silent.host},{other.host},127.0.0.2:{silent.port}")
        async with OutboundClient(allowed) as client:
            for url, was_sent in (
                (silent.url, True),
                (other.url, True),
                (f"https://{silent.host}/", False),  # the server keeps silent where TLS would begin
                (f"http://127.0.0.2:{silent.port}/", False),
            ):
                with pytest.raises(OutboundError) as caught:
                    await post(client, url, deadline_s=0.2)
                assert caught.value.was_sent == was_sent, url


async def test_a_call_that_is_given_up_during_tls_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def hear(reader: Any, writer: Any) -> None:
        await reader.read()  # to the end
        writer.close()
        closed.set()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, OutboundClient(AllowedHosts.parse(host)) as client:
        with pytest.raises(TooSlowError):
            await post(client, f"https://{host}/", deadline_s=0.1)
        await asyncio.wait_for(closed.wait(), 5.0)


@pytest.mark.parametrize("surplus", [http(b"of another call"), b"HTTP/1.1 200 OK\r\n", b"\r\n "])
async def test_what_comes_behind_an_answer_is_never_the_answer_of_another_call(surplus: bytes) -> None:
    answers = one_by_one(http(b"1") + surplus, http(b"2"))
    async with listening(answers) as server, OutboundClient(AllowedHosts.parse(server.host)) as client:
        for _ in range(2):
            with pytest.raises(UnreachableError, match=r"127\.0\.0\.1 sends more than the answer"):
                await post(client, server.url)

    assert server.connections == 2


async def test_without_knowing_what_comes_behind_no_connection_is_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "_left_over", lambda response: None)
    answers = one_by_one(http(b"1"), http(b"2"))
    async with listening(answers) as server, OutboundClient(AllowedHosts.parse(server.host)) as client:
        assert [(await post(client, server.url)).body for _ in range(2)] == [b"1", b"1"]


async def test_a_closed_port_is_said_to_be_silent() -> None:
    async with listening() as server:
        url, host = server.url, server.host
    async with OutboundClient(AllowedHosts.parse(host)) as client:
        with pytest.raises(UnreachableError, match="Nothing answers at"):
            await post(client, url)


async def test_tls_proves_the_name_although_the_address_is_connected(tmp_path: Path) -> None:
    names = []
    prove, believe = certificate(tmp_path, "models.internal")
    prove.sni_callback = lambda _, name, __: names.append(name)
    async with listening(tls=prove) as server:
        allowed = AllowedHosts.parse(f"models.internal:{server.port},other.internal:{server.port}")
        async with OutboundClient(allowed, tls=believe, resolve=resolving([LOOPBACK])) as client:
            answer = await post(client, f"https://models.internal:{server.port}/v1")
            with pytest.raises(UnreachableError, match=r"certificate of other\.internal"):
                await post(client, f"https://other.internal:{server.port}/v1")

        assert answer.status == 200
        assert names == ["models.internal", "other.internal"]
        assert f"host: models.internal:{server.port}\r\n".encode() in server.requests[0]
        assert len(server.requests) == 1


async def test_a_certificate_of_nobody_known_is_refused(tmp_path: Path) -> None:
    prove, _ = certificate(tmp_path, "127.0.0.1")
    async with listening(tls=prove) as server, OutboundClient(AllowedHosts.parse(server.host)) as client:
        with pytest.raises(UnreachableError, match="certificate"):
            await post(client, f"https://{server.host}/")

        assert server.requests == []


async def test_headers_and_bodies_reach_no_log_even_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening() as server, OutboundClient(AllowedHosts.parse(server.host)) as client:
        await client.post(
            server.url, b"body-17", {"Authorization": "Bearer key-17"}, deadline_s=5, max_bytes=9
        )

    assert b"authorization: Bearer key-17" in server.requests[0]
    assert "-17" not in caplog.text


async def test_a_cancelled_call_frees_its_connection() -> None:
    silent = answering(close=False)
    async with listening(silent) as server, OutboundClient(AllowedHosts.parse(server.host)) as client:
        for _ in range(70):  # more than there may be connections
            with pytest.raises(TooSlowError):
                await post(client, server.url, deadline_s=0.01)
