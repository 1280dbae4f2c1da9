"""Recipes as TOML files: those of the package, and an operator's."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from gnomon.errors import InvalidRequestError
from gnomon.names import check_id
from gnomon_trainer.adapters import base_models
from gnomon_trainer.domain.choosing import Choice
from gnomon_trainer.domain.recipes import NAMES, REQUIRED, ManyRows, Recipe, check_ranges
from gnomon_trainer.domain.training import Parameters

_EMBEDDED = Path(__file__).parents[1] / "recipes"
_TEXTS = ("display_name", "description", "base_model")
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
        raws = {name: _load(path) for name, path in sorted(found.items())}
        recipes = {name: _read(found[name], raw) for name, raw in raws.items() if "choice" not in raw}
        recipes |= {
            name: _read(found[name], raw, dict(recipes)) for name, raw in raws.items() if "choice" in raw
        }
        self._recipes = [recipe for _, recipe in sorted(recipes.items())]
        self._model_dir = model_dir

    def all(self) -> Sequence[Recipe]:
        return self._recipes

    def base_model_problem(self, base_model: str) -> str | None:
        return base_models.problem(base_model, self._model_dir)


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise RecipeFileError(f"The recipe {path} cannot be used: {error}") from error


def _read(path: Path, raw: dict[str, Any], others: Mapping[str, Recipe] | None = None) -> Recipe:
    """Read a recipe; one that chooses among `others` if they are given."""
    try:
        recipe_id = check_id(path.stem, "The file's name")
        return _trains(recipe_id, raw) if others is None else _chooses(recipe_id, raw, others)
    except (ValueError, TypeError, InvalidRequestError) as error:
        raise RecipeFileError(f"The recipe {path} cannot be used: {error}") from error


def _trains(recipe_id: str, raw: dict[str, Any]) -> Recipe:
    parameters = _parameters(raw.pop("parameters", {}))
    many_rows = _many_rows(raw.pop("many_rows", None))
    display_name, description, base_model = _texts(raw)
    return Recipe(recipe_id, display_name, description, base_model, parameters, many_rows)


def _chooses(recipe_id: str, raw: dict[str, Any], others: Mapping[str, Recipe]) -> Recipe:
    choice = _choice(raw.pop("choice"), others)
    display_name, description = _texts(raw, ("display_name", "description"))
    return replace(
        others[choice.small],
        recipe=recipe_id,
        display_name=display_name,
        description=f"{description} {_shown(choice)}",
        choice=choice,
    )


def _shown(choice: Choice) -> str:
    """Say whose base model and parameters a recipe that chooses has until it has chosen."""
    others = " or ".join(filter(None, (choice.few, choice.large)))
    unless = f", unless {others} is chosen" if others else ""
    return f"Base model and parameters are those of {choice.small}{unless}."


def _choice(raw: Any, others: Mapping[str, Recipe]) -> Choice:
    types: dict[str, Any] = {field.name: field.type for field in fields(Choice)}
    if not isinstance(raw, dict) or "small" not in raw or not raw.keys() <= types.keys():
        raise ValueError(f"[choice] needs small, and may have {', '.join(types)}")
    for name, value in raw.items():
        fits = isinstance(value, int | float if types[name] is float else types[name])
        if not fits or isinstance(value, bool) or (types[name] is not str and value <= 0):
            kind = "the name of a recipe" if types[name] is str else "a number above 0"
            raise ValueError(f"choice.{name} must be {kind}")
        if types[name] is str and value not in others:
            raise ValueError(f"choice.{name} is {value!r}; there are {', '.join(others)}")
    if "few" in raw and "few_class_rows" not in raw:
        raise ValueError("choice.few needs few_class_rows")
    if "large" in raw and not {"large_training_tokens", "large_tokens_per_second"} <= raw.keys():
        raise ValueError("choice.large needs large_training_tokens and large_tokens_per_second")
    return Choice(**raw)


def _texts(raw: dict[str, Any], expected: Sequence[str] = _TEXTS) -> Sequence[str]:
    """Return the values of just these keys, in their order."""
    if set(raw) != set(expected) or not all(isinstance(value, str) for value in raw.values()):
        table = "[parameters]" if "base_model" in expected else "[choice]"
        raise ValueError(f"it needs exactly {', '.join(sorted(expected))} (text) and {table}")
    return [raw[name] for name in expected]


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
