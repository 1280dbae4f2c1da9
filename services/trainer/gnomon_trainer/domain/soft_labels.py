"""How sure a judge, or a group of people, was of each row: shares of the classes beside the label. Pure.

The optional column `label_probabilities` of a training set holds them, as an
object {class: share}. Such a row is learned as it is shared out; its label
still counts for all else, from the checks to the head that the training
starts from.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from gnomon.cells import CellError, is_empty
from gnomon.errors import DatasetUnsuitableError
from gnomon_trainer.domain.labels import LabelError, parse_label
from gnomon_trainer.domain.training import MetricDefinition, Row

COLUMN = "label_probabilities"
_SUM_TOLERANCE = 1e-3


def parse(cell: Any, metric: MetricDefinition) -> dict[str, float] | None:
    """Return the share of each class that a cell names; None if the cell is empty.

    Raises:
        CellError: it is no object of classes and shares that add up to 1.
    """
    if isinstance(cell, str) and not is_empty(cell):
        cell = _from_json(cell)
    if is_empty(cell):
        return None
    if not isinstance(cell, dict):
        raise CellError(COLUMN, "must be an object {class: share}")
    shares: dict[str, float] = {}
    for key, share in cell.items():
        label = _class(key, metric)
        if label in shares:
            raise CellError(COLUMN, f"names the class {label!r} more than once")
        shares[label] = _share(label, share)
    total = math.fsum(shares.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise CellError(COLUMN, f"adds up to {total:.6g}; the shares of a row must add up to 1")
    return shares


def _from_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except CellError:
        raise
    except (ValueError, RecursionError) as error:
        raise CellError(COLUMN, "is no JSON; write it as an object {class: share}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, of which JSON would keep the last of equal keys."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise CellError(COLUMN, f"names the class {key[:40]!r} more than once")
        found[key] = value
    return found


def _class(key: str, metric: MetricDefinition) -> str:
    try:
        return parse_label(key, metric)
    except LabelError as error:
        raise CellError(COLUMN, f"names no class: {error}") from error


def _share(label: str, share: Any) -> float:
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    try:
        number = float(share) if is_number else math.nan
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise CellError(COLUMN, f"has no number for the class {label!r}")
    if number < 0:
        raise CellError(COLUMN, f"has {number:g} for the class {label!r}; a share is at least 0")
    return number


def disagrees(shares: Mapping[str, float], label: str) -> bool:
    """Return whether another class than the label has the largest share."""
    return shares.get(label, 0.0) < max(shares.values())


def shares_of(row: Row, metric: MetricDefinition) -> dict[str, float] | None:
    """Return the shares of a row to learn from; None if it has its label alone.

    Raises:
        DatasetUnsuitableError: they cannot be read, as of a dataset of an earlier release.
    """
    try:
        return parse(row.extra.get(COLUMN), metric)
    except CellError as error:
        raise DatasetUnsuitableError(
            f"Row {row.number} of the training set cannot be learned: {COLUMN} {error}. Upload it again, "
            "corrected or without that column.",
            row=str(row.number),
        ) from error
