"""Libraries that the SDK needs for some of what it can do, imported when that is asked for."""

from importlib import import_module
from typing import Any

from gnomon.errors import InvalidRequestError


def required(module: str, for_: str, install: str) -> Any:
    """Import a module.

    Args:
        module: its whole name.
        for_: what needs it, to begin a sentence with.
        install: the command that installs it.

    Raises:
        InvalidRequestError: it is not installed, or something that it needs is not.
    """
    try:
        return import_module(module)
    except ImportError as error:
        missing = (error.name or module).split(".")[0]
        raise InvalidRequestError(f"{for_} needs {missing}: {install}.") from error
