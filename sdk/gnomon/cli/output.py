"""Where every command prints: tables and sentences for people, one JSON document for programs.

Standard output carries the answer, standard error what happens on the way.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

M = TypeVar("M")
Columns = Mapping[str, Callable[[M], object]]
"""A table's columns: heading, and what to show of a row."""

_PIPED_WIDTH = 160  # columns where there is no terminal to ask


def to_plain(value: Any) -> Any:
    """Return messages, and lists and mappings of them, as JSON values with the protos' field names.

    Fields at their default are there as well, so that a script finds every key.
    """
    if isinstance(value, Message):
        return json_format.MessageToDict(
            value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    if isinstance(value, Mapping):
        return {key: to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    return value


class Output:
    """Prints a command's answer as the user asked for it."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.answer = _console(sys.stdout)
        self.notes = _console(sys.stderr)

    def show(self, value: Any, human: Callable[[Any], RenderableType]) -> None:
        """Print a value: the JSON document, or what `human` makes of it."""
        if self.as_json:
            self.json(value)
        else:
            self.answer.print(human(value))

    def show_list(self, values: Iterable[M], columns: "Columns[M]", nothing: str) -> None:
        """Print values as an array, or as a table; `nothing` says what to do when there are none."""
        rows = list(values)
        if self.as_json:
            self.json(rows)
        elif rows:
            self.answer.print(table(rows, columns))
        else:
            self.note(nothing)

    def done(self, value: Any, sentence: str) -> None:
        """Print what was done: the value as JSON, or one sentence."""
        self.show(value, lambda _: Text(sentence))

    def json(self, value: Any, indent: int | None = 2) -> None:
        """Print one JSON document."""
        sys.stdout.write(json.dumps(to_plain(value), indent=indent, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def note(self, sentence: str) -> None:
        """Tell a person something beside the answer, on standard error."""
        self.notes.print(Text(sentence), soft_wrap=True)


def _console(stream: Any) -> Console:
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)


def table(rows: Iterable[M], columns: "Columns[M]", title: str = "") -> Table:
    """Return a table with a row an entry; numbers stand to the right."""
    entries = [[column(row) for column in columns.values()] for row in rows]
    result = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold")
    for index, heading in enumerate(columns):
        numeric = bool(entries) and all(isinstance(entry[index], int | float) for entry in entries)
        result.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for entry in entries:
        result.add_row(*(_cell(value) for value in entry))
    return result


def _cell(value: object) -> RenderableType:
    # Never as markup: what users wrote may hold brackets.
    return value if isinstance(value, Text | Table) else Text(str(value))


def grid(lines: Sequence[tuple[str, object]]) -> Table:
    """Return `key  value` lines."""
    result = Table.grid(padding=(0, 2))
    result.add_column(style="dim", no_wrap=True)
    result.add_column(overflow="fold")
    for key, value in lines:
        result.add_row(key, _cell(value))
    return result
