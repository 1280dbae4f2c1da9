"""DataFrames in and out. pandas is imported when a function here is first called."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gnomon._requests import refused
from gnomon._scoring import COLUMNS
from gnomon.errors import GnomonError
from gnomon.v1 import resources_pb2 as pb

if TYPE_CHECKING:
    import pandas as pd

_ROWS_A_PART = 1000
_OWN = frozenset({"label", "flagged", "error"})


def pandas() -> Any:
    """Return the pandas module.

    Raises:
        ModuleNotFoundError: it is not installed; the message says how to.
    """
    try:
        import pandas as module  # here: it is optional, and slow to import
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("DataFrames need pandas: pip install 'gnomon[pandas]'.") from error
    return module


def is_frame(source: object) -> bool:
    """Tell a DataFrame without importing pandas: there is none before someone else has."""
    return any(
        cls.__name__ == "DataFrame" and cls.__module__.split(".")[0] == "pandas"
        for cls in type(source).__mro__
    )


def frame_to_jsonl(frame: "pd.DataFrame") -> Iterator[bytes]:
    """Yield the rows as JSON Lines, some at a time.

    Missing values (None, NaN, NaT, NA) and infinite numbers become null; lists
    and dicts stay what they are; dates become ISO text. The index is left out.

    Raises:
        InvalidRequestError: two columns have the same name.
    """
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise refused("source", f"has the column {twice[0]!r} twice")
    for start in range(0, len(frame), _ROWS_A_PART):
        columns = [_values(frame.iloc[start : start + _ROWS_A_PART, i]) for i in range(len(names))]
        lines = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
        yield b"".join(map(_json_line, lines))


def _json_line(line: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a character: only its escape can be sent
        return json.dumps(line).encode() + b"\n"


def _values(column: "pd.Series[Any]") -> list[Any]:
    return [_plain(value) for value in column.tolist()]


def _plain(value: Any) -> Any:
    """Return a cell as JSON knows it."""
    if hasattr(value, "tolist"):  # of numpy: an array, or one number
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> str | int | float | None:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):  # a text column of a Parquet file that does not say so
        return value.decode("utf-8", "backslashreplace")
    if str(value) in ("NaT", "<NA>"):
        return None
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def jsonl_to_frame(content: bytes) -> "pd.DataFrame":
    rows = [json.loads(line) for line in content.split(b"\n") if line.strip()]
    frame: pd.DataFrame = pandas().DataFrame(rows)
    return frame


def cells_of(frame: "pd.DataFrame", columns: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """Return the cells of each row that make its instance.

    Args:
        columns: from the frame's column to `input`, `output`, `documents`
            and the like; by default the columns of those names.

    Raises:
        InvalidRequestError: the frame lacks a column, has it twice, or has
            none to read; or two of its columns are mapped to one part.
    """
    if columns is None:
        columns = {name: name for name in COLUMNS if name in frame.columns}
    sources: dict[str, str] = {}
    for column, part in columns.items():
        if part not in COLUMNS:
            raise refused("columns", f"maps {column!r} to {part!r}; it must be one of: {', '.join(COLUMNS)}")
        if part in sources:  # one of them would hide the other
            raise refused("columns", f"maps both {sources[part]!r} and {column!r} to {part!r}")
        _check_there_once(frame, column)
        sources[part] = column
    if not sources:
        raise refused(
            "columns", f"must say which columns are {', '.join(COLUMNS)}; the frame has none of them"
        )
    cells = {part: _values(frame[column]) for part, column in sources.items()}
    return [{part: values[row] for part, values in cells.items()} for row in range(len(frame))]


def _check_there_once(frame: "pd.DataFrame", column: str) -> None:
    count = list(frame.columns).count(column)
    if not count:
        raise refused("columns", f"names {column!r}, which the frame does not have")
    if count > 1:
        raise refused("frame", f"has the column {column!r} twice")


def with_scores(
    frame: "pd.DataFrame", metrics: Sequence[str], rows: Sequence[Mapping[str, pb.Score | GnomonError]]
) -> "pd.DataFrame":
    """Return a copy of the frame with the columns of every metric's scores."""
    result = frame.copy()
    for metric in metrics:
        for name, values in _score_columns(metric, [row[metric] for row in rows]).items():
            result[name] = pandas().array(values, dtype=_dtype(name, metric))
    return result


def _score_columns(metric: str, outcomes: Sequence[pb.Score | GnomonError]) -> dict[str, list[Any]]:
    scores = [outcome if isinstance(outcome, pb.Score) else None for outcome in outcomes]
    classes = dict.fromkeys(entry.label for score in scores if score for entry in score.classes)
    columns: dict[str, list[Any]] = {
        f"{metric}.label": [score and score.label for score in scores],
        f"{metric}.flagged": [score and score.flagged for score in scores],
    }
    for label in classes:
        name = f"{metric}.{label}.probability" if label in _OWN else f"{metric}.{label}"
        columns[name] = [_probability(score, label) for score in scores]
    columns[f"{metric}.error"] = [None if isinstance(o, pb.Score) else o.message for o in outcomes]
    return columns


def _probability(score: pb.Score | None, label: str) -> float:
    found = (entry.probability for entry in score.classes if entry.label == label) if score else iter(())
    return next(found, math.nan)


def _dtype(name: str, metric: str) -> str:
    own = {f"{metric}.label": "object", f"{metric}.flagged": "boolean", f"{metric}.error": "object"}
    return own.get(name, "float64")
