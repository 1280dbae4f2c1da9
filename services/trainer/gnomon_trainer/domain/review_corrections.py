"""From a dataset's rows and what a review settled to the rows of the next version. Pure."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gnomon.names import ReviewName
from gnomon_trainer.domain import soft_labels
from gnomon_trainer.domain.columns import LABEL
from gnomon_trainer.domain.reviews import Verdict

COLUMN = "label_review"


def corrected(record: Mapping[str, Any], settled: Verdict, review: ReviewName) -> dict[str, Any]:
    """Return a stored row with the label that people gave it, and who did, when, and what it was before.

    Shares of the classes stay only where they prefer that label. A row that a
    later decision of another review settled stays as it is.
    """
    time = _written(max(decision.create_time for decision in settled.decisions))
    if reviewed_at(record) > time:
        return dict(record)
    found = {name: cell for name, cell in record.items() if name != COLUMN}
    shares = found.get(soft_labels.COLUMN)
    if shares and (settled.label != record[LABEL] or soft_labels.disagrees(shares, settled.label)):
        del found[soft_labels.COLUMN]
    found[LABEL] = settled.label
    found[COLUMN] = {
        "review": str(review),
        "by": sorted({decision.reviewer for decision in settled.decisions}),
        "time": time,
        "label_before": record[LABEL],
    }
    return found


def reviewed_at(record: Mapping[str, Any]) -> str:
    """Return when a review settled a stored row; empty if none did."""
    told = _of_text(record.get(COLUMN))
    return str(told.get("time") or "") if isinstance(told, dict) else ""


def _of_text(cell: Any) -> Any:
    """Return what a cell of a CSV file says in JSON; the cell where it is none."""
    try:
        return json.loads(cell) if isinstance(cell, str) else cell
    except (ValueError, RecursionError):
        return cell


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
