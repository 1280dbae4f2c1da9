"""JSON from outside: strict where Python's reader is lenient, and bounded before it is read."""

import json
import sys
from collections import Counter
from typing import Any

from gnomon.bundle_checks.refusing import quoted, refuse

_MOST_DEPTH = 32
# What a document may cost in memory, told before it is read: about 100 MB with all of these.
_MOST_CONTAINERS = 400_000  # objects and lists, by their brackets
_MOST_KEYS = 320_000  # by their colons
_MOST_VALUES = 1_000_000  # by their commas
_MOST_TEXT_BYTES = 64 * 1024**2  # once decoded: one rare character makes all take four bytes
_MOST_DIGITS = 40
_CODE_KEYS = frozenset({"auto_map", "trust_remote_code"})


class _ProblemError(ValueError):
    def __init__(self, rule: str, what: str) -> None:
        super().__init__(what)
        self.rule = rule


def read_json(path: str, content: bytes) -> Any:
    """Return a JSON document.

    Raises:
        BundleInvalidError: it is none, names a key twice, holds what is no
            number, is too deep or too large, or asks for code to be run.
    """
    counts = (content.count(b"[") + content.count(b"{"), content.count(b'":'), content.count(b","))
    if any(n > most for n, most in zip(counts, (_MOST_CONTAINERS, _MOST_KEYS, _MOST_VALUES), strict=True)):
        what = f"has about {counts[0]} lists and objects, {counts[1]} keys and {counts[2]} values"
        most = f"{_MOST_CONTAINERS}, {_MOST_KEYS} and {_MOST_VALUES}"
        refuse(path, "json-size", f"{what}; at most {most} are allowed")
    try:
        text = content.decode()
        if sys.getsizeof(text) > _MOST_TEXT_BYTES:
            raise _ProblemError("json-size", f"takes more than {_MOST_TEXT_BYTES} bytes once it is read")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_int=_integer,
            parse_float=_float,
        )
    except _ProblemError as problem:
        refuse(path, problem.rule, str(problem))
    except RecursionError:
        refuse(path, "json-depth", f"is nested more than {_MOST_DEPTH} deep")
    except ValueError as error:
        refuse(path, "json-form", f"is not JSON in UTF-8: {str(error)[:120]}")
    if _is_deeper(value, _MOST_DEPTH):
        refuse(path, "json-depth", f"is nested more than {_MOST_DEPTH} deep")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _ProblemError("json-duplicate", f"has the key {quoted(twice)} twice")
    if found := _CODE_KEYS & made.keys():
        raise _ProblemError("json-code", f"has the key {sorted(found)[0]}, which asks for code to be run")
    return made


def _no_number(name: str) -> Any:
    raise _ProblemError("json-number", f"holds {name}, which is no number of JSON")


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise _ProblemError(
            "json-number", f"holds a number of {len(digits)} digits; at most {_MOST_DIGITS} are allowed"
        )
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits) if len(digits) <= _MOST_VALUES else float("inf")
    if value in (float("inf"), float("-inf")):
        raise _ProblemError("json-number", f"holds {quoted(digits)}, which no 64-bit number can be")
    return value


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
