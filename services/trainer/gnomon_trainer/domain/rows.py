"""From a file's record to a stored row, and from a stored row to a `Row`. Pure.

A stored row is one JSON object: the columns that the metric reads, `id` if
there is one, `label` unless the dataset is unlabelled, then all other columns
by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gnomon.cells import CellError, canonical, instance
from gnomon.errors import InstanceInvalidError
from gnomon_trainer.domain import soft_labels
from gnomon_trainer.domain.columns import ID, LABEL, Columns, needed
from gnomon_trainer.domain.labels import LabelError, parse_label
from gnomon_trainer.domain.texts import rendered
from gnomon_trainer.domain.training import MetricDefinition, Row

_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record of a file, from `line` on; `problem` is set if it has no cells."""

    line: int
    cells: Mapping[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BadRow:
    """Why a record is no row; `column` is empty if it is the whole record."""

    line: int
    column: str
    message: str

    @property
    def place(self) -> str:
        return f'line {self.line}, column "{self.column}"' if self.column else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row as it is stored, with the text and the label that the checks look at; "" if it has none."""

    record: dict[str, Any]
    label: str
    text: str
    is_doubted: bool = False  # its shares prefer another class than its label


def stored_row(
    raw: RawRecord, columns: Columns, metric: MetricDefinition, max_cell_characters: int
) -> StoredRow | BadRow:
    """Check a record and bring it into the stored form; columns at fault carry the file's names."""
    if raw.problem:
        return BadRow(raw.line, "", raw.problem)
    try:
        for column, cell in raw.cells.items():
            _check_cell(column, cell, max_cell_characters)
        record = {ours: canonical(ours, raw.cells.get(theirs)) for ours, theirs in _read_first(columns)}
        for column, cell in record.items():  # JSON in a CSV cell was text until now
            _check_cell(column, cell, max_cell_characters)
        made = instance(record, metric.step)
        text = rendered(made, metric)
        record |= _id(raw, columns)
        extra = _extra(raw, columns, record)
        shares = soft_labels.parse(extra.pop(soft_labels.COLUMN, None), metric)
        label = "" if columns.unlabelled else parse_label(raw.cells.get(columns.read[LABEL]), metric)
    except CellError as error:
        return BadRow(raw.line, columns.read.get(error.column, error.column), str(error))
    except LabelError as error:
        return BadRow(raw.line, columns.read[LABEL], str(error))
    except InstanceInvalidError as error:
        return BadRow(raw.line, "", error.message)
    if not columns.unlabelled:
        record[LABEL] = label
    record |= extra
    if shares is not None:
        record[soft_labels.COLUMN] = shares
    return StoredRow(record, label, text, shares is not None and soft_labels.disagrees(shares, label))


def _read_first(columns: Columns) -> list[tuple[str, str]]:
    return [(ours, theirs) for ours, theirs in columns.read.items() if ours not in {LABEL, ID}]


def _extra(raw: RawRecord, columns: Columns, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the metric does not read, also of columns that no earlier record has."""
    read = {*columns.read.values(), ID}
    extra = {name: raw.cells[name] for name in sorted(raw.cells) if name not in read}
    for name in extra:
        if columns.unlabelled and name in {LABEL, soft_labels.COLUMN}:
            raise CellError(name, "is there, though the rows were sent as unlabelled")
        if name in record or name == LABEL:
            raise CellError(
                "", f'has "{name}" besides "{columns.read[name][:40]}", which is read in its place'
            )
        if name in columns.passed_over:  # stored beside the other, it would be what training reads
            raise CellError(
                "", f'has "{name}", which would be read in place of the column that was chosen; rename it'
            )
        if not name.strip():
            raise CellError("", "has a key without a name")
        if "\0" in name:
            raise CellError("", "has a NUL character in a key")
    return extra


def _id(raw: RawRecord, columns: Columns) -> dict[str, str]:
    cell = raw.cells.get(columns.read.get(ID, ID))
    if cell is None or cell == "":
        return {}
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise CellError(ID, "must be text or a whole number")
    return {ID: str(cell)}


def _check_cell(column: str, cell: Any, max_characters: int, depth: int = 0) -> None:
    """Refuse what cannot be kept or no text should hold, however deep it lies."""
    if depth > _MAX_DEPTH:
        raise CellError(column, f"is nested deeper than {_MAX_DEPTH} levels")
    match cell:
        case str():
            _check_text(column, cell, max_characters)
        case bool():
            pass
        case int() if not -(2**63) <= cell < 2**63:
            raise CellError(column, "holds a number of more than 64 bits; write it as text")
        case list():
            for item in cell:
                _check_cell(column, item, max_characters, depth + 1)
        case dict():
            for key, item in cell.items():
                _check_text(column, key, max_characters)
                _check_cell(column, item, max_characters, depth + 1)


def _check_text(column: str, text: str, max_characters: int) -> None:
    if len(text) > max_characters:
        raise CellError(column, f"has {len(text)} characters; at most {max_characters} are read")
    if "\0" in text:
        raise CellError(column, f"holds a NUL character at position {text.index(chr(0)) + 1}")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise CellError(column, "holds half a surrogate pair, which is no character")


def checked_row(row: Row, record: Mapping[str, Any], metric: MetricDefinition) -> StoredRow:
    """Return a stored row as the checks look at it again; shares that cannot be read doubt nothing."""
    try:
        shares = soft_labels.parse(record.get(soft_labels.COLUMN), metric)
    except CellError:  # of a dataset of an earlier release
        shares = None
    is_doubted = shares is not None and soft_labels.disagrees(shares, row.label)
    return StoredRow(dict(record), row.label, rendered(row.instance, metric), is_doubted)


def row_of(number: int, record: Mapping[str, Any], metric: MetricDefinition) -> Row:
    """Return a stored row as the training reads it; the label is empty if it has none yet."""
    read = [name for group in needed(metric.input_shape) for name in group if name != LABEL]
    cells = {name: record[name] for name in read if name in record}
    extra = {name: cell for name, cell in record.items() if name not in {*cells, LABEL}}
    return Row(number, instance(cells, metric.step), record.get(LABEL, ""), extra)
