"""Which URLs and addresses are called. The tricks are tried on sockets that count."""

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import Any

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon_outbound.addresses import Address, is_never_a_service, is_public
from gnomon_outbound.client import OutboundClient
from gnomon_outbound.errors import RefusedError, UnreachableError
from gnomon_outbound.targets import AllowedHosts, target_of
from tests.outbound.listening import http, listening, read_request

NONE_ALLOWED = AllowedHosts()
PUBLIC = ipaddress.ip_address("93.184.215.14")
LOOPBACK = ipaddress.ip_address("127.0.0.1")


async def post(client: OutboundClient, url: str, **options: Any) -> Any:
    return await client.post(url, b"{}", {}, **({"deadline_s": 5.0, "max_bytes": 1000} | options))


class RecordedNetwork(httpcore2.AsyncNetworkBackend):
    """Says where a connection would have gone, and makes none."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> Any:
        self.dialled.append(host)
        raise httpcore2.ConnectError("not in a test")


def resolving(*answers: Sequence[Address]) -> Any:
    """Resolve every name to the answers, one after the other; the last one stays."""
    left = list(answers)

    async def resolve(host: str) -> Sequence[Address]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


LOOPBACK_IN_DISGUISE = [
    "https://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/",
    "https://127.1:{port}/",
    "https://0x7f.1:{port}/",
    "https://0x7f000001:{port}/",
    "https://2130706433:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://017700000001:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://0:{port}/",
    "https://0.0.0.0:{port}/",
    "https://[::1]:{port}/",
    "https://[::]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[64:ff9b::127.0.0.1]:{port}/",
    "https://[64:ff9b:1::127.0.0.1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[2001:0:7f00:1::]:{port}/",
    "https://[fe80::1]:{port}/",
    "https://[fe80::1%25lo]:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/",
    "https://api.example.com@127.0.0.1:{port}/",
    "https://api.example.com:443@localhost:{port}/",
    "https://127.0.0.1:{port}\\@api.example.com/",
    "https://127.0.0.1:{port}#@api.example.com/",
    "https://127.0.0.1:{port}?@api.example.com/",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://127。0。0。1:{port}/",
    "https://\uff4cocalhost:{port}/",
    "https://127.0.0.1%00.example.com:{port}/",
    "https://127.0.0.1\t:{port}/",
    " https://127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "https:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "http+unix://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
]


@pytest.mark.parametrize("url", LOOPBACK_IN_DISGUISE)
async def test_no_disguise_of_loopback_leads_to_a_connection(url: str) -> None:
    async with listening() as listener, OutboundClient(NONE_ALLOWED) as client:
        with pytest.raises(RefusedError):
            await post(client, url.format(port=listener.port))
        await asyncio.sleep(0)

        assert listener.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.7",
        "100.64.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.31.255.255",
        "192.168.1.1",
        "168.63.129.16",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.251",
        "255.255.255.255",
        "0.0.0.0",
        "::",
        "::1",
        "::ffff:10.0.0.7",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a9fe:a9fe::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
async def test_a_name_that_leads_to_an_inner_address_is_not_called(address: str) -> None:
    network, found = RecordedNetwork(), ipaddress.ip_address(address)
    resolve = resolving([PUBLIC, found])
    async with OutboundClient(NONE_ALLOWED, resolve=resolve, network=network) as client:
        with pytest.raises(RefusedError, match=r"api\.example\.com is not a public address"):
            await post(client, "https://api.example.com/v1")

    assert not is_public(found)
    assert network.dialled == []


async def test_the_address_that_was_checked_is_the_one_that_is_connected() -> None:
    network = RecordedNetwork()
    resolve = resolving([PUBLIC], [LOOPBACK])
    async with OutboundClient(NONE_ALLOWED, resolve=resolve, network=network) as client:
        with pytest.raises(UnreachableError):
            await post(client, "https://api.example.com/v1")
        assert network.dialled == [str(PUBLIC)]

        with pytest.raises(RefusedError):
            await post(client, "https://api.example.com/v1")
        assert network.dialled == [str(PUBLIC)]


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async def redirect(reader: Any, writer: Any) -> None:
        writer.write(http(b"", "307 Temporary Redirect", f"Location: {inner.url}"))
        await writer.drain()

    async with listening() as inner, listening(redirect) as outer:
        async with OutboundClient(AllowedHosts.parse(outer.host)) as client:
            answer = await post(client, outer.url)

        assert (answer.status, inner.connections, outer.connections) == (307, 0, 1)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as proxy, listening() as server:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        async with OutboundClient(AllowedHosts.parse(server.host)) as client:
            await post(client, server.url)

        assert (proxy.connections, server.connections) == (0, 1)


async def test_the_operator_allows_a_host_at_one_port_and_nothing_else_there() -> None:
    async with listening() as wanted, listening() as other:
        async with OutboundClient(AllowedHosts.parse(f"localhost:{wanted.port}")) as client:
            assert (await post(client, f"http://localhost:{wanted.port}/v1?a=b")).status == 200
            for url in (other.url, f"http://localhost:{other.port}/", wanted.url):
                with pytest.raises(RefusedError):
                    await post(client, url)

        assert (wanted.connections, other.connections) == (1, 0)
        assert wanted.requests[0].startswith(b"POST /v1?a=b HTTP/1.1\r\n")
        assert f"host: localhost:{wanted.port}\r\n".encode() in wanted.requests[0]


async def test_a_server_at_an_ipv6_address_is_called_by_its_brackets() -> None:
    try:
        listener = listening(host="::1")
        async with listener as server, OutboundClient(AllowedHosts.parse(f"[::1]:{server.port}")) as client:
            await post(client, f"http://[::1]:{server.port}/")
            assert f"host: [::1]:{server.port}\r\n".encode() in server.requests[0]
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


METADATA = [
    "169.254.169.254",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:169.254.169.254",
    "::ffff:100.100.100.200",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::6464:64c8",
    "2002:a9fe:a9fe::",
    "::a9fe:a9fe",
]


@pytest.mark.parametrize("address", METADATA)
async def test_not_even_an_allowed_name_leads_to_cloud_metadata(address: str) -> None:
    network = RecordedNetwork()
    resolve = resolving([ipaddress.ip_address("10.0.0.7"), ipaddress.ip_address(address)])
    allowed = AllowedHosts.parse("models.internal:80")
    async with OutboundClient(allowed, resolve=resolve, network=network) as client:
        with pytest.raises(RefusedError):
            await post(client, "http://models.internal/v1")

    assert network.dialled == []


@pytest.mark.parametrize("address", METADATA)
def test_cloud_metadata_is_refused_even_where_its_number_is_allowed(address: str) -> None:
    host = str(ipaddress.ip_address(address))
    shown = f"[{host}]:80" if ":" in host else f"{host}:80"
    with pytest.raises(RefusedError, match="hands out credentials"):
        target_of(f"http://{shown}/v1", AllowedHosts.parse(shown))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.7", "fd00::7", "64:ff9b::a00:7"])
def test_an_allowed_name_may_lead_to_inner_addresses(address: str) -> None:
    assert not is_never_a_service(ipaddress.ip_address(address))


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with listening() as server:
        silent = ipaddress.ip_address("127.0.0.2")  # loopback, and nobody listens there
        resolve = resolving([silent, LOOPBACK])
        allowed = AllowedHosts.parse(f"models.internal:{server.port}")
        async with OutboundClient(allowed, resolve=resolve) as client:
            await post(client, f"http://models.internal:{server.port}/")

        assert server.connections == 1


async def test_a_name_that_does_not_exist_is_said_to() -> None:
    async with OutboundClient(NONE_ALLOWED) as client:
        with pytest.raises(UnreachableError, match="cannot be resolved"):
            await post(client, "https://no-such-name.invalid/")


@pytest.mark.parametrize(
    "entry", ["localhost", "localhost:0", "localhost:99999", "http://x:1", "a b:1", "0x7f.1:80"]
)
def test_an_allowed_host_is_a_host_with_a_port(entry: str) -> None:
    with pytest.raises(ValueError, match=r"host|port|IPv4"):
        AllowedHosts.parse(entry)


def test_allowed_hosts_are_read_in_any_spelling_of_case_and_space() -> None:
    allowed = AllowedHosts.parse(" Localhost:8080 ,10.0.0.7:8000,[0:0::1]:9000,")

    assert allowed.hosts == {("localhost", 8080), ("10.0.0.7", 8000), ("::1", 9000)}
    assert target_of("HTTP://LOCALHOST:8080?x", allowed).path == "/?x"


def test_the_public_endpoints_of_well_known_providers_are_taken() -> None:
    for url in (
        "https://api.openai.com/v1/chat/completions",
        "https://me.openai.azure.com/openai/v1/chat/completions",
        "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        "https://xn--bcher-kva.example:8443/v1",
        "https://93.184.215.14/v1",
        "https://[2606:2800:220:1::]/v1",
    ):
        assert target_of(url, NONE_ALLOWED).scheme == "https"


@given(st.integers(0, 2**32 - 1))
def test_what_wraps_an_ipv4_address_is_never_public(number: int) -> None:
    v4 = int(ipaddress.IPv4Address(number))
    mapped, nat64 = 0xFFFF << 32 | v4, 0x64FF9B << 96 | v4
    six_to_four = 0x2002 << 112 | v4 << 80
    assert not any(is_public(ipaddress.IPv6Address(each)) for each in (v4, mapped, nat64, six_to_four))


@given(st.ip_addresses())
def test_what_is_public_here_is_public_to_python_as_well(address: Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_private
        assert not is_never_a_service(address)


@given(st.text(max_size=60) | st.from_regex(r"https?://[^/]{0,30}/?[^ ]{0,10}", fullmatch=True))
def test_any_text_is_a_target_or_refused(url: str) -> None:
    try:
        target = target_of(url, NONE_ALLOWED)
    except RefusedError as error:
        assert str(error)
    else:
        assert target.scheme == "https"
        assert target.host.isascii()
        assert target.host == target.host.lower()


async def test_a_kept_connection_serves_only_its_own_host_and_port() -> None:
    async def twice(reader: Any, writer: Any) -> None:
        writer.write(http())
        await read_request(reader)
        writer.write(http(b"again"))
        await writer.drain()

    async with listening(twice) as server:
        async with OutboundClient(AllowedHosts.parse(server.host)) as client:
            await post(client, server.url)
            assert (await post(client, server.url)).body == b"again"

        assert server.connections == 1
