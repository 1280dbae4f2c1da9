import asyncio
import contextlib
import os
import ssl

import pytest
from pydantic import ValidationError

from gnomon import AsyncClient, Client, local
from gnomon._security import Security
from gnomon.errors import InvalidRequestError, ServiceUnavailableError
from gnomon.v1 import registry_service_pb2_grpc as registry
from gnomon.v1 import resources_pb2
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings, SettingError
from tests.rpc.certificates import Authority
from tests.rpc.serving import NAME, Scripted


async def _project(request, context):
    return resources_pb2.Project(name=request.name)


@contextlib.asynccontextmanager
async def serving(**settings):
    service = Service(NAME, registry.add_RegistryServiceServicer_to_server, Scripted(GetProject=_project))
    server = Server(ServerSettings(listen="127.0.0.1:0", grace_s=0.1, **settings), [service])
    await server.start()
    try:
        yield server.address
    finally:
        await server.stop()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "one", "one")


def of(pair, **more):
    return {"tls_certificate_file": pair.certificate, "tls_key_file": pair.key, **more}


async def works(address, **options):
    async with AsyncClient(registry=address, timeout_s=5.0, **options) as client:
        return (await client.projects.get("p")).name == "projects/p"


async def is_refused(address, **options):
    """Tell whether no connection comes about, however often it is tried."""
    async with AsyncClient(registry=address, timeout_s=1.0, **options) as client:
        try:
            await client.projects.get("p")
        except ServiceUnavailableError:
            return True
    return False


async def test_a_client_that_trusts_the_authority_speaks_with_the_server(authority):
    async with serving(**of(authority.issue("server"))) as address:
        assert await works(address, ca_file=authority.file)
        assert await works(f"https://{address}", ca_file=authority.file)
        port = address.rpartition(":")[2]
        assert await works(f"https://localhost:{port}", ca_file=authority.file)

        def synchronous():
            with Client(registry=address, ca_file=authority.file, timeout_s=5.0) as client:
                return client.projects.get("p").name

        assert await asyncio.to_thread(synchronous) == "projects/p"


async def test_health_is_told_over_tls(authority):
    async with serving(**of(authority.issue("server"))) as address:
        known = Security(tls=True, ca_file=authority.file, api_key="not needed")
        ready = await asyncio.to_thread(local.is_ready, address, NAME, known)
        plain = await asyncio.to_thread(local.is_ready, address, NAME)

    assert (ready, plain) == (True, False)


async def test_whoever_trusts_another_authority_or_speaks_plain_text_gets_nothing(authority, tmp_path):
    other = Authority(tmp_path / "two", "two")
    async with serving(**of(authority.issue("server"))) as address:
        assert await is_refused(address, ca_file=other.file)
        assert await is_refused(f"https://{address}")  # the system's authorities
        assert await is_refused(f"http://{address}", ca_file=authority.file)
        assert await is_refused(address)


async def test_without_a_certificate_of_its_own_a_client_is_refused_where_one_is_asked_for(
    authority, tmp_path
):
    other = Authority(tmp_path / "two", "two")
    mine, stranger = authority.issue("client"), other.issue("client")

    def showing(pair):
        return {
            "ca_file": authority.file,
            "certificate_file": pair.certificate,
            "certificate_key_file": pair.key,
        }

    async with serving(**of(authority.issue("server"), tls_client_ca_file=authority.file)) as address:
        assert await works(address, **showing(mine))
        assert await is_refused(address, ca_file=authority.file)
        assert await is_refused(address, **showing(stranger))


async def shown_serial(address):
    """Return the serial number of the certificate that the server shows now."""
    from cryptography import x509

    host, port = address.split(":")
    pem = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


async def test_a_renewed_certificate_is_shown_without_a_restart(authority):
    pair = authority.issue("server", serial=1)
    async with serving(**of(pair)) as address:
        before = await shown_serial(address)
        authority.issue("server", serial=2)
        after = await shown_serial(address)
        assert await works(address, ca_file=authority.file)

    assert (before, after) == (1, 2)


