"""Recipes, and the parameters that a run uses. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Protocol

from gnomon import windows
from gnomon.errors import BaseModelMissingError, InvalidRequestError, NotFoundError, Violation
from gnomon_trainer.domain import parameter_search
from gnomon_trainer.domain.aims import check_aim
from gnomon_trainer.domain.choosing import Choice, Chosen, Facts, choose
from gnomon_trainer.domain.thresholds import AIMS
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
    choice: Choice | None = None  # it trains nothing itself: base model and parameters are those of `small`


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


def check_at_hand(recipe: Recipe, recipes: Recipes) -> Recipe:
    """Return the recipe, or raise BaseModelMissingError if its base model is not at hand.

    One that chooses needs what it takes if in doubt.
    """
    if problem := recipes.base_model_problem(recipe.base_model):
        raise BaseModelMissingError(problem, base_model=recipe.base_model)
    return recipe


def choose_recipe(choice: Choice, facts: Facts, recipes: Recipes) -> tuple[Recipe, Chosen]:
    """Return the recipe that a run is trained by, and why."""
    chosen = choose(choice, facts, lambda name: recipes.base_model_problem(find(recipes, name).base_model))
    return find(recipes, chosen.recipe), chosen


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


@dataclass(frozen=True, slots=True)
class _Choice:
    words: tuple[str, ...]

    def holds(self, value: object) -> bool:
        return value in self.words

    def __str__(self) -> str:
        return f"{{{', '.join(self.words)}}}"


_RANGES: Mapping[str, _Range | _Choice] = {
    "epochs": _Range(1, 1000),
    "batch_size": _Range(1, 4096),
    "learning_rate": _Range(0, 1, above_low=True),
    "head_learning_rate": _Range(0, 1, above_low=True),
    "weight_decay": _Range(0, 1),
    "warmup_share": _Range(0, 1),
    "max_tokens": _Range(8, 1_048_576),
    "validation_share": _Range(0.05, 0.5),
    "evaluations_per_epoch": _Range(0, 100),
    "patience": _Range(1, 1000),
    "seed": _Range(0, 2**32 - 1),
    "window_stride": _Range(0, 1_048_576),
    "max_windows": _Range(1, windows.MOST),
    "window_reducer": _Choice(windows.REDUCERS),
    "threshold_aim": _Choice(AIMS),
    "threshold_target": _Range(0, 1),
    "threshold_confidence": _Range(0.8, 0.9999),
    "abstain_error_rate": _Range(0, 0.5),
    "class_weight_power": _Range(0, 1),
    "layer_decay": _Range(0, 1, above_low=True),
    "pooling": _Choice(("auto", "mean", "first", "contrast")),
    "layers": _Range(0, 1000),
    "weight_averaging": _Range(0, 0.9999),
    "contrastive_epochs": _Range(0, 1000),
    "final_rows": _Choice(("learned", "all")),
    "adapter_rank": _Range(0, 1024),
    "search_minutes": _Range(0, 1440),
}
NAMES = tuple(field.name for field in fields(Parameters))
REQUIRED = tuple(field.name for field in fields(Parameters) if field.default is MISSING)


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
            f"{first.field} is {_shown(values[name])}; it {first.description}.", violations=violations
        )


def _shown(value: float | str) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"


def fitting_stride(stride: int, max_tokens: int) -> int:
    """Return a stride with which windows of so many tokens overlap, or touch at least."""
    return stride if stride <= max_tokens else max_tokens // 2


def resolve(
    recipe: Recipe, requested: Mapping[str, Any], training_rows: int, *, flags: bool = True
) -> tuple[Parameters, dict[str, str]]:
    """Return what the run uses, and where each value came from: request, recipe or data.

    Data decide where a recipe says so for many rows, and where its value
    cannot serve: a batch is no larger than what is learned from, windows are
    no further apart than they are long, and where the metric `flags` nothing
    there is no window to find it in, so that all of them count.

    Raises:
        InvalidRequestError: a requested value is out of its range, or does not fit another.
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
    stride = fitting_stride(parameters.window_stride, parameters.max_tokens)
    if stride != parameters.window_stride:
        if "window_stride" in requested:
            raise _unfit(requested, "window_stride", "max_tokens", parameters.max_tokens)
        parameters = replace(parameters, window_stride=stride)
        origins["window_stride"] = "data"
    if not flags and "window_reducer" not in requested and parameters.window_reducer != "mean":
        parameters = replace(parameters, window_reducer="mean")
        origins["window_reducer"] = "data"
    if parameters.contrastive_epochs > parameters.epochs:
        if "contrastive_epochs" in requested:
            raise _unfit(requested, "contrastive_epochs", "epochs", parameters.epochs)
        parameters = replace(parameters, contrastive_epochs=parameters.epochs)
        origins["contrastive_epochs"] = "data"
    if parameters.search_minutes and not parameter_search.names(origins):
        raise _nothing_to_search()
    check_aim(parameters, flags=flags)
    return parameters, origins


def _nothing_to_search() -> InvalidRequestError:
    rule = f"needs one of {', '.join(parameter_search.SEARCHED)} that is not set"
    return InvalidRequestError(
        f"parameters.search_minutes {rule}: what you set is not searched.",
        violations=[Violation("parameters.search_minutes", rule)],
    )


def _unfit(requested: Mapping[str, Any], name: str, other: str, most: int) -> InvalidRequestError:
    rule = f"must be at most {other}, which is {most}"
    return InvalidRequestError(
        f"parameters.{name} is {requested[name]}; it {rule}.",
        violations=[Violation(f"parameters.{name}", rule)],
    )
