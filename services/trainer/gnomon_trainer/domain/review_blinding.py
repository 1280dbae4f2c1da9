"""Which columns of a row people see: a blind review hides those that tell a label. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gnomon_trainer.domain import next_training_set, review_corrections, soft_labels
from gnomon_trainer.domain.labels import LabelError, parse_label
from gnomon_trainer.domain.reviews import Review
from gnomon_trainer.domain.training import JUDGE_EXPLANATION, JUDGE_LABEL, MetricDefinition, Row

_TELL_A_LABEL = {
    JUDGE_LABEL,
    JUDGE_EXPLANATION,
    soft_labels.COLUMN,
    review_corrections.COLUMN,
    *next_training_set.COLUMNS,
    next_training_set.HELD_OUT,
}


def shown_columns(review: Review, row: Row, metric: MetricDefinition) -> dict[str, Any]:
    """Return the columns that the metric does not read, as far as they may be seen.

    A blind review hides what judges, applications and people said of the row by
    the names of the columns, and by their content every cell that names a class.
    It rather hides a number that happens to be one than shows a label.
    """
    if not review.blind:
        return dict(row.extra)
    told = {*_TELL_A_LABEL, review.judge_column}
    return {
        name: cell for name, cell in row.extra.items() if name not in told and not names_class(cell, metric)
    }


def names_class(cell: Any, metric: MetricDefinition) -> bool:
    """Return whether a cell is a class, in any case, or a list or an object that holds one."""
    if isinstance(cell, str) and cell.lstrip().startswith(("{", "[")):
        cell = _read(cell)
    if isinstance(cell, Mapping):
        return _any_class([*cell, *cell.values()], metric)
    return _any_class(cell if isinstance(cell, list) else [cell], metric)


def _read(text: str) -> Any:
    """Return what a text says in JSON; the text where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _any_class(cells: Iterable[Any], metric: MetricDefinition) -> bool:
    return any(_is_class(cell, metric) for cell in cells)


def _is_class(cell: Any, metric: MetricDefinition) -> bool:
    if isinstance(cell, str) and cell.strip().casefold() in {name.casefold() for name in metric.classes}:
        return True
    try:
        return bool(parse_label(cell, metric))
    except LabelError:
        return False
