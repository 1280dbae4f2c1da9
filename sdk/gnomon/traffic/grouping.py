"""Brings the spans of a trace, and the traces of a session, together on disk: memory holds one at a time."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from gnomon.errors import InvalidRequestError
from gnomon.instances import SpanKind
from gnomon.traffic.json_text import orjson
from gnomon.traffic.traced import TracedSpan

_CACHE_KIB = 32 * 1024

_SCHEMA = """
CREATE TABLE spans (trace TEXT NOT NULL, started INTEGER NOT NULL, session TEXT NOT NULL,
                    wanted INTEGER NOT NULL, drawn INTEGER NOT NULL, content BLOB NOT NULL);
"""
# The time of a trace is that of its first span whose time is known; sessions are those of their traces.
_GATHER = """
CREATE INDEX of_trace ON spans (trace, started);
CREATE TABLE traces AS
    SELECT trace, coalesce(min(nullif(started, 0)), 0) AS started, max(session) AS session,
           max(wanted) AS wanted, count(*) AS spans
    FROM spans GROUP BY trace;
CREATE INDEX of_session ON traces (session, started);
CREATE TABLE not_drawn AS SELECT DISTINCT session FROM spans WHERE NOT drawn;
"""


# Trace, when it started, session, whether it is wanted, whether the session is in the sample, all else.
StoredSpan = tuple[str, int, str, bool, bool, bytes]


def stored_span(span: TracedSpan, is_wanted: bool, is_drawn: bool) -> StoredSpan:
    content = orjson().dumps(_fields(span))
    return span.trace_id, span.started_ns, span.session_id, is_wanted, is_drawn, content


@dataclass(frozen=True, slots=True)
class Stored:
    """A trace that was gathered."""

    trace_id: str
    started_ns: int
    session_id: str
    is_wanted: bool
    span_count: int


class Gathered:
    """Spans in a temporary file of their own; a context manager. Add all, gather, then read."""

    def __init__(self) -> None:
        import sqlite3  # here: rows of spans do without it

        self._folder = tempfile.TemporaryDirectory(prefix="gnomon-traffic-")
        self._database = sqlite3.connect(Path(self._folder.name) / "spans", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute(_SCHEMA)
        self._database.execute("BEGIN")

    def __enter__(self) -> "Gathered":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def add(self, spans: list[StoredSpan]) -> None:
        """Store spans.

        Raises:
            InvalidRequestError: there is no room for them.
        """
        with self._enough_room():
            self._database.executemany("INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?)", spans)

    def gather(self) -> None:
        """Bring together what was added.

        Raises:
            InvalidRequestError: there is no room for it.
        """
        with self._enough_room():
            for statement in _GATHER.split(";"):
                self._database.execute(statement)

    @contextmanager
    def _enough_room(self) -> Iterator[None]:
        import sqlite3

        try:
            yield
        except sqlite3.OperationalError as error:
            raise InvalidRequestError(
                f"Traces cannot be put together in {self._folder.name}: {error}."
                " Set TMPDIR to a folder on a disk with more room."
            ) from error

    def traces(self) -> Iterator[Stored]:
        """Yield the traces, the first to start first."""
        found = self._database.execute("SELECT * FROM traces ORDER BY started, trace")
        yield from (
            Stored(trace, started, session, bool(wanted), spans)
            for trace, started, session, wanted, spans in found
        )

    def sessions(self) -> Iterator[tuple[str, bool, list[Stored]]]:
        """Yield the sessions, the first to start first: the ID, whether it was drawn, its traces in order."""
        found = self._database.execute(
            "SELECT session, session NOT IN (SELECT session FROM not_drawn) FROM traces WHERE session <> ''"
            " GROUP BY session ORDER BY min(started), session"
        )
        for session, is_drawn in found:
            rows = self._database.execute(
                "SELECT * FROM traces WHERE session = ? ORDER BY started, trace", (session,)
            )
            traces = [Stored(t, started, s, bool(wanted), n) for t, started, s, wanted, n in rows]
            yield session, bool(is_drawn), traces

    def traces_without_session(self) -> int:
        (count,) = self._database.execute("SELECT count(*) FROM traces WHERE session = ''").fetchone()
        return int(count)

    def spans(self, trace_id: str) -> list[TracedSpan]:
        """Return the spans of a trace in the order they started."""
        loads = orjson().loads
        found = self._database.execute(
            "SELECT content FROM spans WHERE trace = ? ORDER BY started, rowid", (trace_id,)
        )
        return [_span(trace_id, loads(content)) for (content,) in found]


def _fields(span: TracedSpan) -> tuple[Any, ...]:
    return (
        span.span_id, span.parent_span_id, span.name, span.kind, span.started_ns, span.session_id, span.input,
        span.output, span.documents, span.tools, span.tags, span.attributes,
    )  # fmt: skip


def _span(trace_id: str, fields: list[Any]) -> TracedSpan:
    span = TracedSpan(trace_id, *fields)
    span.kind = SpanKind(span.kind) if span.kind else None
    span.tags = tuple(span.tags)
    return span
