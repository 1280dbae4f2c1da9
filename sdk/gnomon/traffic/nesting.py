"""From dotted keys, as OpenTelemetry flattens objects and lists, back to these. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

_MOST_ENTRIES = 10_000


def nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return `{"a": {"b": [1]}}` of `("a.b.0", 1)`. Dotted keys inside of values are treated the same."""
    root: dict[str, Any] = {}
    for key, value in pairs:
        _put(root, key.split("."), _value(value))
    return {key: _lists(value) for key, value in root.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return nested((str(key), item) for key, item in value.items())
    return [_value(item) for item in value] if isinstance(value, list | tuple) else value


def _put(root: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        below = root.get(key)
        if isinstance(below, list):  # a list whose entries are further described by dotted keys
            below = {str(place): item for place, item in enumerate(below)}
        elif not isinstance(below, dict):
            below = {}
        root[key] = below
        root = below
    last, held = path[-1], root.get(path[-1])
    root[last] = held | value if isinstance(held, dict) and isinstance(value, dict) else value


def _lists(value: Any) -> Any:
    """Make lists of the objects whose keys are all numbers."""
    if not isinstance(value, dict):
        return value
    if value and len(value) <= _MOST_ENTRIES and all(key.isdecimal() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(item) for key, item in value.items()}
