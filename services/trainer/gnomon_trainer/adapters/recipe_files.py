"""Recipes as TOML files: those of the package, and an operator's."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnomon.errors import InvalidRequestError
from gnomon.names import check_id
from gnomon_trainer.adapters import base_models
from gnomon_trainer.domain.recipes import NAMES, REQUIRED, ManyRows, Recipe, check_ranges
from gnomon_trainer.domain.training import Parameters

_EMBEDDED = Path(__file__).parents[1] / "recipes"
_TYPES: dict[str, type] = {name: Parameters.__annotations__[name] for name in NAMES}


class RecipeFileError(ValueError):
    """A recipe's file cannot be used; the message names file and fault."""


class RecipeFiles:
    """The `Recipes` of a deployment. An operator's recipe takes the place of an embedded one of its ID.

    Raises:
        RecipeFileError: a file cannot be used.
    """

    def __init__(self, folder: Path | None = None, model_dir: Path | None = None) -> None:
        folders = [_EMBEDDED, *([folder] if folder else [])]
        found = {path.stem: path for place in folders for path in sorted(place.glob("*.toml"))}
        self._recipes = [_read(path) for _, path in sorted(found.items())]
        self._model_dir = model_dir

    def all(self) -> Sequence[Recipe]:
        return self._recipes

    def base_model_problem(self, base_model: str) -> str | None:
        return base_models.problem(base_model, self._model_dir)


def _read(path: Path) -> Recipe:
    try:
        raw = tomllib.loads(path.read_text())
        parameters = _parameters(raw.pop("parameters", {}))
        many_rows = _many_rows(raw.pop("many_rows", None))
        recipe_id = check_id(path.stem, "The file's name")
        recipe = Recipe(recipe_id, parameters=parameters, many_rows=many_rows, **_texts(raw))
    except (ValueError, TypeError, OSError, InvalidRequestError) as error:
        raise RecipeFileError(f"The recipe {path} cannot be used: {error}") from error
    return recipe


def _texts(raw: dict[str, Any]) -> dict[str, str]:
    expected = {"display_name", "description", "base_model"}
    if set(raw) != expected or not all(isinstance(value, str) for value in raw.values()):
        raise ValueError(f"it needs exactly {', '.join(sorted(expected))} (text) and [parameters]")
    return raw


def _parameters(raw: Any) -> Parameters:
    if not isinstance(raw, dict) or not set(REQUIRED) <= set(raw) <= set(NAMES):
        optional = ", ".join(name for name in NAMES if name not in REQUIRED)
        raise ValueError(f"[parameters] needs {', '.join(REQUIRED)}, and may have {optional}")
    return Parameters(**_values(raw, "parameters"))


def _many_rows(raw: Any) -> ManyRows | None:
    """Read the optional table of what is set otherwise where there are many rows to learn from."""
    if raw is None:
        return None
    if not isinstance(raw, dict) or not isinstance(raw.get("from_rows"), int):
        raise ValueError("[many_rows] needs from_rows, a whole number")
    given = {name: value for name, value in raw.items() if name != "from_rows"}
    if unknown := sorted(given.keys() - set(NAMES)):
        raise ValueError(f"many_rows.{unknown[0]} is no parameter; there are {', '.join(NAMES)}")
    return ManyRows(raw["from_rows"], _values(given, "many_rows"))


def _values(raw: dict[str, Any], table: str) -> dict[str, Any]:
    for name, value in raw.items():
        fits = isinstance(value, int | float if _TYPES[name] is float else _TYPES[name])
        if not fits or isinstance(value, bool):
            raise ValueError(f"{table}.{name} must be a {_TYPES[name].__name__}")
    check_ranges(raw, table)
    return {name: _TYPES[name](value) for name, value in raw.items()}
