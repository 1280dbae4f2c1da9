"""Files of reviewed rows: what was scored, what the score said, and what is right."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gnomon import feedback
from gnomon.cli import rows
from gnomon.errors import GnomonError, InvalidRequestError
from gnomon.instances import Step
from gnomon.v1 import resources_pb2 as pb

_BATCH = 256
Entry = pb.Feedback | GnomonError


def read(
    file: Path, columns: Mapping[str, str], metric: pb.Metric, version: str
) -> Iterator[tuple[str, Entry]]:
    """Yield the place and the entry, or what is wrong with it, of every row that has a label.

    Args:
        columns: from the file's column to ours; those not named keep their name.
        version: what scored, where a row does not tell.

    Raises:
        InvalidRequestError: the file lacks a column of `columns`, or two would be read as one.
    """
    rows.check_columns(rows.read(file), columns, file)
    for row in rows.read(file):
        try:
            cells = rows.ours(row.cells, columns)
        except InvalidRequestError as error:
            yield row.place, error
            continue
        if row.problem:
            yield row.place, InvalidRequestError(f"The row {row.problem}.")
        elif cells.get("label") not in (None, ""):
            yield row.place, _entry(cells, metric, version)


def batches(read: Iterable[tuple[str, Entry]]) -> Iterator[tuple[list[str], list[Entry]]]:
    """Yield places and entries, some at a time, so that a file may be larger than memory."""
    places: list[str] = []
    batch: list[Entry] = []
    for place, entry in read:
        places.append(place)
        batch.append(entry)
        if len(batch) == _BATCH:
            yield places, batch
            places, batch = [], []
    if batch:
        yield places, batch


def _entry(cells: Mapping[str, Any], metric: pb.Metric, version: str) -> Entry:
    told = _score(cells, metric.name.rpartition("/")[2])
    try:
        return feedback.entry(
            str(_first(cells.get("metric_version"), told["version"], version)),
            rows.instance_of(cells, {}, Step[pb.Metric.Step.Name(metric.step)]),
            label=cells["label"],
            score_label=told["label"],
            score_probability=_number(told["probability"]),
            reviewer=_text(cells.get("reviewer")),
            review_time=_time(cells.get("review_time")),
            comment=_text(cells.get("comment")),
            external_id=_text(cells.get("id")),
        )
    except GnomonError as error:
        return error


def _score(cells: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """Return what a row says of the score: in our columns, else in those that `gnomon score-file` writes."""
    said, scored = cells.get("score_label"), cells.get(f"{metric}.label")
    probability = cells.get("score_probability")
    if said in (None, "") and scored not in (None, ""):
        said = scored
        written = cells.get(f"{metric}.{scored}.probability", cells.get(f"{metric}.{scored}"))
        probability = _first(probability, written)
    return {"label": said, "probability": probability, "version": cells.get(f"{metric}.version")}


def _first(*cells: Any) -> Any:
    """Return the first cell that says something; `false` and 0 do."""
    return next((cell for cell in cells if cell not in (None, "")), None)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _number(cell: Any) -> float | None:
    if cell in (None, ""):
        return None
    try:
        found = float(cell)
        if not math.isfinite(found):
            raise ValueError("neither infinite nor NaN")
        return found
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"score_probability is {str(cell)[:40]!r}, which is no number.") from error


def _time(cell: Any) -> datetime | None:
    """Read a time as ISO 8601 writes it, in UTC if it names no zone, or seconds since the epoch."""
    if cell in (None, ""):
        return None
    try:
        if isinstance(cell, int | float):
            return datetime.fromtimestamp(cell, UTC)
        found = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidRequestError(
            f"review_time is {str(cell)[:40]!r}; write it as 2026-11-22T09:30:00Z."
        ) from error
