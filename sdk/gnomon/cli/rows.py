"""Files of rows to score: CSV or JSON Lines, in and out, also gzipped. No pandas."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, cast

from gnomon import _scoring
from gnomon._scoring import COLUMNS
from gnomon.errors import InvalidRequestError
from gnomon.instances import Instance, Step

Format = Literal["csv", "jsonl"]
_ENDINGS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_LARGEST_CELL = 64 * 1024 * 1024  # characters; csv itself stops at 128 Ki


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its cells, or why it cannot be read."""

    line: int
    cells: dict[str, Any]
    problem: str = ""


def format_of(path: Path) -> Format:
    """Tell a file's format from its name.

    Raises:
        InvalidRequestError: the ending is not known.
    """
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending.lower() not in _ENDINGS:
        raise InvalidRequestError(
            f"{path} must end with .csv, .jsonl or .ndjson, and .gz after it if gzipped."
        )
    return _ENDINGS[ending.lower()]


def read(path: Path) -> Iterator[Row]:
    """Yield the rows of a file. A line that is no row yields its problem; the others go on."""
    with _open_text(path, "r") as file:
        try:
            yield from _read_csv(path, file) if format_of(path) == "csv" else _read_jsonl(file)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidRequestError(f"{path} is no whole gzip file: {error}.") from error


def _open_text(path: Path, mode: Literal["r", "w"]) -> IO[str]:
    if path.suffix == ".gz" or path.name.endswith(".gz.part"):
        packed = gzip.open(path, f"{mode}t", encoding=_encoding(mode), errors=_errors(mode), newline="")  # noqa: SIM115
        return cast(IO[str], packed)
    return path.open(mode, encoding=_encoding(mode), errors=_errors(mode), newline="")


def _errors(mode: str) -> str:
    """Half a character cannot be written in UTF-8; its escape, which is JSON's own, can."""
    return "strict" if mode == "r" else "backslashreplace"


def _encoding(mode: str) -> str:
    return "utf-8-sig" if mode == "r" else "utf-8"


def _read_csv(path: Path, file: IO[str]) -> Iterator[Row]:
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(file)
    header = next(reader, None)
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
        cells: dict[str, Any] = dict(zip(header, values, strict=False))
        wrong = len(values) != len(header)
        yield Row(line, cells, f"has {len(values)} cells under {len(header)} columns" if wrong else "")


def _read_jsonl(file: IO[str]) -> Iterator[Row]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            cells = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield Row(line, {}, f"is not JSON: {str(error)[:100]}")
            continue
        yield Row(line, cells) if isinstance(cells, dict) else Row(line, {}, "is not a JSON object")


def columns_of(path: Path) -> list[str]:
    """Return every column of a file, in the order in which they first appear."""
    return list(dict.fromkeys(column for row in read(path) for column in row.cells))


def instance_of(cells: Mapping[str, Any], columns: Mapping[str, str], step: Step) -> Instance:
    """Return what a row holds: a session, a trace, a conversation, or the parts of a span.

    Args:
        columns: from the file's column to one of `COLUMNS`; those not named keep their name.
        step: of the metric that will score it.

    Raises:
        InvalidRequestError: there is nothing to score, or a cell is malformed.
    """
    ours = {columns.get(column, column): value for column, value in cells.items()}
    found = {column: ours[column] for column in COLUMNS if ours.get(column) not in (None, "", [])}
    if not found:
        raise InvalidRequestError(f"The row has none of the columns {', '.join(COLUMNS)}; see --column.")
    return _scoring.instance_of(found, step)


class Writer:
    """Writes rows to a file that appears whole when all went well, or not at all.

    `columns` is needed for CSV, where the header comes first.
    """

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._format = format_of(path)
        self._columns = list(dict.fromkeys(columns))

    def __enter__(self) -> "Writer":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _open_text(self._part, "w")
        if self._format == "csv":
            csv.writer(self._file).writerow(self._columns)
        return self

    def write(self, cells: Mapping[str, Any]) -> None:
        """Write one row. In CSV, lists and objects become JSON, and what is missing is empty."""
        if self._format == "jsonl":
            self._file.write(json.dumps(cells, ensure_ascii=False) + "\n")
        else:
            csv.writer(self._file).writerow([_csv_cell(cells.get(column)) for column in self._columns])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
