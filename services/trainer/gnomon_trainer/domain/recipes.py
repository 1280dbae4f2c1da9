"""Recipes, and the parameters that a run uses. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

from gnomon.errors import InvalidRequestError, NotFoundError, Violation
from gnomon_trainer.domain.training import Parameters

DEFAULT = "small"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named, vetted training set-up."""

    recipe: str  # its ID
    display_name: str
    description: str
    base_model: str
    parameters: Parameters
    many_rows: "ManyRows | None" = None


@dataclass(frozen=True, slots=True)
class ManyRows:
    """What a recipe sets otherwise from so many rows on: many rows need fewer passes."""

    from_rows: int
    parameters: Mapping[str, Any]


class Recipes(Protocol):
    """The recipes that a deployment offers."""

    def all(self) -> Sequence[Recipe]:
        """Return them, ordered by ID."""
        ...

    def base_model_problem(self, base_model: str) -> str | None:
        """Return None if a base model is at hand, else what to do."""
        ...


def find(recipes: Recipes, recipe: str) -> Recipe:
    """Return a recipe by its ID, or raise NotFoundError naming those there are."""
    known = {entry.recipe: entry for entry in recipes.all()}
    if recipe not in known:
        raise NotFoundError(
            f"There is no recipes/{recipe}. This trainer offers {', '.join(known) or 'none'}.",
            resource=f"recipes/{recipe}",
        )
    return known[recipe]


@dataclass(frozen=True, slots=True)
class _Range:
    low: float
    high: float
    above_low: bool = False  # the lower end itself is excluded

    def holds(self, value: float) -> bool:
        inside = self.low < value if self.above_low else self.low <= value
        return math.isfinite(value) and inside and value <= self.high

    def __str__(self) -> str:
        return f"{'(' if self.above_low else '['}{self.low:g}, {self.high:g}]"


_RANGES = {
    "epochs": _Range(1, 1000),
    "batch_size": _Range(1, 4096),
    "learning_rate": _Range(0, 1, above_low=True),
    "head_learning_rate": _Range(0, 1, above_low=True),
    "weight_decay": _Range(0, 1),
    "warmup_share": _Range(0, 1),
    "max_tokens": _Range(8, 1_048_576),
    "validation_share": _Range(0.05, 0.5),
    "evaluations_per_epoch": _Range(1, 100),
    "patience": _Range(1, 1000),
    "seed": _Range(0, 2**32 - 1),
}
NAMES = tuple(field.name for field in fields(Parameters))


def check_ranges(values: Mapping[str, Any], field: str = "parameters") -> None:
    """Raise InvalidRequestError naming every value that is out of its range."""
    violations = [
        Violation(f"{field}.{name}", f"must be in {_RANGES[name]}")
        for name, value in values.items()
        if not _RANGES[name].holds(value)
    ]
    if violations:
        first = violations[0]
        name = first.field.rpartition(".")[2]
        raise InvalidRequestError(
            f"{first.field} is {values[name]:g}; it {first.description}.", violations=violations
        )


def resolve(
    recipe: Recipe, requested: Mapping[str, Any], training_rows: int
) -> tuple[Parameters, dict[str, str]]:
    """Return what the run uses, and where each value came from: request, recipe or data.

    Data decide where a recipe says so for many rows, and where its value
    cannot serve: a batch is no larger than what is learned from.

    Raises:
        InvalidRequestError: a requested value is out of its range.
    """
    check_ranges(requested)
    many = recipe.many_rows
    from_data = many.parameters if many and training_rows >= many.from_rows else {}
    parameters = replace(recipe.parameters, **{**from_data, **requested})
    origins = dict.fromkeys(NAMES, "recipe") | dict.fromkeys(from_data, "data")
    origins |= dict.fromkeys(requested, "request")
    learned_from = max(1, int(training_rows * (1 - parameters.validation_share)))
    if parameters.batch_size > learned_from:
        parameters = replace(parameters, batch_size=learned_from)
        origins["batch_size"] = "data"
    return parameters, origins
