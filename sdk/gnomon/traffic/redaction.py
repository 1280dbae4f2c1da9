"""Personal data and secrets in texts, replaced by stable markers before anything is stored. Pure.

By form alone: what looks like an e-mail address, a payment card number (with a
right check digit), a phone number or a key, and what stands under a key such as
`password`. Names, addresses and whatever else has no form are not found.
"""

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum

from gnomon import secret_patterns
from gnomon.errors import InvalidRequestError, Violation
from gnomon.traffic import patterns
from gnomon.traffic.json_text import parsed


class Redaction(StrEnum):
    """What is replaced, by `[EMAIL]` and so on."""

    SECRET = "secret"  # noqa: S105  a kind, not one
    EMAIL = "email"
    CARD = "card"
    PHONE = "phone"


EVERYTHING = tuple(Redaction)
_REMEMBERED_CHARACTERS, _REMEMBERED_TEXTS = 2_000, 4_000
_DIGITS = "0123456789"
_FEWEST_DIGITS = 7
_KEY_BYTES = 16
_BEGIN_JSON = frozenset("{[ \t\r\n")
# Strings with what tells a key, numbers, and the bounds of objects; of text that is known to be JSON.
_JSON_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*+")(\s*:)?|(-?\d[\d.eE+-]*)|[{}]', re.DOTALL)


def new_key() -> bytes:
    """Return a key for `Redactor`, which nobody can guess."""
    return secrets.token_bytes(_KEY_BYTES)


