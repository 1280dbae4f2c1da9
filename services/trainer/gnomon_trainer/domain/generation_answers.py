"""What counts as a generator's answer: items with the parts that it was to write, and no other. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gnomon.instances import InputShape
from gnomon_trainer.domain.chat import ChatAnswer
from gnomon_trainer.domain.columns import LABEL
from gnomon_trainer.domain.generation_parts import OUTPUT, TOOLS, copied_column, written_columns
from gnomon_trainer.domain.generation_prompt import CALLS, ITEMS, WHY, Wanted
from gnomon_trainer.domain.judge_answers import NoVoteError, json_object

_LONGEST_PART = 20_000  # characters
_MOST_CALLS = 20


class NoItemsError(Exception):
    """The answer holds no items. The message says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Written:
    """The cells of rows that can be used, and how many of the items that were wanted cannot."""

    rows: tuple[Mapping[str, Any], ...]
    unusable: int


def written(answer: ChatAnswer, wanted: Wanted, shape: InputShape, marker: str) -> Written:
    """Read an answer; of more items than were wanted the first count.

    The parts that are copied come from the carrier as they stand there: an
    item that brings its own, or another label than the one that was wanted,
    is not used.

    Raises:
        NoItemsError: it is not one object with a list of items.
    """
    if marker in answer.text:
        raise NoItemsError("it repeats the marker of the prompt")
    try:
        items = json_object(answer.text).get(ITEMS)
    except NoVoteError as error:
        raise NoItemsError(str(error)) from error
    if not isinstance(items, list):
        raise NoItemsError(f"it has no list `{ITEMS}`")
    found = [_cells(item, wanted, shape) for item in items[: wanted.count]]
    rows = tuple(cells for cells in found if cells is not None)
    return Written(rows, wanted.count - len(rows))


def _cells(item: Any, wanted: Wanted, shape: InputShape) -> dict[str, Any] | None:
    columns = written_columns(shape)
    known = {*columns, WHY, LABEL} | ({CALLS} if shape is InputShape.TOOLS_INPUT_OUTPUT else set())
    if (
        not isinstance(item, dict)
        or not item.keys() <= known
        or item.get(LABEL, wanted.label) != wanted.label
    ):
        return None
    calls = _calls(item.get(CALLS) or [], wanted)
    if calls is None:
        return None
    cells: dict[str, Any] = {}
    if (column := copied_column(shape)) and wanted.carrier:
        cells[column] = wanted.carrier.record[column]
    for name in columns:
        may_be_empty = name == OUTPUT and bool(calls)
        text = item.get(name, "" if may_be_empty else None)
        if not isinstance(text, str) or not _is_kept(text) or not (text.strip() or may_be_empty):
            return None
        cells[name] = text.strip()
    if calls:
        cells[OUTPUT] = [{"role": "assistant", "content": cells[OUTPUT], "tool_calls": calls}]
    return cells


def _is_kept(text: str) -> bool:
    """Tell whether a row can hold a text."""
    if len(text) > _LONGEST_PART or "\0" in text:
        return False
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _calls(raw: Any, wanted: Wanted) -> list[dict[str, str]] | None:
    """Return the calls of tools that the carrier has; None where one is no such call."""
    if not raw:
        return []
    tools = wanted.carrier.record[TOOLS] if wanted.carrier else []
    names = {_name(tool) for tool in tools}
    calls = [_call(entry, names) for entry in raw[:_MOST_CALLS]] if isinstance(raw, list) else [None]
    return None if None in calls else [call for call in calls if call is not None]


def _call(entry: Any, names: set[str]) -> dict[str, str] | None:
    if not isinstance(entry, dict) or entry.keys() - {"name", "arguments"}:
        return None
    name = entry.get("name")
    if not isinstance(name, str) or name not in names:
        return None
    arguments = entry.get("arguments", "{}")
    if not isinstance(arguments, dict):
        try:
            arguments = json.loads(arguments)
        except (TypeError, ValueError, RecursionError):
            return None
    if not isinstance(arguments, dict):
        return None
    text = json.dumps(arguments, ensure_ascii=False)
    return {"name": name, "arguments": text} if _is_kept(text) else None


def _name(tool: Any) -> str:
    """Return the name of a tool as a row has it, in any of the ways `gnomon.cells` reads."""
    if isinstance(tool, str):
        return tool
    function = tool.get("function") or tool
    return str(function.get("name") or function.get("tool") or "")
