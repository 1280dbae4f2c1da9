"""What sealing a key promises."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import MasterKeyMissingError, ProviderKeyUnreadableError
from gnomon_outbound.vault import AesVault, MasterKeyError, master_key, master_key_of


def unreadable(resource: str) -> ProviderKeyUnreadableError:
    return ProviderKeyUnreadableError(f"{resource} does not open", resource=resource)


def vault_with(key: bytes | None) -> AesVault:
    return AesVault(key, service="trainer", unreadable=unreadable)


VAULT = vault_with(bytes(range(32)))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(texts, texts)
def test_a_key_opens_for_what_it_is_bound_to(key: str, bound: str) -> None:
    assert VAULT.open(VAULT.seal(key, bound), bound) == key


@given(texts, texts, texts)
def test_a_key_opens_for_nothing_else(key: str, bound: str, other: str) -> None:
    if other != bound:
        with pytest.raises(ProviderKeyUnreadableError):
            VAULT.open(VAULT.seal(key, bound), other)


@given(st.binary(max_size=80))
def test_no_other_bytes_open(sealed: bytes) -> None:
    with pytest.raises(ProviderKeyUnreadableError, match=r"^providers/a does not open$"):
        VAULT.open(sealed, "providers/a\nhttps://a.example")


@given(st.integers(0, 44), st.integers(1, 255))
def test_one_changed_byte_is_noticed(place: int, flip: int) -> None:
    sealed = bytearray(VAULT.seal("sixteen-letters!", "a"))
    sealed[place] ^= flip
    with pytest.raises(ProviderKeyUnreadableError):
        VAULT.open(bytes(sealed), "a")


def test_the_same_key_is_sealed_differently_each_time_and_has_one_fingerprint() -> None:
    assert VAULT.seal("key", "a") != VAULT.seal("key", "a")
    assert VAULT.fingerprint("key") == VAULT.fingerprint("key")
    assert VAULT.fingerprint("key") != VAULT.fingerprint("kez")
    assert VAULT.fingerprint("key") != vault_with(b"x" * 32).fingerprint("key")


def test_a_vault_without_a_master_key_refuses_everything() -> None:
    vault = vault_with(None)
    for call in (lambda: vault.seal("k", "a"), lambda: vault.open(b"k", "a"), lambda: vault.fingerprint("k")):
        with pytest.raises(MasterKeyMissingError, match="GNOMON_TRAINER_MASTER_KEY_FILE"):
            call()


@given(st.binary(min_size=32, max_size=32))
def test_a_master_key_is_read_in_base64_and_hex(key: bytes) -> None:
    for text in (base64.b64encode(key), base64.urlsafe_b64encode(key), key.hex().encode()):
        assert master_key(f" {text.decode()}\n") == key


@given(st.text(max_size=100))
def test_anything_else_is_refused_without_being_repeated(text: str) -> None:
    try:
        assert len(master_key(text)) == 32
    except MasterKeyError as error:
        assert len(text) < 10 or text not in str(error)


def test_a_master_key_comes_from_one_place_and_a_wrong_one_names_it(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    file.write_text("ab" * 32)
    assert master_key_of("", None, "KEY") is None
    assert master_key_of("", file, "KEY") == master_key_of("ab" * 32, None, "KEY") == b"\xab" * 32
    for text, path, words in [
        ("ab" * 32, file, "Set KEY or KEY_FILE, not both"),
        ("short", None, "KEY: must be 32 bytes"),
        ("", tmp_path / "none", r"KEY_FILE: .* cannot be read"),
    ]:
        with pytest.raises(MasterKeyError, match=words):
            master_key_of(text, path, "KEY")