class Redactor:
    """Replaces what was asked for, and counts it in `counts` by kind. NUL characters leave as well.

    `key` makes different IDs that hold something differ still, without telling
    what they held.

    Raises:
        InvalidRequestError: a kind is not one of `Redaction`.
    """

    def __init__(
        self, kinds: Iterable[str] = EVERYTHING, counts: Counter[str] | None = None, key: bytes = b""
    ) -> None:
        self.kinds = frozenset(_kind(kind) for kind in kinds)
        self.counts: Counter[str] = Counter() if counts is None else counts
        self.clean: set[str] = set()  # what was said last and holds nothing: conversations repeat themselves
        self.plain_keys: set[str] = set()  # keys that hold nothing and name no secret
        self._salt = key or new_key()
        self._secrets = Redaction.SECRET in self.kinds
        self._emails = Redaction.EMAIL in self.kinds

    def text(self, text: str) -> str:
        """Return the text with markers in place of what was found; what is JSON stays JSON."""
        if text in self.clean:
            return text
        redacted = self._redacted(text)
        if redacted == text and len(text) <= _REMEMBERED_CHARACTERS:
            _remember(self.clean, text)
        return redacted

    def named(self, key: str, text: str) -> str:
        """Return a text that stands under a key, which may say what it is."""
        return self._named_secret(key, text) or self.text(text)

    def attributes(self, held: dict[str, str]) -> dict[str, str]:
        """Return attributes whose keys and values were redacted. Keys that become the same are numbered."""
        clean, text = self.clean, self.text
        if self.plain_keys.issuperset(held):
            return {key: value if value in clean else text(value) for key, value in held.items()}
        kept: dict[str, str] = {}
        for key, value in held.items():
            redacted = self._key(key)
            unique, number = redacted, 1
            while unique in kept or (unique != key and unique in held):
                number += 1
                unique = f"{redacted}-{number}"
            kept[unique] = self.named(key, value)
        return kept

    def identity(self, text: str) -> str:
        """Return an ID; where it held something, with a keyed digest, so that two are two still."""
        redacted = self.text(text)
        if redacted == text:
            return text
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=self._salt)
        return f"{redacted}-{digest.hexdigest()}"

    def _redacted(self, text: str) -> str:
        if "\0" in text:
            text = text.replace("\0", "")  # which no dataset takes
        # Most texts hold nothing: looking for a few characters costs a tenth of trying the patterns.
        digits = _digits(text)
        if text[:1] in _BEGIN_JSON:
            if self._is_harmless_json(text, digits):
                return text
            if isinstance(parsed(text), dict | list):
                return self._json(text)
        if self._secrets:
            if secret_patterns.may_hold_secret(text):
                text = self._replaced(secret_patterns.SECRET, Redaction.SECRET, text)
            if digits and secret_patterns.may_name_secret(text.lower()):
                text = self._without_named_secrets(text)
        if self._emails and ("@" in text or (digits and "%40" in text)):
            text = self._replaced(patterns.EMAIL, Redaction.EMAIL, text)
        if digits >= _FEWEST_DIGITS:
            if Redaction.CARD in self.kinds:
                text = self._replaced(patterns.CARD, Redaction.CARD, text, patterns.passes_luhn)
            if Redaction.PHONE in self.kinds:
                text = self._replaced(patterns.PHONE, Redaction.PHONE, text)
        return text

    def _key(self, key: str) -> str:
        """Return a key; one that holds nothing and names no secret is not looked at again."""
        if key in self.plain_keys:
            return key
        redacted = self.text(key)
        if redacted == key and not (self._secrets and secret_patterns.names_secret(key)):
            _remember(self.plain_keys, key)
        return redacted

    def _is_harmless_json(self, text: str, digits: int) -> bool:
        """Tell whether nothing can be found in the text, JSON or not."""
        return (
            not ("\\" in text and ("\\u" in text or "\\/" in text))  # which stand for what is looked for
            and (digits < _FEWEST_DIGITS or not patterns.may_hold_number(text))
            and "@" not in text
            and "%40" not in text
            and not secret_patterns.may_hold_secret(text)
            and not secret_patterns.may_have_key_of_secret(text.lower())
        )

    def _json(self, text: str) -> str:
        """Return JSON text with its strings and numbers redacted, as what they stand for; all else stays.

        In escaped text a line break is the letter `n` behind a backslash, and a
        pattern would reach over quotes. Reading and writing the whole anew
        would lose long numbers and keys that come twice.
        """
        key = ""

        def redacted(match: re.Match[str]) -> str:
            nonlocal key
            quoted, colon, number = match.groups()
            if quoted is None and number is None:
                key = ""
                return match[0]
            held = number or (json.loads(quoted, strict=False) if "\\" in quoted else quoted[1:-1])
            if colon is not None:
                key = held
                found = self._key(held)
            else:
                found = self._named_secret(key, held) or self._redacted(held)
            return match[0] if found == held else json.dumps(found, ensure_ascii=False) + (colon or "")

        return _JSON_TOKEN.sub(redacted, text)

    def _named_secret(self, key: str, text: str) -> str | None:
        """Return a marker if the key says that what stands under it is a secret, and the text can be one."""
        if not self._secrets or key in self.plain_keys or not secret_patterns.names_secret(key):
            return None
        if not secret_patterns.is_value_of_secret(text):
            return None
        self.counts[Redaction.SECRET.value] += 1
        return "[SECRET]"

    def _without_named_secrets(self, text: str) -> str:
        text, count = secret_patterns.NAMED_SECRET.subn(r"\1[SECRET]", text)
        if count:
            self.counts[Redaction.SECRET.value] += count
        return text

    def _replaced(
        self,
        pattern: re.Pattern[str],
        kind: Redaction,
        text: str,
        holds: Callable[[str], bool] = lambda _: True,
    ) -> str:
        def marker(match: re.Match[str]) -> str:
            if not holds(match[0]):
                return match[0]
            self.counts[kind.value] += 1
            return f"[{kind.upper()}]"

        return pattern.sub(marker, text)


def _remember(held: set[str], text: str) -> None:
    if len(held) >= _REMEMBERED_TEXTS:
        held.clear()
    held.add(text)


def _digits(text: str) -> int:
    return sum([text.count(digit) for digit in _DIGITS if digit in text])


def _kind(name: str) -> Redaction:
    try:
        return Redaction(name)
    except ValueError:
        known = ", ".join(Redaction)
        raise InvalidRequestError(
            f"There is no redaction {name[:40]!r}; there is {known}.",
            violations=[Violation("redact", f"must be of: {known}")],
        ) from None
