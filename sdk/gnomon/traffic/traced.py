"""What every format is read into: one span of a trace, as it was captured."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gnomon.instances import SpanKind

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_MOST_NS = 2**63 - 1  # what SQLite can hold
# Numbers of this size are seconds, milliseconds, microseconds or nanoseconds of this century.
_UNITS = ((1e11, 10**9), (1e14, 10**6), (1e17, 10**3), (1e20, 1))

Cells = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record, or a span in it, that cannot be read. `inside` says where in the record, such as `span 3`."""

    reason: str
    inside: str = ""


class MalformedError(ValueError):
    """What is being read has not the shape that its format says; the message is the reason."""


@dataclass(slots=True)
class TracedSpan:
    """One span of a trace.

    `input` and `output` are messages as OpenAI's API writes them; `documents`
    and `tools` are what the columns of that name hold. A span without a `kind`
    is glue, such as a call over HTTP: it holds its place in the tree and gives
    no row. `started_ns` is nanoseconds since 1970, 0 if it is not known.
    """

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    name: str = ""
    kind: SpanKind | None = None
    started_ns: int = 0
    session_id: str = ""
    input: Cells = field(default_factory=list)
    output: Cells = field(default_factory=list)
    documents: Cells = field(default_factory=list)
    tools: Cells = field(default_factory=list)
    tags: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def has_content(self) -> bool:
        return self.kind is not None and bool(self.input or self.output or self.documents)


def identifier(value: Any, what: str) -> str:
    """Return an ID as text.

    Raises:
        MalformedError: it is missing or something else.
    """
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise MalformedError(f"has no {what}" if value in (None, "") else f"has a {what} that is no text")


def time_ns(value: Any) -> int:
    """Return a time as nanoseconds since 1970: of ISO text (UTC if it names no zone), or of a number.

    One before 1970 stands for none, as the zero times of Go and of .NET do: 0.

    Raises:
        MalformedError: it is neither, or one behind the year 2262.
    """
    if value is None or value == "":
        return 0
    if isinstance(value, datetime.datetime):
        return nanoseconds(datetime_ns(value))
    if isinstance(value, str):
        try:
            if not value.isdigit():
                return nanoseconds(datetime_ns(datetime.datetime.fromisoformat(value)))
            value = int(value)
        except ValueError:
            raise MalformedError("has a time that is none") from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        unit = next((unit for limit, unit in _UNITS if abs(value) < limit), None)
        if unit is not None:
            return nanoseconds(int(value * unit))
    raise MalformedError("has a time that is none")


def nanoseconds(value: int) -> int:
    """Return nanoseconds since 1970 that can be written and stored; 0 for a time before.

    Raises:
        MalformedError: they are too many.
    """
    if value > _MOST_NS:
        raise MalformedError("has a time that is none")
    return max(0, value)


def datetime_ns(value: datetime.datetime) -> int:
    """Return nanoseconds since 1970, to the microsecond; UTC if it names no zone."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.UTC)
    try:
        return (value - _EPOCH) // _MICROSECOND * 1000
    except OverflowError:  # on the first or the last day that there is
        return -1 if value.year == 1 else _MOST_NS + 1


def time_text(started_ns: int) -> str:
    """Return ISO text in UTC, to the microsecond; nothing for a time that is not known."""
    if not started_ns:
        return ""
    seconds, microseconds = divmod(started_ns // 1000, 10**6)
    fraction = f".{microseconds:06}" if microseconds else ""
    return f"{_second_text(seconds)}{fraction}+00:00"


@lru_cache(maxsize=1024)
def _second_text(seconds: int) -> str:
    """Many spans start in one second, and to write a time takes longer than to look it up."""
    return (_EPOCH + datetime.timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def text_of(value: Any) -> str | None:
    """Return a scalar as text, as filters compare it and rows keep it; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def flat(prefix: str, value: Any) -> dict[str, str]:
    """Return the scalars in a value by their path, such as `{"metadata.customer": "acme"}`."""
    if isinstance(value, Mapping):
        return {k: v for key, item in value.items() for k, v in flat(f"{prefix}.{key}", item).items()}
    text = text_of(value)
    return {} if text is None else {prefix: text}


def tags_of(value: Any) -> tuple[str, ...]:
    """Return tags of a list, or of text with commas between them."""
    if isinstance(value, str):
        value = [part.strip() for part in value.strip("[]").split(",")]
    if not isinstance(value, list | tuple):
        return ()
    return tuple(tag for tag in map(text_of, value) if tag)
