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


def csv_rows(file: IO[bytes]) -> Iterator[tuple[int, Any]]:
    """Yield each row as an object by the names of the header, with its number; empty cells are left out."""
    csv.field_size_limit(_LARGEST_CELL)
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        yield from _rows(csv.reader(text, strict=True))
    finally:
        text.detach()  # the file is closed by whom it belongs to


def _rows(reader: Iterator[list[str]]) -> Iterator[tuple[int, Any]]:
    number, header = 0, None
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield number, Malformed(f"is not CSV: {str(error)[:80]}")
            number += 1
            continue
        if cells is None:
            return
        if header is None:
            header = cells
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
