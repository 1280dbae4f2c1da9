"""Reads CSV (RFC 4180) and JSON Lines, record by record."""

import csv
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gnomon.errors import DatasetInvalidError, InvalidRequestError, Violation
from gnomon_trainer.adapters.lines import read_lines
from gnomon_trainer.domain.rows import RawRecord
from gnomon_trainer.domain.uploads import RecordSource

_LOOKED_AT = 100  # records of a JSON Lines file whose keys are its columns
_SEARCHED_KEYS = 64  # in a record of more, a search for each key takes longer than a second reading
_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class ReadLimits:
    max_unpacked_bytes: int
    max_cell_characters: int

    @property
    def max_line_bytes(self) -> int:
        """A record may hold several long cells, each character of up to four bytes."""
        return 16 * self.max_cell_characters + 65_536


def open_source(path: Path, filename: str, format_: str | None, limits: ReadLimits) -> RecordSource:
    """Return a reader of a file. `format_` is csv or jsonl; None: by the ending of `filename`.

    Raises:
        InvalidRequestError: the name does not tell the format.
    """
    plain = filename.lower().removesuffix(".gz")
    format_ = format_ or _ENDINGS.get(Path(plain).suffix)
    if format_ is None:
        raise InvalidRequestError(
            "The format cannot be told from the file's name. Let it end with .csv, .jsonl, .csv.gz or "
            ".jsonl.gz, or set the format.",
            violations=[Violation("header.filename", "must tell the format, or format must be set")],
        )
    lines = read_lines(
        path,
        compressed=plain != filename.lower(),
        max_bytes=limits.max_unpacked_bytes,
        max_line_bytes=limits.max_line_bytes,
    )
    return CsvSource(lines, limits) if format_ == "csv" else JsonlSource(lines)


class CsvSource:
    """A `RecordSource` of CSV with a header line."""

    def __init__(self, lines: Iterator[str], limits: ReadLimits) -> None:
        # The csv module has one limit for the process; every reader sets the same. A little more
        # than a cell may have, so that the check of cells can name the column.
        csv.field_size_limit(2 * limits.max_cell_characters)
        self._reader = csv.reader(lines, strict=True)
        self._columns = tuple(self._header())
        if any("\0" in column for column in self._columns):
            raise DatasetInvalidError(
                "Line 1 holds a NUL character in the header. Save the file as plain UTF-8 text.",
                violations=[Violation("line 1", "holds a NUL character")],
            )
        if not self._columns:
            raise DatasetInvalidError("The file is empty: a CSV file starts with a header line.")

    @property
    def columns(self) -> Sequence[str]:
        return self._columns

    def records(self) -> Iterator[RawRecord]:
        width = len(self._columns)
        while True:
            line = self._reader.line_num + 1
            cells = self._next_cells()
            if cells is None:
                return
            if not cells:
                continue  # an empty line
            if len(cells) == width:
                yield RawRecord(line, dict(zip(self._columns, cells, strict=True)))
            else:
                yield RawRecord(line, {}, f"has {len(cells)} cells; the header has {width} columns")

    def _header(self) -> list[str]:
        while (cells := self._next_cells()) is not None:
            if cells:  # blank lines may go before it
                return cells
        return []

    def _next_cells(self) -> list[str] | None:
        start = self._reader.line_num + 1
        try:
            return next(self._reader, None)
        except csv.Error as error:
            what = _explain(error)
            raise DatasetInvalidError(
                f"The CSV cannot be read from line {start} on: {what}.",
                violations=[Violation(f"line {start}", what)],
            ) from error


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "field larger" in text or "unexpected end" in text:
        return "a quotation mark is opened and not closed, or a cell is too long"
    if "expected after" in text:
        return 'text follows a closing quotation mark; inside a cell, " is written ""'
    if "new-line" in text:
        return "a bare carriage return; end lines with LF or CR LF"
    return text[:80]


class JsonlSource:
    """A `RecordSource` of one JSON object a line.

    Its columns are the keys of its first records; later ones may have more.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._records = _json_records(lines)
        self._first = list(itertools.islice(self._records, _LOOKED_AT))
        self._columns = tuple(dict.fromkeys(key for record in self._first for key in record.cells))
        if self._first and not self._columns:
            first = self._first[0]
            raise DatasetInvalidError(
                f"None of the first {len(self._first)} lines is a JSON object with keys. Line {first.line} "
                f"{first.problem or 'is empty'}.",
                violations=[Violation(f"line {r.line}", r.problem or "is empty") for r in self._first[:20]],
            )

    @property
    def columns(self) -> Sequence[str]:
        return self._columns

    def records(self) -> Iterator[RawRecord]:
        yield from self._first
        yield from self._records


def _json_records(lines: Iterator[str]) -> Iterator[RawRecord]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _json_record(number, line)


def _json_record(number: int, line: str) -> RawRecord:
    if "\0" in line:
        return RawRecord(number, {}, f"holds a NUL character at position {line.index(chr(0)) + 1}")
    try:
        record: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return RawRecord(number, {}, f"is not JSON: {error.msg} at position {error.pos + 1}"[:120])
    if not isinstance(record, dict):
        return RawRecord(number, {}, "is not a JSON object")
    if (twice := _key_that_occurs_twice(line, record)) is not None:
        return RawRecord(number, {}, f'has the key "{twice[:40]}" twice')
    return RawRecord(number, record)


def _key_that_occurs_twice(line: str, record: dict[str, Any]) -> str | None:
    """Return a key of the line's object that JSON readers would overwrite in silence.

    Reading a line for it takes much longer than reading it with orjson, so most
    are only searched for their keys: one that is written once occurs once.
    """
    if len(record) <= _SEARCHED_KEYS and all(line.count(f'"{key}"') == 1 for key in record):
        return None
    try:
        pairs: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list)
    except RecursionError:
        return None  # the check of cells refuses what is nested so deep
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return None
