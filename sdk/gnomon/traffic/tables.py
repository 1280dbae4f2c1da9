"""Tables of exported traces: CSV and Parquet."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gnomon.errors import InvalidRequestError
from gnomon.optional import required
from gnomon.parquet import rows
from gnomon.traffic.traced import Malformed

_LARGEST_CELL = 64 * 1024 * 1024  # characters; csv itself stops at 128 Ki
_LONGEST_ROW = 64 * 1024 * 1024  # characters, of up to four bytes each
_SKIPPED_CHARACTERS = 1 << 20


def csv_rows(file: IO[bytes], most_characters: int = _LONGEST_ROW) -> Iterator[tuple[int, Any]]:
    """Yield each row as an object by the names of the header, with its number; empty cells are left out."""
    csv.field_size_limit(_LARGEST_CELL)
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        yield from _rows(_Lines(text, most_characters))
    finally:
        text.detach()  # the file is closed by whom it belongs to


class _Lines:
    """The lines of a file, of which a row may have as many as it likes, but not as many characters."""

    def __init__(self, text: io.TextIOWrapper, most: int) -> None:
        self._text = text
        self._most = most
        self._taken = 0

    def begin_row(self) -> None:
        self._taken = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._most - self._taken + 1)
        self._taken += len(line)
        if self._taken > self._most:
            while line and not line.endswith("\n"):
                line = self._text.readline(_SKIPPED_CHARACTERS)
            raise csv.Error(f"a row is longer than {self._most} characters")
        if not line:
            raise StopIteration
        return line


def _rows(lines: _Lines) -> Iterator[tuple[int, Any]]:
    reader = csv.reader(lines, strict=True)
    number, header = 0, None
    while True:
        lines.begin_row()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield number, Malformed(f"is not CSV: {str(error)[:80]}")
            number += 1
            continue
        if cells is None:
            return
        if header is None:
            header = cells or None  # blank lines may go before it
        elif cells and len(cells) != len(header):
            yield number, Malformed("has another number of cells than the header")
        elif cells:
            yield number, {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        number += 1


def parquet(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield each row as an object, with its number.

    Raises:
        InvalidRequestError: pyarrow is not installed.
    """
    required("pyarrow.parquet", "Parquet files", "pip install 'gnomon[parquet]'")
    number = 0
    try:
        for number, (cells, _) in enumerate(rows(path), 1):
            yield number, {name: cell for name, cell in cells.items() if cell is not None}
    except InvalidRequestError as error:
        yield number + 1, Malformed(f"cannot be read from here on: {error.message[:120]}")
