"""What a service says of its environment: which variable is wrong, and which one it does not know."""

import difflib
from collections.abc import Mapping

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

# Variables that belong to others and share a service's prefix: clients find a service by its address.
_OF_OTHERS = {"ADDRESS"}
_MOST_SHOWN = 60  # characters of a wrong value


def explain(error: ValidationError, prefix: str, settings: type[BaseSettings] | None = None) -> str:
    """Return a line for each wrong variable: its value, what is wrong, what it is for, its default."""
    fields = settings.model_fields if settings else {}
    return "\n".join(_line(problem, prefix, fields) for problem in error.errors())


def _line(problem: ErrorDetails, prefix: str, fields: Mapping[str, FieldInfo]) -> str:
    place = "_".join(map(str, problem["loc"]))
    message = str(problem["msg"]).removeprefix("Value error, ")
    field = fields.get(str(problem["loc"][0])) if problem["loc"] else None
    if field is None:
        return f"{prefix}{place.upper() or '*'}: {message}"
    given = "" if _is_secret(place, field) else f"={_short(problem['input'])}"
    about = f" It says: {field.description}" if field.description else ""
    default = field.get_default()
    plain = isinstance(default, str | int | float) and default != ""
    otherwise = f" Unset, it is {default}." if plain else ""
    return f"{prefix}{place.upper()}{given}: {message}.{about}{otherwise}"


def _is_secret(name: str, field: FieldInfo) -> bool:
    # A database's URL may hold its password.
    return SecretStr in getattr(field.annotation, "__args__", (field.annotation,)) or name.endswith("url")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def unknown_variables(
    settings: type[BaseSettings], environment: Mapping[str, str]
) -> list[tuple[str, str | None]]:
    """Return the variables with the service's prefix that it does not read, each with the likeliest meant."""
    prefix = str(settings.model_config.get("env_prefix", "")).upper()
    known = {name.upper() for name in settings.model_fields} | _OF_OTHERS
    found: list[tuple[str, str | None]] = []
    for variable in sorted(environment):
        name = variable.upper().removeprefix(prefix)
        if prefix and variable.upper().startswith(prefix) and name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            found.append((variable, f"{prefix}{near[0]}" if near else None))
    return found
