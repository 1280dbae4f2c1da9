"""Files of rows to score: CSV or JSON Lines, also gzipped, and Parquet. No pandas."""

import csv
import gzip
import io
import os
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from gnomon import _scoring, parquet
from gnomon._scoring import COLUMNS
from gnomon.cells import read_of
from gnomon.errors import InvalidRequestError
from gnomon.instances import Instance, Step
from gnomon.text_files import named, parsed

Format = Literal["csv", "jsonl", "parquet"]
_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_LARGEST_CELL = 64 * 1024 * 1024  # characters; csv itself stops at 128 Ki


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its cells, or why it cannot be read. `place` is such as `Line 7`."""

    place: str
    cells: dict[str, Any]
    problem: str = ""


def format_of(path: Path) -> Format:
    """Tell a file's format from its name.

    Raises:
        InvalidRequestError: the ending is not known.
    """
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    found = _ENDINGS.get(ending.lower())
    if found is None or (found == "parquet" and path.suffix == ".gz"):
        raise InvalidRequestError(
            f"{path} must end with .parquet, or with .csv, .jsonl or .ndjson, and .gz after these if gzipped."
        )
    return found


class Source:
    """A file to read. `share` tells how much of it the current iteration has read, in [0, 1]."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.format = format_of(path)
        self.share = 0.0

    def __iter__(self) -> Generator[Row, None, None]:
        """Yield the rows. What is no row yields its problem; the others go on.

        Raises:
            InvalidRequestError: it is no such file at all.
        """
        if self.format == "parquet":
            for number, (cells, share) in enumerate(parquet.rows(self.path), 1):
                self.share = share
                yield Row(f"Row {number}", cells)
            return
        with self.path.open("rb") as raw:
            size_bytes = max(1, os.fstat(raw.fileno()).st_size)
            unpacked = gzip.GzipFile(fileobj=raw) if self.path.suffix == ".gz" else raw
            file = io.TextIOWrapper(cast(IO[bytes], unpacked), encoding="utf-8-sig", newline="")
            try:
                with named(self.path):
                    for row in _read_csv(self.path, file) if self.format == "csv" else _read_jsonl(file):
                        self.share = raw.tell() / size_bytes
                        yield row
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise InvalidRequestError(f"{self.path} is no whole gzip file: {error}.") from error

    def columns(self) -> list[str]:
        """Return every column, in the order in which they first appear; JSON Lines are read for that."""
        if self.format == "parquet":
            return parquet.columns(self.path)
        return list(dict.fromkeys(column for row in self for column in row.cells))


def read(path: Path) -> Iterator[Row]:
    """Yield the rows of a file, as `Source` does."""
    return iter(Source(path))


def _read_csv(path: Path, file: IO[str]) -> Iterator[Row]:
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(file)
    header = next(filter(None, reader), None)  # blank lines may go before it
    if not header:
        raise InvalidRequestError(f"{path} is empty: the first line must name the columns.")
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise InvalidRequestError(f"{path} has the column {repeated[0]!r} more than once.")
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise InvalidRequestError(f"{path}, line {line}: {error}.") from error
        if values is None:
            return
        if not values:
            continue
        is_one = len(header) == len(values) == 1
        if is_one and (separator := _other_separator(header[0], values[0])):
            raise InvalidRequestError(
                f"The cells of {path} seem to be separated by {separator!r}; "
                "those of CSV are separated by commas."
            )
        cells: dict[str, Any] = dict(zip(header, values, strict=False))
        wrong = len(values) != len(header)
        yield Row(
            f"Line {line}", cells, f"has {len(values)} cells under {len(header)} columns" if wrong else ""
        )


def _other_separator(header: str, first: str) -> str:
    """Return what seems to separate the cells of a header and of a row of one cell each, if anything does."""
    counts = ((separator, header.count(separator)) for separator in ";\t|")
    return next((separator for separator, count in counts if count and first.count(separator) == count), "")


def _read_jsonl(file: IO[str]) -> Iterator[Row]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        place = f"Line {line}"
        try:
            cells = parsed(text)
        except ValueError as error:
            yield Row(place, {}, f"is not JSON: {str(error)[:100]}")
            continue
        if isinstance(cells, dict):
            yield Row(place, cells)
        else:
            yield Row(place, {}, "is not a JSON object; each line must be one")


def check_columns(rows: Iterable[Row], columns: Mapping[str, str], path: Path) -> None:
    """Raise InvalidRequestError if a mapped column is not there, or two would be read as one.

    Reads up to the first row from which on all mapped columns were seen. A file
    without rows has nothing that could be read wrongly.
    """
    absent, found = dict.fromkeys(columns), dict[str, None]()
    for row in rows if absent else ():
        ours(row.cells, columns)
        found |= dict.fromkeys(row.cells)
        absent = {column: None for column in absent if column not in row.cells}
        if not absent:
            return
    if absent and found:
        raise InvalidRequestError(
            f"{path} has no column {next(iter(absent))!r}, which --column names. "
            f"It has {', '.join(list(found)[:20])}."
        )


def ours(cells: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Return a row's cells by our names; `columns` is from the file's.

    Raises:
        InvalidRequestError: two of them would have the same name.
    """
    found: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for column, cell in cells.items():
        name = columns.get(column, column)
        if name in found:
            raise InvalidRequestError(
                f"The row has more than one column as {name!r}, by --column: {sources[name]!r} and "
                f"{column!r}. Leave one out, or name the other something else by --column too."
            )
        found[name], sources[name] = cell, column
    return found


def cells_to_read(cells: Mapping[str, Any], columns: Mapping[str, str], step: Step | None) -> dict[str, Any]:
    """Return those of a row's cells that a metric of the step reads; see `instance_of`."""
    named = ours(cells, columns)
    there = {column: named[column] for column in COLUMNS if named.get(column) not in (None, "", [])}
    if not there:
        raise InvalidRequestError(f"The row has none of the columns {', '.join(COLUMNS)}; see --column.")
    return dict(read_of(there, step))


def instance_of(cells: Mapping[str, Any], columns: Mapping[str, str], step: Step | None) -> Instance:
    """Return what a row holds: a session, a trace, a conversation, or the parts of a span.

    Args:
        columns: from the file's column to one of `COLUMNS`; those not named keep their name.
        step: of the metric that will score it.

    Raises:
        InvalidRequestError: there is nothing to score, or a cell is malformed.
    """
    return _scoring.instance_of(cells_to_read(cells, columns, step), step)
