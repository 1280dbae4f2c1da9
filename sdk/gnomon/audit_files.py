"""The audit log in files: entries as lines of JSON, and heads that were noted.

A line has the fields of the canonical form, `previous_hash` and `hash` in
hexadecimal, and nothing else, so that it can be verified without any service.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from gnomon.audit import AuditEntry, Head, Record, canonical, written_time
from gnomon.errors import InvalidRequestError, Violation
from gnomon.text_files import parsed

_TEXTS = ("caller", "project", "method", "resource", "call_id", "outcome", "reason")
_NUMBERS = ("begun", "count")


def line_of(entry: AuditEntry) -> str:
    values = plain(entry)
    return json.dumps(values, separators=(",", ":")) + "\n"


def plain(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as JSON values."""
    values: dict[str, Any] = json.loads(canonical(entry.number, entry.record))
    return values | {"previous_hash": entry.previous_hash.hex(), "hash": entry.hash.hex()}


def entries_in(lines: Iterable[str], name: str) -> Iterator[AuditEntry]:
    """Yield the entries of a file; `name` is for messages.

    Raises:
        InvalidRequestError: a line is not an entry.
    """
    for place, line in enumerate(lines, start=1):
        try:
            yield _entry(parsed(line))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            where = f"{name}, line {place}"
            rule = "must be an entry of an audit log, as `gnomon audit export` writes them"
            raise InvalidRequestError(f"{where} {rule}.", violations=[Violation(where, rule)]) from error


def _entry(values: Mapping[str, Any]) -> AuditEntry:
    texts = {field: _of(str, values[field]) for field in _TEXTS}
    numbers = {field: _of(int, values[field]) for field in _NUMBERS}
    record = Record(time=datetime.fromisoformat(values["time"]), **texts, **numbers)
    written_time(record.time)  # which some times have none of: those that UTC's calendar has not
    hashes = bytes.fromhex(values["previous_hash"]), bytes.fromhex(values["hash"])
    return AuditEntry(_of(int, values["number"]), record, *hashes)


def _of(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def write_heads(path: Path, heads: Mapping[str, Head]) -> None:
    """Note heads by service; the file is whole or as it was."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps({service: str(head) for service, head in heads.items()}, indent=2) + "\n")
    part.replace(path)


def read_heads(file: TextIO, name: str) -> dict[str, Head]:
    """Return what `write_heads` wrote.

    Raises:
        InvalidRequestError: it is something else.
    """
    try:
        noted = parsed(file.read())
        return {service: Head.parse(head) for service, head in noted.items()}
    except (ValueError, AttributeError, TypeError) as error:
        rule = "must be heads, as `gnomon audit verify --note` writes them"
        raise InvalidRequestError(f"{name} {rule}.", violations=[Violation(name, rule)]) from error
