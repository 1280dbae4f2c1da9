"""Which spans, and with them which traces and sessions, are wanted. Pure."""

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from gnomon.errors import InvalidRequestError, Violation
from gnomon.instances import SpanKind
from gnomon.traffic.traced import TracedSpan, datetime_ns


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a span; a trace or a session is wanted whole if one of its spans is.

    Args:
        since: the first moment at which it may start; UTC if it names no zone.
        until: the first moment at which it may not start any more.
        tags: tags that it has, all of them.
        where: attributes that it has with these values, such as
            `{"service.name": "shop", "metadata.customer": "acme"}`.
        kinds: the kinds that it may be of; empty: any.
        names: the names that it may have; empty: any.
        sample: the share of traces (of sessions, where these are the rows) to
            keep, drawn by a hash of the ID: one is in or out whole, from
            whatever file its spans come, and a larger share holds the smaller.
        seed: another one draws other traces.

    Raises:
        InvalidRequestError: the share is not in (0, 1].
    """

    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    tags: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[SpanKind, ...] = ()
    names: tuple[str, ...] = ()
    sample: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.sample <= 1:
            raise InvalidRequestError(
                f"sample is {self.sample:g}; it must be above 0 and at most 1.",
                violations=[Violation("sample", "must be in (0, 1]")],
            )
        if self.since and self.until and datetime_ns(self.since) >= datetime_ns(self.until):
            raise InvalidRequestError(
                "since is not before until, so that nothing can lie between.",
                violations=[Violation("since", "must be before until")],
            )


class Filter:
    """`Wanted`, ready to be asked often."""

    def __init__(self, wanted: Wanted) -> None:
        self._since = datetime_ns(wanted.since) if wanted.since else 0
        self._until = datetime_ns(wanted.until) if wanted.until else 0
        self._tags = frozenset(wanted.tags)
        self._where = tuple(wanted.where.items())
        self._kinds = frozenset(wanted.kinds)
        self._names = frozenset(wanted.names)
        self._below = int(wanted.sample * 2**64)
        self._key = str(wanted.seed).encode()
        self._draws = wanted.sample < 1
        self._asks = bool(
            self._since or self._until or self._tags or self._where or self._kinds or self._names
        )

    def wants(self, span: TracedSpan) -> bool:
        """Tell whether the span meets every condition; one whose time is not known is in no range of time."""
        if not self._asks:
            return True
        started = span.started_ns
        return (
            not (self._since and started < self._since)
            and not (self._until and not 0 < started < self._until)
            and (not self._kinds or span.kind in self._kinds)
            and (not self._names or span.name in self._names)
            and self._tags.issubset(span.tags)
            and all(span.attributes.get(key) == value for key, value in self._where)
        )

    def draws(self, whole: str) -> bool:
        """Tell whether the trace or session of this ID is in the sample."""
        if not self._draws:
            return True
        drawn = hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key[:64])
        return int.from_bytes(drawn.digest(), "big") < self._below
