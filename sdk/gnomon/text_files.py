"""Files of text and JSON that users name: what is wrong with one is said of it by its name."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from gnomon.errors import InvalidRequestError


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a file of text.

    Raises:
        InvalidRequestError: while it is read, it turns out not to be UTF-8.
    """
    with named(path), path.open(encoding="utf-8") as file:
        yield file


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Say which file it is that is not UTF-8: the error of the decoder does not know."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{path} is not UTF-8 text: {error.reason}.") from error


def parsed(text: str) -> Any:
    """Return a JSON value.

    Raises:
        ValueError: it is none, or nested deeper than can be read.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
