"""Keeps secrets out of log lines: by the name of a field, and by the form of a value.

The last line of defence. Nothing is meant to log a secret; what does so by
mistake, or is a library that does, writes `[SECRET]`. Names and forms decide
more strictly than `gnomon.traffic` does of texts that people are to read: a log
line that lost a harmless word costs nothing.

The cost of a line is bounded: so many values, so deep, so many characters each.
"""

import functools
import re
from collections.abc import Collection, Mapping
from typing import Any

from gnomon import secret_patterns

MARKER = "[SECRET]"
MOST_CHARACTERS = 4_000  # of one text
MOST_VALUES = 500  # of one line, lists and mappings included
_DEEPEST = 8
_OVERLAP = 512  # read beyond the cut, so that what is cut in two is known for what it is

# The last word of a field's name. What is counted, as `input_tokens` is, is a number and no secret.
_SECRET_NAME = re.compile(
    r"""(?:^|_)(?:authorization|auth|api_?keys?|(?:access|account|master|private|sealed|session|signing)_?keys?
      |secrets?|passwords?|passwd|pwd|passphrases?|cookies?|credentials?|bearer)$""",
    re.VERBOSE,
)
_NAME_OF_SOME = re.compile(r"(?:^|_)(?:tokens?|keys?)$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN_WORDS = re.compile(r"[^A-Za-z0-9]+")

# Forms that `secret_patterns` leaves alone where people read: too short, or words as well.
_LOOSE = re.compile(
    r"""(?<![A-Za-z0-9])(?:[srp]k[-_]|gnm_)(?=[A-Za-z_-]{0,256}\d)[A-Za-z0-9_-]{8,}
      | (?<=[Bb]earer\ )[^\s"',;]{8,}""",
    re.VERBOSE,
)
_HEADER = re.compile(
    r"""(\b(?:proxy-)?authorization|\b(?:set-)?cookie|\bx-api-key)(\\?["']?\s?[:=,]\s?\\?["']?)(?:[^\r\n"'\\]+)""",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"""((?:password|passwd|pwd|passphrase|secret|api[_-]?key|master[_-]?key|token)\\?["']?\s?[=:]\s?\\?["']?)
        (?![\s"'\\,;&)}\]])[^\s"'\\,;&)}]+""",
    re.IGNORECASE | re.VERBOSE,
)
_WORDS = ("authorization", "cookie", "api", "passw", "passphrase", "pwd", "secret", "master", "token")


def redacted(_: Any, __: str, event: Any) -> Any:
    """A structlog processor: return the event without secrets, in plain types that JSON knows."""
    return _Line().mapping(event, 0)


def redacted_text(text: str) -> str:
    """Return a text without what looks like a secret, and not longer than `MOST_CHARACTERS`."""
    length = len(text)
    if length > MOST_CHARACTERS:
        text = text[: MOST_CHARACTERS + _OVERLAP]
    # Most texts hold nothing: looking for a few characters costs a small part of trying the patterns.
    if secret_patterns.may_hold_secret(text):
        text = secret_patterns.SECRET.sub(MARKER, text)
    if "=" in text or ":" in text or "," in text:
        lower = text.lower()
        if any(word in lower for word in _WORDS):
            text = _HEADER.sub(rf"\1\2{MARKER}", text)
            text = _ASSIGNED.sub(rf"\1{MARKER}", text)
    if "k-" in text or "k_" in text or "gnm_" in text or "earer " in text:
        text = _LOOSE.sub(MARKER, text)
    return text if length <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}… ({length} characters)"


def names_secret(name: str) -> bool:
    """Tell whether all that stands under a name is a secret."""
    return _name(name)[1]


@functools.lru_cache(maxsize=1024)  # the names of fields are few
def _name(name: str) -> tuple[str, bool, bool]:
    """Return a name as it is written, whether it names a secret, and whether it does where a text is one.

    `token` does, and `tokens` may be a number.
    """
    plain = _BETWEEN_WORDS.sub("_", _HUMP.sub("_", name[-80:])).strip("_").lower()
    is_secret = _SECRET_NAME.search(plain) is not None
    return redacted_text(name), is_secret, _NAME_OF_SOME.search(plain) is not None


class _Line:
    """One line on its way: how many values it may still have."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def mapping(self, held: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, value in held.items():
            if self._left <= 0:
                kept["…"] = "…"
                break
            name, is_secret, is_secret_text = _name(key if isinstance(key, str) else str(key))
            if value is None or isinstance(value, bool):
                kept[name] = value
            elif is_secret or (is_secret_text and not isinstance(value, int | float)):
                kept[name] = MARKER
            else:
                kept[name] = self._value(value, depth)
        return kept

    def _value(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return redacted_text(value)
        if depth < _DEEPEST:
            if isinstance(value, Mapping):
                return self.mapping(value, depth + 1)
            if isinstance(value, Collection) and not isinstance(value, bytes | bytearray | memoryview):
                return self._items(value, depth)
        return redacted_text(_shown(value))

    def _items(self, values: Collection[Any], depth: int) -> list[Any]:
        kept: list[Any] = []
        for value in values:
            if self._left <= 0:
                return [*kept, "…"]
            kept.append(self._value(value, depth + 1))
        return kept


def _shown(value: Any) -> str:
    """Return what an object is shown as; logging never fails for one that cannot be."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
