"""Writes the rows of a file with further columns, in any of the formats, whole or not at all."""

import csv
import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from gnomon import parquet
from gnomon.cli.rows import Source, format_of


def write(source: Source, target: Path, added: Mapping[str, type], cells: Iterator[dict[str, Any]]) -> None:
    """Write `target`: every row of the source, and one dict of further cells for each.

    The same rows give the same bytes. `added` are the further columns in their
    order, each of str, bool or float; a column of the source of that name is
    replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        _write(source, part, target, added, cells)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _write(
    source: Source, part: Path, target: Path, added: Mapping[str, type], cells: Iterator[dict[str, Any]]
) -> None:
    kind = format_of(target)
    if kind == source.format == "parquet":
        parquet.extend(source.path, part, added, cells)
        return
    # A row without a score must not keep what the source has in a column of that name.
    nothing: dict[str, Any] = dict.fromkeys(added)
    rows = (row.cells | nothing | more for row, more in zip(source, cells, strict=True))
    if kind == "parquet":
        given = (row.cells for row in source)
        parquet.write(part, given, added, rows, as_text=source.format == "csv")
        return
    with _text_file(part, is_packed=target.suffix == ".gz") as file:
        if kind == "csv":
            _write_csv(file, list(dict.fromkeys([*source.columns(), *added])), rows)
        else:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


class _text_file:  # noqa: N801  used as a function
    """A file of text, gzipped without a name and a time."""

    def __init__(self, path: Path, *, is_packed: bool) -> None:
        self._raw = path.open("wb")
        self._packed = gzip.GzipFile("", "wb", fileobj=self._raw, mtime=0) if is_packed else None

    def __enter__(self) -> io.TextIOWrapper:
        # Half a character cannot be written in UTF-8; its escape, which is JSON's own, can.
        binary = cast(IO[bytes], self._packed or self._raw)
        self._text = io.TextIOWrapper(binary, "utf-8", errors="backslashreplace", newline="")
        return self._text

    def __exit__(self, *_: object) -> None:
        self._text.close()  # closes the packed or the raw file below it
        self._raw.close()


def _write_csv(file: IO[str], columns: list[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Lists and objects become JSON, and what is missing is empty."""
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(row.get(column)) for column in columns])


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
