"""What is sent to addresses that users name, such as keys and signing secrets, under AES-256-GCM at rest."""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gnomon.errors import GnomonError, MasterKeyMissingError

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


def master_key_of(text: str, file: Path | None, variable: str) -> bytes | None:
    """Return the master key that an operator gave in a variable or, with `_FILE` after its name, a file.

    Raises:
        MasterKeyError: both were given, or what was is no master key. The message names the variable.
    """
    if text and file:
        raise MasterKeyError(f"Set {variable} or {variable}_FILE, not both.")
    try:
        if file:
            return read_master_key(file)
        return master_key(text) if text else None
    except MasterKeyError as error:
        raise MasterKeyError(f"{variable}{'_FILE' if file else ''}: {error}.") from error


class AesVault:
    """Seals secrets of one service. Without a master key it refuses, and names the variable to set.

    `unreadable` makes the error for what does not open, from the resource that it is bound to.
    """

    def __init__(self, key: bytes | None, *, service: str, unreadable: Callable[[str], GnomonError]) -> None:
        self._service = service
        self._unreadable = unreadable
        self._cipher = AESGCM(key) if key else None
        # A key of its own, so that one key does one thing.
        self._fingerprint_key = hmac.digest(key, b"gnomon fingerprint", "sha256") if key else b""

    def seal(self, secret: str, bound_to: str) -> bytes:
        """Return the sealed secret; it opens for the same `bound_to` alone (first line: a resource)."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + nonce + self._ready().encrypt(nonce, secret.encode(), bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> str:
        """Return the secret, or raise what `unreadable` makes."""
        cipher = self._ready()
        nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _FORM:
                raise InvalidTag
            return cipher.decrypt(nonce, text, bound_to.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise self._unreadable(bound_to.partition("\n")[0]) from error

    def fingerprint(self, secret: str) -> str:
        """Return the same text for the same secret, from which only the master key's holder can guess it."""
        self._ready()
        return hmac.new(self._fingerprint_key, secret.encode(), hashlib.sha256).hexdigest()

    def _ready(self) -> AESGCM:
        if self._cipher is None:
            raise MasterKeyMissingError(
                f"This {self._service} has no master key to seal keys and secrets with. Its operator sets "
                f"GNOMON_{self._service.upper()}_MASTER_KEY_FILE to a file with the output of "
                "`openssl rand -base64 32`."
            )
        return self._cipher