async def test_a_certificate_that_is_half_renewed_is_not_used_until_it_is_whole(authority):
    pair = authority.issue("server", serial=1)
    async with serving(**of(pair)) as address:
        old_key = pair.key.read_bytes()
        authority.issue("server", serial=2)
        new_key = pair.key.read_bytes()
        pair.key.write_bytes(old_key)  # the certificate is new, the key is not
        assert [await shown_serial(address) for _ in range(2)] == [1, 1]
        pair.key.unlink()
        assert await shown_serial(address) == 1
        pair.key.write_bytes(new_key)
        assert await shown_serial(address) == 2


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda pair: pair.key.unlink(), r"TLS_KEY_FILE=.* cannot be read: No such file"),
        (lambda pair: pair.key.write_text("x"), r"TLS_CERTIFICATE_FILE and TLS_KEY_FILE are no certificate"),
        (lambda pair: pair.certificate.write_bytes(pair.key.read_bytes()), "are no certificate and its"),
    ],
)
async def test_wrong_files_are_named_at_the_start(authority, break_it, words):
    pair = authority.issue("server")
    break_it(pair)
    with pytest.raises(SettingError, match=words):
        async with serving(**of(pair)):
            pass


async def test_a_file_of_authorities_that_holds_none_is_named(authority, tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")
    pair = authority.issue("server")
    with pytest.raises(SettingError, match="TLS_CLIENT_CA_FILE holds no certificates"):
        async with serving(**of(pair, tls_client_ca_file=tmp_path / "empty.pem")):
            pass


def test_half_of_the_settings_is_refused(tmp_path):
    for half in ({"tls_key_file": tmp_path}, {"tls_client_ca_file": tmp_path}):
        with pytest.raises(ValidationError, match="belong together"):
            ServerSettings(**half)


@pytest.mark.parametrize(
    ("settings", "lacking", "words"),
    [
        ({}, ["ACCESS=keys", "TLS_CERTIFICATE_FILE"], "without-keys,without-tls"),
        ({"unprotected": "without-tls"}, ["ACCESS=keys"], "without-keys,without-tls"),
        ({"unprotected": "without-keys"}, ["TLS_CERTIFICATE_FILE"], "without-keys,without-tls"),
        ({"access": "keys"}, ["TLS_CERTIFICATE_FILE"], "UNPROTECTED=without-tls"),
    ],
)
@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", ":0", "10.1.2.3:0", "myhost:0"])
async def test_a_service_does_not_listen_to_others_without_protection(listen, settings, lacking, words):
    with pytest.raises(SettingError) as refused:
        Server(ServerSettings(listen=listen, **settings), [])
    assert [word for word in ("ACCESS=keys", "TLS_CERTIFICATE_FILE") if word in str(refused.value)] == lacking
    assert f"{words}." in str(refused.value)


async def test_a_service_listens_to_others_where_it_is_told_so_by_name(authority):
    async with serving_anywhere(unprotected="without-keys, without-tls") as address:
        assert await works(f"127.0.0.1:{address.rpartition(':')[2]}")
    pair = authority.issue("server")
    async with serving_anywhere(unprotected="without-keys", **of(pair)) as address:
        assert await works(f"127.0.0.1:{address.rpartition(':')[2]}", ca_file=authority.file)
    with pytest.raises(ValidationError, match="without-keys"):
        ServerSettings(unprotected="yes")


@contextlib.asynccontextmanager
async def serving_anywhere(**settings):
    service = Service(NAME, registry.add_RegistryServiceServicer_to_server, Scripted(GetProject=_project))
    server = Server(ServerSettings(listen="0.0.0.0:0", grace_s=0.1, **settings), [service])
    await server.start()
    try:
        yield server.address
    finally:
        await server.stop()


async def test_a_clients_own_wrong_files_are_refused_in_words(authority):
    async with serving(**of(authority.issue("server"))) as address:
        with pytest.raises(InvalidRequestError, match=r"ca_file cannot be read: .*No such file"):
            await works(address, ca_file=os.devnull + "x")
        with pytest.raises(InvalidRequestError, match="certificate_key_file belong together"):
            await works(address, certificate_file=authority.file)
