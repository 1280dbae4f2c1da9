"""Writes rows as JSON Lines, whole or not at all."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from gnomon._files import NewFile
from gnomon.errors import InvalidRequestError, Violation
from gnomon.traffic.json_text import orjson

_ROWS_AT_ONCE = 256
_GZIP = 31  # zlib's window bits that stand for gzip
_ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


def write_lines(target: Path, lines: Iterable[bytes], wrote: Callable[[], None]) -> None:
    """Write the file; `wrote` is called after every few lines. Without a line, no file is written.

    Raises:
        InvalidRequestError: its name has another ending.
    """
    if not target.name.endswith(_ENDINGS):
        raise InvalidRequestError(
            f"{target} must end with .jsonl or .ndjson, and .gz after these if it shall be gzipped.",
            violations=[Violation("target", "must end with .jsonl, .ndjson, .jsonl.gz or .ndjson.gz")],
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    file = NewFile(target)
    try:
        lines = iter(lines)
        first = next(lines, None)
        if first is None:
            return  # what is there may hold rows
        lines = chain([first], lines)
        for part in _packed(lines) if target.suffix == ".gz" else lines:
            file.write(part)
            wrote()
        file.publish()
    finally:
        file.discard()


def lines_of(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield rows as JSON Lines, some at a time."""
    dumps, end = orjson().dumps, orjson().OPT_APPEND_NEWLINE
    iterator = iter(rows)
    while part := [dumps(row, option=end) for row in islice(iterator, _ROWS_AT_ONCE)]:
        yield b"".join(part)


def _packed(parts: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=_GZIP)
    for part in parts:
        yield packer.compress(part)
    yield packer.flush()
