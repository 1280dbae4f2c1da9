"""The text of an API key: made here, read here. Pure but for the randomness of `new_key`.

`gnm_{id}_{secret}{checksum}`: the ID is public, so that a key that leaked can be
named; the secret has 256 bits; the checksum (CRC-32 of what stands before it)
tells a misspelt key, and lets scanners find keys in code with no false alarm.
"""

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from gnomon.errors import ApiKeyMalformedError

PREFIX = "gnm_"
SCOPES = ("score", "label", "train", "registry:write", "service", "admin")

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_CHARACTERS = 12
_SECRET_CHARACTERS = 43  # 62^43 > 2^256
_CHECKSUM_CHARACTERS = 6  # 62^6 > 2^32
_TEXT = re.compile(
    rf"{PREFIX}(?P<id>[a-z][a-z0-9]{{{_ID_CHARACTERS - 1}}})_"
    rf"(?P<secret>[0-9A-Za-z]{{{_SECRET_CHARACTERS}}})(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_CHARACTERS}}})"
)


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as its holder has it. Its `repr` does not show it."""

    id: str
    text: str = field(repr=False)

    @property
    def secret_sha256(self) -> bytes:
        """What services keep and compare: 32 bytes."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def last_four(self) -> str:
        return self.text[-4:]


def new_key(key_id: str | None = None, random_below: Callable[[int], int] = secrets.randbelow) -> KeyText:
    """Make a key that nobody knows: a new one, or a new secret for an ID."""
    letters = string.ascii_lowercase + string.digits
    made_id = key_id or letters[random_below(26)] + "".join(
        letters[random_below(36)] for _ in range(_ID_CHARACTERS - 1)
    )
    secret = _written(random_below(2**256), _SECRET_CHARACTERS)
    body = f"{PREFIX}{made_id}_{secret}"
    return read_key(body + _checksum(body))


def read_key(text: str) -> KeyText:
    """Return the parts of a key's text.

    Raises:
        ApiKeyMalformedError: it is not one. The message does not show it.
    """
    match = _TEXT.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_CHARACTERS]) != match["checksum"]:
        raise ApiKeyMalformedError(
            "This is not the text of an API key: it begins with gnm_ and was copied whole, without spaces. "
            "Check where it came from."
        )
    return KeyText(match["id"], text)


def _checksum(body: str) -> str:
    return _written(zlib.crc32(body.encode()), _CHECKSUM_CHARACTERS)


def _written(number: int, characters: int) -> str:
    digits = []
    for _ in range(characters):
        number, rest = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))
