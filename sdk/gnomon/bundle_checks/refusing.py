"""How a check refuses: one file, one rule, one sentence."""

from typing import NoReturn

from gnomon.errors import BundleInvalidError, Violation

_SHOWN = 120


def refuse(path: str, rule: str, what: str) -> NoReturn:
    """Raise BundleInvalidError that names the file and the rule, in words and in its metadata."""
    shown = quoted(path)[1:-1]
    raise BundleInvalidError(
        f"{shown} {what} (rule {rule}).",
        violations=[Violation(shown, f"{rule}: {what}")],
        path=shown,
        rule=rule,
    )


def quoted(value: object) -> str:
    """Return a value from a bundle, short and without control characters, fit for a message."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…{text[0]}"
