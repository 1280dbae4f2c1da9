"""Which rows of a test set belong together: by length, class, and extra column. Pure, with NumPy.

A report carries values of extra columns, and no other text of users. So that
none of them tells of a single row, rare values go together.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnomon_trainer.domain.columns import ID
from gnomon_trainer.domain.measures import Ints
from gnomon_trainer.domain.review_corrections import COLUMN as REVIEWED
from gnomon_trainer.domain.texts import rendered
from gnomon_trainer.domain.training import JUDGE_LABEL, MetricDefinition, ReportOptions, Row

FEW_ROWS = 30
CHARACTERS, CLASS, COLUMN = "characters", "class", "column:"

_LENGTHS = (100, 300, 1_000, 3_000, 10_000)
_ENDS = (*_LENGTHS, _LENGTHS[-1] + 1)
_MOST_VALUES = 20
_LONGEST_VALUE = 40
_RARE = 5  # rows
_OTHERS, _EMPTY = "(others)", "(empty)"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the rows: their positions, from 0."""

    key: str
    value: str
    rows: Ints


def parts(rows: Iterable[Row], metric: MetricDefinition, options: ReportOptions) -> list[Part]:
    """Return the parts by length of what is read, by class, and by columns. Rows are read once.

    A division with one part only is none.
    """
    lengths, labels, extras = [], [], []
    for row in rows:
        lengths.append(_band(len(rendered(row.instance, metric))))
        labels.append(row.label)
        extras.append(row.extra)
    found = _divided(CHARACTERS, lengths, [_band(n) for n in _ENDS])
    found += _divided(CLASS, labels, metric.classes)
    for column in _columns(extras, options):
        cells = [_text(extra.get(column)) for extra in extras]
        chosen = column in options.slice_columns
        if chosen or None not in cells:
            found += _of_column(column, [cell or _EMPTY for cell in cells], chosen=chosen)
    return found


def _band(length: int) -> str:
    low = 0
    for high in _LENGTHS:
        if length <= high:
            return f"{low:,}–{high:,}"
        low = high + 1
    return f"over {_LENGTHS[-1]:,}"


def _columns(extras: Sequence[Mapping[str, Any]], options: ReportOptions) -> list[str]:
    if options.slice_columns:
        return list(options.slice_columns)
    left_out = {ID, options.judge_column or JUDGE_LABEL, REVIEWED}
    names = {name for extra in extras for name in extra}
    return sorted(names - left_out)


def _text(cell: Any) -> str | None:
    """Return a cell's value as text: empty for none, None for what is no single value."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(cell).strip() if isinstance(cell, str | int | float) else None


def _of_column(column: str, values: list[str], *, chosen: bool) -> list[Part]:
    counts = Counter(values)
    if len(counts) > _MOST_VALUES and (bands := _quarters(values)):
        return _divided(COLUMN + column, bands, list(dict.fromkeys(sorted(bands, key=_low_end))))
    if not chosen and not _is_category(counts):
        return []
    kept = [value for value, n in counts.most_common(_MOST_VALUES) if n >= _RARE]
    names = {value: _shortened(value) for value in kept}
    named = [names.get(value, _OTHERS) for value in values]
    return _divided(COLUMN + column, named, [*dict.fromkeys(names.values()), _OTHERS])


def _is_category(counts: Counter[str]) -> bool:
    short = all(len(value) <= _LONGEST_VALUE and value.isprintable() for value in counts)
    return short and len(counts) <= _MOST_VALUES


def _shortened(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…"


def _quarters(values: Sequence[str]) -> list[str] | None:
    """Return the quarter of each value where all are numbers, as `low–high`; None otherwise."""
    try:
        numbers = [math.nan if value == _EMPTY else float(value) for value in values]
    except ValueError:
        return None
    known = np.array([number for number in numbers if math.isfinite(number)])
    if known.size < 4 * _RARE:
        return None
    ends = list(dict.fromkeys(np.quantile(known, [0, 0.25, 0.5, 0.75, 1.0]).tolist()))
    return [_quarter(number, ends) if math.isfinite(number) else _EMPTY for number in numbers]


def _quarter(number: float, ends: Sequence[float]) -> str:
    last = len(ends) - 2
    for index, (low, high) in enumerate(itertools.pairwise(ends)):
        if number < high or index == last:
            return f"{low:.4g} to {high:.4g}"
    return f"{number:.4g}"  # one end alone: all numbers are equal


def _low_end(band: str) -> float:
    return math.inf if band == _EMPTY else float(band.partition(" to ")[0])


def _divided(key: str, values: Sequence[str], order: Sequence[str]) -> list[Part]:
    found = list(_parts(key, np.array(values, dtype=object), order))
    return found if len(found) > 1 else []


def _parts(key: str, values: Any, order: Sequence[str]) -> Iterator[Part]:
    for value in order:
        rows = np.flatnonzero(values == value)
        if rows.size:
            yield Part(key, value, rows)
