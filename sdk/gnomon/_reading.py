"""Reads a source some items at a time."""

import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

PATIENCE_S = 0.1  # what a slow source gave by then goes on its way


class PlainReader(Generic[T, R]):
    """Gives the next items, each converted.

    An error of the source or of the conversion is raised once all items before
    it were given.
    """

    def __init__(self, source: Iterable[T], convert: Callable[[T], R]) -> None:
        self._items = iter(source)
        self._convert = convert
        self._error: Exception | None = None

    def take(self, count: int) -> list[R]:
        """Return at most so many of the next items, fewer from a slow source, none at its end."""
        if self._error is not None:
            raise self._error
        items: list[R] = []
        until = time.monotonic() + PATIENCE_S
        try:
            for item in self._items:
                items.append(self._convert(item))
                if len(items) == count or time.monotonic() > until:
                    break
        except Exception as error:
            if not items:
                raise
            self._error = error
        return items
