"""Personal data and secrets in texts, replaced by stable markers before anything is stored. Pure.

By pattern alone: what looks like an e-mail address, a payment card number
(with a right check digit), a phone number or a key. Names, addresses and
whatever else has no shape are not found.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum

from gnomon.errors import InvalidRequestError, Violation


class Redaction(StrEnum):
    """What is replaced, by `[EMAIL]` and so on."""

    SECRET = "secret"  # noqa: S105  a kind, not one
    EMAIL = "email"
    CARD = "card"
    PHONE = "phone"


EVERYTHING = tuple(Redaction)
_REMEMBERED_CHARACTERS, _REMEMBERED_TEXTS = 2_000, 4_000

_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])"
)

# These begin with the character they begin with, and look behind it afterwards: so `re` skips to it fast.
_CARD = re.compile(r"[2-6](?<![\w.+-].)\d{3}(?:[ -]?\d){8,15}(?![\w-]|\.\d)", re.ASCII)

# International; with an area code in brackets or behind a 0; as North America writes them.
_PHONE = re.compile(
    r"""[+(\d](?<![\w.+/-].)(?:
        (?:(?<=\+)|(?<=0)0)[1-9](?:[ ./-]?\(?\d\)?){6,13}
      | (?:(?<=\+)1[ .-]?\(|(?<=1)[ .-]?\(|(?<=\())\d{2,5}\)[ -]?\d{2,4}(?:[ .-]?\d{2,4}){1,3}
      | (?:(?<=1)[ .-]\d{3}|(?<=\d)\d{2})[ .-]\d{3}[ .-]\d{4}
      | (?<=0)\d{2,4}[ /-]\d{3,4}(?:[ -]?\d{2,4}){1,2}
    )(?![\w-]|[.:/]\d)""",
    re.VERBOSE | re.ASCII,
)

# What begins like the keys of known services, JSON web tokens, private keys, and passwords in addresses ...
_SECRET = re.compile(
    r"""-----BEGIN[ A-Z]*PRIVATE\ KEY-----[\s\S]{0,10000}?(?:-----END[ A-Z]*PRIVATE\ KEY-----|\Z)
      | (?<![A-Za-z0-9])(?:
          [sp]k-[A-Za-z0-9_-]{16,}
        | [srp]k_(?:live|test)_[A-Za-z0-9]{10,}
        | (?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])
        | gh[pousr]_[A-Za-z0-9]{20,}
        | github_pat_[A-Za-z0-9_]{20,}
        | glpat-[A-Za-z0-9_-]{16,}
        | xox[abeoprs]-[A-Za-z0-9-]{10,}
        | AIza[0-9A-Za-z_-]{35}
        | hf_[A-Za-z0-9]{20,}
        | npm_[A-Za-z0-9]{30,}
        | lsv2_[a-z]{2}_[A-Za-z0-9_]{20,}
        | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
      )
      | (?<=[Bb]earer\ )[A-Za-z0-9._~+/=-]{16,}
      | (?<=://)[^\s/:@]{1,64}:[^\s/@]{1,256}(?=@)""",
    re.VERBOSE,
)
# ... and a value behind the name of a key.
_NAMED_SECRET = re.compile(
    r"""((?:api[_-]?key|access[_-]?key|secret(?:[_-]?key)?|(?:access|auth|refresh)[_-]?token|password|passwd)
        \\?["']?\s*(?:[:=]|\bis\b)\s*\\?["']?)
        (?=[^\s"'\\]{0,256}\d)(?=[^\s"'\\]{0,256}[A-Za-z])([A-Za-z0-9_./+=~!@\#$%^&*-]{8,})""",
    re.VERBOSE | re.IGNORECASE,
)
_DIGITS = "0123456789"
_FEWEST_DIGITS = 7


class Redactor:
    """Replaces what was asked for, and counts it in `counts` by kind. NUL characters leave as well.

    Raises:
        InvalidRequestError: a kind is not one of `Redaction`.
    """

    def __init__(self, kinds: Iterable[str] = EVERYTHING, counts: Counter[str] | None = None) -> None:
        self.kinds = frozenset(_kind(kind) for kind in kinds)
        self.counts: Counter[str] = Counter() if counts is None else counts
        self.clean: set[str] = set()  # what was said last and holds nothing: conversations repeat themselves
        self._secrets = Redaction.SECRET in self.kinds
        self._emails = Redaction.EMAIL in self.kinds

    def text(self, text: str) -> str:
        """Return the text with markers in place of what was found."""
        if text in self.clean:
            return text
        redacted = self._redacted(text)
        if redacted == text and len(text) <= _REMEMBERED_CHARACTERS:
            if len(self.clean) >= _REMEMBERED_TEXTS:
                self.clean.clear()
            self.clean.add(text)
        return redacted

    def _redacted(self, text: str) -> str:
        if "\0" in text:
            text = text.replace("\0", "")  # which no dataset takes
        # Most texts hold nothing: looking for a few characters costs a tenth of trying the patterns.
        digits = _digits(text)
        if self._secrets:
            if _may_hold_secret(text):
                text = self._replaced(_SECRET, Redaction.SECRET, text)
            if digits and _may_name_secret(text.lower()):
                text = self._without_named_secrets(text)
        if self._emails and "@" in text:
            text = self._replaced(_EMAIL, Redaction.EMAIL, text)
        if digits >= _FEWEST_DIGITS:
            if Redaction.CARD in self.kinds:
                text = self._replaced(_CARD, Redaction.CARD, text, _passes_luhn)
            if Redaction.PHONE in self.kinds:
                text = self._replaced(_PHONE, Redaction.PHONE, text)
        return text

    def _without_named_secrets(self, text: str) -> str:
        text, count = _NAMED_SECRET.subn(r"\1[SECRET]", text)
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


def _digits(text: str) -> int:
    return sum([text.count(digit) for digit in _DIGITS if digit in text])


def _may_hold_secret(text: str) -> bool:
    """Tell whether there is what one of the alternatives of `_SECRET` cannot do without.

    One character is found several times as fast as a word, so words are looked for behind it.
    """
    return (
        "_" in text
        or ("-" in text and ("k-" in text or "glpat-" in text or "xox" in text or "-----BEGIN" in text))
        or (":" in text and "://" in text)
        or ("J" in text and "eyJ" in text)
        or ("A" in text and ("AKIA" in text or "ASIA" in text or "AIza" in text))
        or "earer " in text
    )


def _may_name_secret(text: str) -> bool:
    return "key" in text or "secret" in text or "token" in text or "passw" in text


def _kind(name: str) -> Redaction:
    try:
        return Redaction(name)
    except ValueError:
        known = ", ".join(Redaction)
        raise InvalidRequestError(
            f"There is no redaction {name[:40]!r}; there is {known}.",
            violations=[Violation("redact", f"must be of: {known}")],
        ) from None


def _passes_luhn(number: str) -> bool:
    """Tell whether the last digit checks the others (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in reversed(number) if digit.isdigit()]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(digits) <= 19 and (sum(digits[::2]) + doubled) % 10 == 0
