"""From files of exported traces to rows: read, filtered, redacted, put together."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import Literal, TypeVar, get_args

from gnomon import cells
from gnomon.errors import InvalidRequestError, Violation
from gnomon.instances import Instance, Step, Trace
from gnomon.traffic.detecting import SOURCES, Source
from gnomon.traffic.files import File
from gnomon.traffic.filters import Wanted
from gnomon.traffic.grouping import Gathered
from gnomon.traffic.processes import Block, blocks, in_processes
from gnomon.traffic.reading import Reading, Records, counted
from gnomon.traffic.redaction import EVERYTHING, Redactor
from gnomon.traffic.rows import Row, span_cell, span_row
from gnomon.traffic.tally import Tally
from gnomon.traffic.whole import Whole
from gnomon.traffic.writing import lines_of, write_lines

Into = Literal["spans", "traces", "sessions"]
T = TypeVar("T")
_INTO: tuple[str, ...] = get_args(Into)


class Import:
    """Traces to import: iterate for rows, in bounded memory, or `write` them to a file.

    Each time, the files are read anew. `tally` is what was counted the last
    time, so far.
    """

    def __init__(
        self, files: Iterable[Path], reading: Reading, into: Into, most_spans: int, processes: int
    ) -> None:
        self._files = tuple(files)
        self._reading = reading
        self._into = into
        self._most_spans = most_spans
        self._processes = processes
        self.tally = Tally()

    def __iter__(self) -> Iterator[Row]:
        """Yield rows of JSON values, with the columns that a dataset's upload reads once there is a `label`.

        A span's are `input`, `output`, `documents` and `tools`; a trace's is
        `trace`, a session's `session`. `id`, `time`, `tags` and the like tell
        where the row comes from.

        Raises:
            InvalidRequestError: a file is not there, is a pipe, or is packed
                by something else than gzip; a library for it is not installed;
                or there is no room to put traces together. What a file holds
                never raises: it is counted.
        """
        self.tally = tally = Tally()
        if self._into != "spans":
            return counted(self._whole(tally), tally)
        return counted(map(span_row, self._reading.spans(self._placed(), tally)), tally)

    def instances(self) -> Iterator[Instance]:
        """Yield spans, traces or sessions instead of rows, ready to be scored."""
        if self._into == "spans":
            self.tally = tally = Tally()
            for span in self._reading.spans(self._placed(), tally):
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

        Without a row, nothing is written, and a file that is there stays.
        `progress` is called again and again with what has been counted so far.

        Raises:
            InvalidRequestError: as iterating; or the name ends with something
                else, or is that of a file that is read.
        """
        target = Path(target)
        if target.exists() and any(file.exists() and target.samefile(file) for file in self._files):
            raise InvalidRequestError(f"{target} is a file that is read. Name another.")
        if self._into == "spans":
            self.tally = Tally()
            lines = self._made(self._reading.lines, self.tally)
        else:
            lines = lines_of(self)
        write_lines(target, lines, lambda: progress(self.tally))
        return self.tally

    def _placed(self) -> Iterator[Records]:
        return (file.placed() for file in [File(path) for path in self._files])

    def _whole(self, tally: Tally) -> Iterator[Row]:
        """Yield traces or sessions."""
        draws = self._into == "traces"
        with Gathered() as gathered:
            for spans in self._made(partial(self._reading.stored, draws=draws), tally):
                gathered.add(spans)
            gathered.gather()
            whole = Whole(gathered, self._most_spans, tally)
            yield from whole.traces() if draws else whole.sessions()

    def _made(self, make: Callable[[Iterable[Records], Tally], Iterator[T]], tally: Tally) -> Iterator[T]:
        """Yield what is made of all files: here, or of JSON Lines in the processes that were asked for."""
        files = [File(path) for path in self._files]
        for is_divided, some in groupby(files, lambda file: self._processes > 1 and file.layout == "lines"):
            if not is_divided:
                yield from make((file.placed() for file in some), tally)
                continue
            parts = chain.from_iterable(map(blocks, some))
            for found, part in in_processes(partial(_of_block, make), parts, self._processes):
                tally.add(part)
                yield from found


def _of_block(make: Callable[[Iterable[Records], Tally], Iterator[T]], block: Block) -> tuple[list[T], Tally]:
    tally = Tally()
    return list(make([block.placed()], tally)), tally


def read(
    files: str | Path | Iterable[str | Path],
    *,
    source: Source = "auto",
    into: Into = "spans",
    wanted: Wanted | None = None,
    redactions: Iterable[str] = EVERYTHING,
    most_spans: int = 10_000,
    processes: int = 1,
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
        processes: how many read JSON Lines at a time, where spans are written,
            or traces and sessions put together.

    Raises:
        InvalidRequestError: an argument is none of those that there are.
    """
    paths = [files] if isinstance(files, str | Path) else list(files)
    reading = Reading(source, wanted or Wanted(), tuple(redactions))
    Redactor(reading.redactions)  # refuses what is none, before any file is opened
    if not paths:
        raise _refused("files", "must name at least one")
    if source not in SOURCES:
        raise _refused("source", f"is {source!r}; it must be one of: {', '.join(SOURCES)}")
    if into not in _INTO:
        raise _refused("into", f"is {into!r}; it must be one of: {', '.join(_INTO)}")
    if processes < 1:
        raise _refused("processes", f"is {processes}; it must be 1 or more")
    return Import(map(Path, paths), reading, into, most_spans, processes)


def _refused(field: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field} {what}.", violations=[Violation(field, what)])
