"""From files of exported traces to rows: read, filtered, redacted, put together."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

from gnomon import cells
from gnomon.errors import InvalidRequestError, Violation
from gnomon.instances import Instance, Step, Trace
from gnomon.traffic.detecting import SOURCES, Source, reader_of
from gnomon.traffic.files import File
from gnomon.traffic.filters import Filter, Wanted
from gnomon.traffic.grouping import Gathered, Stored
from gnomon.traffic.redaction import EVERYTHING, Redactor
from gnomon.traffic.rows import (
    Row,
    redact,
    session_row,
    span_cell,
    span_row,
    tags_of_all,
    trace_cell,
    trace_row,
)
from gnomon.traffic.tally import Tally
from gnomon.traffic.traced import Malformed, TracedSpan
from gnomon.traffic.writing import write_rows

Into = Literal["spans", "traces", "sessions"]
_INTO: tuple[str, ...] = get_args(Into)

# Why spans, and traces and sessions once they are put together, gave no row.
OTHER = "spans that are no call of a model, tool, retriever or agent"
EMPTY = "without input, output and documents"
UNWANTED = "not asked for"
NOT_DRAWN = "not in the sample"
SPANS_NOT_DRAWN = "spans of traces not in the sample"
NO_SESSION = "traces of no session"
TOO_LARGE = "of too many spans"


class Import:
    """Traces to import: iterate for rows, in bounded memory.

    Each iteration reads the files anew. `tally` is what the newest one has
    counted so far.
    """

    def __init__(
        self,
        files: Iterable[Path],
        *,
        source: Source,
        into: Into,
        wanted: Wanted,
        redactions: Iterable[str],
        most_spans: int,
    ) -> None:
        self._files = tuple(files)
        self._source = source
        self._into = into
        self._filter = Filter(wanted)
        self._redactions = tuple(redactions)
        self._most_spans = most_spans
        self.tally = Tally()

    def __iter__(self) -> Iterator[Row]:
        """Yield rows of JSON values, with the columns that a dataset's upload reads once there is a `label`.

        A span's are `input`, `output`, `documents` and `tools`; a trace's is
        `trace`, a session's `session`. `id`, `time`, `tags` and the like tell
        where the row comes from.

        Raises:
            InvalidRequestError: a file is not there, or a library for it is
                not installed. What a file holds never raises: it is counted.
        """
        self.tally = tally = Tally()
        for row in self._rows(tally):
            tally.rows += 1
            yield row

    def _rows(self, tally: Tally) -> Iterator[Row]:
        match self._into:
            case "spans":
                return map(span_row, self._spans(tally))
            case "traces":
                return self._traces(tally)
            case "sessions":
                return self._sessions(tally)

    def instances(self) -> Iterator[Instance]:
        """Yield spans, traces or sessions instead of rows, ready to be scored."""
        if self._into == "spans":
            self.tally = tally = Tally()
            for span in self._spans(tally):
                tally.rows += 1
                trace = cells.instance({"trace": [span_cell(span, span.parent_span_id)]})
                assert isinstance(trace, Trace)
                yield trace.spans[0]
            return
        column, step = ("trace", Step.TRACE) if self._into == "traces" else ("session", Step.SESSION)
        for row in self:
            yield cells.instance({column: row[column]}, step)

    def write(self, target: str | Path, progress: Callable[[Tally], None] = lambda _: None) -> Tally:
        """Write the rows as JSON Lines, gzipped if the name ends with `.gz`: the whole file or none.

        `progress` is called again and again with what has been counted so far.

        Raises:
            InvalidRequestError: as iterating; or the name ends with something else.
        """
        write_rows(Path(target), self, lambda: progress(self.tally))
        return self.tally

    def _read(self, tally: Tally) -> Iterator[TracedSpan]:
        """Yield everything that can be read, and count the rest."""
        read = reader_of(self._source)
        for file in [File(path) for path in self._files]:
            for number, record in file.records():
                for span in read(record):
                    if isinstance(span, Malformed):
                        inside = f", {span.inside}" if span.inside else ""
                        tally.add_malformed(span.reason, f"{file.path.name}, {file.noun} {number}{inside}")
                    else:
                        tally.spans += 1
                        yield span

    def _spans(self, tally: Tally) -> Iterator[TracedSpan]:
        redactor = Redactor(self._redactions, tally.redacted)
        wants, draws = self._filter.wants, self._filter.draws
        for span in self._read(tally):
            if span.kind is None:
                tally.left_out[OTHER] += 1
            elif not span.has_content:
                tally.left_out[EMPTY] += 1
            elif not wants(span):
                tally.left_out[UNWANTED] += 1
            elif not draws(span.trace_id):
                tally.left_out[NOT_DRAWN] += 1
            else:
                redact(span, redactor)
                yield span

    def _gather(self, gathered: Gathered, tally: Tally) -> None:
        redactor = Redactor(self._redactions, tally.redacted)
        draws_traces = self._into == "traces"
        for span in self._read(tally):
            if draws_traces and not self._filter.draws(span.trace_id):
                tally.left_out[SPANS_NOT_DRAWN] += 1
                continue
            is_wanted = self._filter.wants(span)
            if not span.has_content:
                span.attributes = {}  # of what only holds its place in the tree, nothing else is stored
            redact(span, redactor)
            gathered.add(span, is_wanted)
        gathered.gather()

    def _traces(self, tally: Tally) -> Iterator[Row]:
        with Gathered() as gathered:
            self._gather(gathered, tally)
            for stored in gathered.traces():
                if self._takes([stored], tally):
                    spans = gathered.spans(stored.trace_id)
                    if cell := trace_cell(stored.trace_id, spans):
                        yield trace_row(stored, spans, cell)
                    else:
                        tally.left_out[EMPTY] += 1

    def _sessions(self, tally: Tally) -> Iterator[Row]:
        with Gathered() as gathered:
            self._gather(gathered, tally)
            if alone := gathered.traces_without_session():
                tally.left_out[NO_SESSION] += alone
            for session_id, traces in gathered.sessions():
                if not self._filter.draws(session_id):
                    tally.left_out[NOT_DRAWN] += 1
                elif self._takes(traces, tally):
                    found = [(stored, gathered.spans(stored.trace_id)) for stored in traces]
                    held = [cell for stored, spans in found if (cell := trace_cell(stored.trace_id, spans))]
                    tags = tags_of_all([span for _, spans in found for span in spans])
                    if held:
                        yield session_row(session_id, traces[0].started_ns, held, tags)
                    else:
                        tally.left_out[EMPTY] += 1

    def _takes(self, traces: list[Stored], tally: Tally) -> bool:
        if not any(stored.is_wanted for stored in traces):
            tally.left_out[UNWANTED] += 1
            return False
        if sum(stored.span_count for stored in traces) > self._most_spans:
            tally.left_out[TOO_LARGE] += 1
            return False
        return True


def read(
    files: str | Path | Iterable[str | Path],
    *,
    source: Source = "auto",
    into: Into = "spans",
    wanted: Wanted | None = None,
    redactions: Iterable[str] = EVERYTHING,
    most_spans: int = 10_000,
) -> Import:
    """Return an import of exported traces; nothing is read before it is iterated over.

    Args:
        files: JSON, JSON Lines, CSV, Parquet or protobuf, also gzipped.
        source: what wrote them; `auto` looks at each record.
        into: what a row is.
        wanted: filters and the sample; without it, everything is taken.
        redactions: what is replaced by a marker before anything is stored, of
            `secret`, `email`, `card` and `phone`.
        most_spans: a trace or session of more is left out, since a row is held in memory.

    Raises:
        InvalidRequestError: an argument is none of those that there are.
    """
    paths = [files] if isinstance(files, str | Path) else list(files)
    kinds = tuple(redactions)
    Redactor(kinds)  # refuses what is none, before any file is opened
    if not paths:
        raise _refused("files", "must name at least one")
    if source not in SOURCES:
        raise _refused("source", f"is {source!r}; it must be one of: {', '.join(SOURCES)}")
    if into not in _INTO:
        raise _refused("into", f"is {into!r}; it must be one of: {', '.join(_INTO)}")
    return Import(
        map(Path, paths),
        source=source,
        into=into,
        wanted=wanted or Wanted(),
        redactions=kinds,
        most_spans=most_spans,
    )


def _refused(field: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field} {what}.", violations=[Violation(field, what)])
