"""The text of a key, and how a client shows it and whom it shows it to."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gnomon
from gnomon._security import Security, security_of
from gnomon.addresses import is_loopback
from gnomon.api_keys import KeyText, new_key, read_key
from gnomon.errors import (
    ApiKeyMalformedError,
    ApiKeyNeedsTlsError,
    InvalidRequestError,
    ServiceUnavailableError,
)
from tests.sdk.serving import Failing, connected, serving

KEY = new_key()


@given(st.integers(0, 2**256 - 1))
def test_a_key_that_was_made_is_read_as_it_was(secret: int) -> None:
    key = new_key("k23456789abc", lambda limit: secret % limit)
    assert read_key(key.text) == key
    assert key.text.startswith("gnm_k23456789abc_")
    assert len(key.text) == len(KEY.text)
    assert len(key.secret_sha256) == 32


def test_keys_differ_in_id_and_secret() -> None:
    keys = [new_key() for _ in range(200)]
    assert len({key.id for key in keys}) == len({key.secret_sha256 for key in keys}) == 200
    other = new_key(KEY.id)
    assert other.id == KEY.id
    assert other.secret_sha256 != KEY.secret_sha256


@given(st.integers(0, len(KEY.text) - 1), st.characters())
def test_a_misspelt_key_is_told_by_its_checksum(place: int, character: str) -> None:
    text = KEY.text[:place] + character + KEY.text[place + 1 :]
    if text != KEY.text:
        with pytest.raises(ApiKeyMalformedError):
            read_key(text)


@given(st.text())
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ApiKeyMalformedError) as refused:
        read_key(f"secret{text}")
    assert "secret" not in str(refused.value)


def test_no_repr_shows_a_key() -> None:
    for shown in (KEY, Security(api_key=KEY.text), KeyText(KEY.id, KEY.text)):
        assert KEY.text.rpartition("_")[2] not in repr(shown)


async def shown_by(kind: str, **options: Any) -> dict[str, str]:
    """Return the metadata of a call that a client makes."""
    found: dict[str, str] = {}

    async def look(request: Any, context: Any) -> Any:
        found.update(context.invocation_metadata())
        return gnomon.v1.resources_pb2.Project(name=request.name)

    async with serving(GetProject=look) as address, connected(kind, address, **options) as client:
        await client.projects.get("p")
    return found


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_client_shows_its_key_and_its_project(kind: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY.text}\n")
    for options in ({"api_key": KEY.text}, {"api_key_file": tmp_path / "key"}):
        shown = await shown_by(kind, project="p", **options)
        assert shown["authorization"] == f"Bearer {KEY.text}"
        assert shown["gnomon-project"] == "p"
    assert {"authorization", "gnomon-project"}.isdisjoint(await shown_by(kind))


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_rotation_whose_fate_nobody_knows_is_not_made_again(kind: str) -> None:
    answer = gnomon.v1.access_service_pb2.RotateApiKeyResponse()
    rotate = Failing(grpc.StatusCode.UNAVAILABLE, then=lambda _: answer)
    async with serving(RotateApiKey=rotate) as address, connected(kind, address) as client:
        with pytest.raises(ServiceUnavailableError):
            await client.keys.rotate(KEY.id, overlap_s=60)
    assert len(rotate.requests) == 1


def test_what_is_not_given_comes_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY.text)
    other = new_key().text
    from_file = {"GNOMON_API_KEY_FILE": str(tmp_path / "key"), "GNOMON_PROJECT": "p", "GNOMON_TLS": "1"}

    found = security_of(environment=from_file)
    assert (found.api_key, found.project, found.tls) == (KEY.text, "p", True)
    assert security_of(api_key=other, project="q", tls=False, environment=from_file) == Security(other, "q")
    assert security_of(environment={**from_file, "GNOMON_API_KEY": other}).api_key == other
    assert security_of(api_key="", project="", environment=from_file).metadata == ()
    assert security_of(environment={"GNOMON_CA_FILE": "ca.pem"}).tls
    assert not security_of(tls=False, environment={"GNOMON_CA_FILE": "ca.pem"}).tls


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"api_key": KEY.text, "api_key_file": "x"}, "both given"),
        ({"api_key_file": "missing"}, "api_key_file cannot be read: missing: No such file"),
        ({"certificate_file": "x"}, "belong together"),
    ],
)
def test_what_makes_no_sense_is_refused(given_: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        security_of(**given_, environment={})


@pytest.mark.parametrize(
    ("address", "client_tls", "tls"),
    [
        ("scorer:7412", False, False),
        ("scorer:7412", True, True),
        ("https://scorer:7412", False, True),
        ("http://scorer:7412", True, False),
    ],
)
def test_the_address_decides_about_tls_else_the_client_does(
    address: str, client_tls: bool, tls: bool
) -> None:
    target = Security(tls=client_tls).target(address)
    assert (target.address, target.tls) == ("scorer:7412", tls)


@pytest.mark.parametrize(
    "address", ["10.0.0.7:7412", "scorer:7412", "http://scorer:7412", "ipv4:127.0.0.1:1,10.0.0.7:1"]
)
def test_a_key_does_not_go_to_another_machine_over_plain_text(address: str) -> None:
    with pytest.raises(ApiKeyNeedsTlsError, match="over plain text") as refused:
        gnomon.Client(scorer=address, api_key=KEY.text)
    assert KEY.text not in str(refused.value)
    gnomon.Client(scorer=address).close()  # without a key nothing is at stake
    gnomon.Client(scorer=address, api_key=KEY.text, plain_text_key=True).close()
    if "http" not in address:
        gnomon.Client(scorer=f"https://{address}", api_key=KEY.text).close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:1",
        "127.8.9.1:1",
        "localhost:1",
        "[::1]:1",
        "unix:/run/x",
        "ipv4:127.0.0.1:1,127.0.0.2:1",
        "ipv6:[::1]:1",
        "dns:///localhost:1",
        "[::ffff:127.0.0.1]:1",
    ],
)
def test_loopback_is_what_only_this_machine_reaches(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":1",
        "0.0.0.0:1",
        "[::]:1",
        "10.0.0.1:1",
        "localhost.example:1",
        "example:1",
        "127.0.0.1.example:1",
        "ipv4:127.0.0.1:1,10.0.0.1:1",
        "dns:///example:1",
        "dns://8.8.8.8/example:1",
        "https://127.0.0.1:1",
        "2130706433:1",
        "127.1:1",
        "*:1",
    ],
)
def test_nothing_else_is_loopback(address: str) -> None:
    assert not is_loopback(address)
