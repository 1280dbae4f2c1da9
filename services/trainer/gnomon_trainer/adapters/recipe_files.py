"""Recipes as TOML files: those of the package, and an operator's."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnomon.errors import InvalidRequestError
from gnomon.names import check_id
from gnomon_trainer.adapters import base_models
from gnomon_trainer.domain.recipes import NAMES, Recipe, check_ranges
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
        recipe = Recipe(check_id(path.stem, "The file's name"), parameters=parameters, **_texts(raw))
    except (ValueError, TypeError, OSError, InvalidRequestError) as error:
        raise RecipeFileError(f"The recipe {path} cannot be used: {error}") from error
    return recipe


def _texts(raw: dict[str, Any]) -> dict[str, str]:
    expected = {"display_name", "description", "base_model"}
    if set(raw) != expected or not all(isinstance(value, str) for value in raw.values()):
        raise ValueError(f"it needs exactly {', '.join(sorted(expected))} (text) and [parameters]")
    return raw


def _parameters(raw: Any) -> Parameters:
    if not isinstance(raw, dict) or set(raw) != set(NAMES):
        raise ValueError(f"[parameters] needs exactly {', '.join(NAMES)}")
    for name, value in raw.items():
        fits = isinstance(value, int if _TYPES[name] is int else int | float)
        if not fits or isinstance(value, bool):
            raise ValueError(f"parameters.{name} must be a {_TYPES[name].__name__}")
    check_ranges(raw)
    return Parameters(**{name: _TYPES[name](value) for name, value in raw.items()})
