"""JSON by orjson, which is optional and imported when traffic is first read."""

from functools import cache
from typing import Any

from gnomon.optional import required

INSTALL = "pip install 'gnomon[traffic]'"


@cache
def orjson() -> Any:
    """Return the module.

    Raises:
        InvalidRequestError: it is not installed; the message says how to.
    """
    return required("orjson", "Reading traffic", INSTALL)


def parsed(text: Any) -> Any:
    """Return what JSON text holds; the text itself where it is not JSON."""
    if not isinstance(text, str):
        return text
    try:
        return orjson().loads(text)
    except ValueError:
        return text


def dumped(value: Any) -> str:
    """Return a value as JSON text; what JSON has no word for as its own text."""
    module = orjson()
    try:
        return str(module.dumps(value, default=str, option=module.OPT_NON_STR_KEYS).decode())
    except TypeError:  # a number of more than 64 bits, or nested without end
        return str(value)
