"""Keys under AES-256-GCM."""

import base64
import binascii
import hashlib
import hmac
import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gnomon.errors import MasterKeyMissingError, ProviderKeyUnreadableError

_FORM = b"\x01"  # nonce of 12 bytes, then AES-256-GCM
_NONCE_BYTES = 12
_KEY_BYTES = 32


class MasterKeyError(ValueError):
    """The operator's master key is no master key. The message does not repeat it."""


def master_key(text: str) -> bytes:
    """Read 32 bytes in base64 or hex.

    Raises:
        MasterKeyError: they are not.
    """
    text = text.strip()
    try:
        key = bytes.fromhex(text) if re.fullmatch("[0-9a-fA-F]{64}", text) else _base64(text)
    except (binascii.Error, ValueError) as error:
        raise MasterKeyError("must be 32 bytes in base64 or hex: `openssl rand -base64 32`") from error
    if len(key) != _KEY_BYTES:
        raise MasterKeyError(f"holds {len(key)} bytes; it must be 32: `openssl rand -base64 32`")
    return key


def _base64(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def read_master_key(path: Path) -> bytes:
    """Read it from a file; MasterKeyError if there is none."""
    try:
        return master_key(path.read_text(encoding="ascii"))
    except (OSError, UnicodeError) as error:
        raise MasterKeyError(f"{path} cannot be read") from error


class AesVault:
    """A `Vault`. Without a master key it refuses."""

    def __init__(self, key: bytes | None) -> None:
        self._cipher = AESGCM(key) if key else None
        # A key of its own, so that one key does one thing.
        self._fingerprint_key = hmac.digest(key, b"gnomon fingerprint", "sha256") if key else b""

    def seal(self, key: str, bound_to: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + nonce + self._ready().encrypt(nonce, key.encode(), bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> str:
        cipher = self._ready()
        nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _FORM:
                raise InvalidTag
            return cipher.decrypt(nonce, text, bound_to.encode()).decode()
        except (InvalidTag, ValueError) as error:
            name = bound_to.partition("\n")[0]
            raise ProviderKeyUnreadableError(
                f"The key of {name} does not open: the master key is another one than when it was stored, or "
                f"the database was changed. Write it again: `gnomon providers update {name} --ask-key`.",
                resource=name,
            ) from error

    def fingerprint(self, key: str) -> str:
        self._ready()
        return hmac.new(self._fingerprint_key, key.encode(), hashlib.sha256).hexdigest()

    def _ready(self) -> AESGCM:
        if self._cipher is None:
            raise MasterKeyMissingError(
                "This trainer has no master key to seal keys with. Its operator sets "
                "GNOMON_TRAINER_MASTER_KEY_FILE to a file with the output of `openssl rand -base64 32`."
            )
        return self._cipher
