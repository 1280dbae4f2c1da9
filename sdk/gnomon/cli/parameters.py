"""What the parameters of a training are: one line each, for whoever sets or reads one."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from google.protobuf.descriptor import FieldDescriptor
from rich.table import Table

from gnomon.cli.output import Columns, grid, table
from gnomon.v1 import resources_pb2 as pb

_PANEL = "Parameters (those not given come from the recipe)"

WHAT = {
    "epochs": "Passes over the training set, at most.",
    "batch_size": "Instances an optimizer step.",
    "learning_rate": "Peak learning rate of the base model.",
    "head_learning_rate": "Peak learning rate of the head.",
    "weight_decay": "Decoupled weight decay.",
    "warmup_share": "Share of steps with rising learning rate.",
    "max_tokens": "Most tokens of an instance that are read.",
    "validation_share": "Share of the training set held out.",
    "evaluations_per_epoch": "Evaluations in every epoch; 0: at the end.",
    "patience": "Evaluations without improvement before it stops.",
    "seed": "Seeds initialization and data order.",
    "window_stride": "Tokens between the windows of what is too long; 0 cuts it.",
    "max_windows": "Most windows of an instance.",
    "window_reducer": "How windows become one score: max, the deciding one; mean.",
    "threshold_aim": "What the threshold is for: best_f1, recall, precision, false_positive_rate.",
    "threshold_target": "The least recall or precision, or the highest false-positive rate.",
    "threshold_confidence": "How surely a false-positive rate or an error rate is kept to.",
    "abstain_error_rate": "Abstain where more of either kind would be decided wrongly.",
    "class_weight_power": "How rare classes count: 0 as their rows, 1 as much as any class.",
    "layer_decay": "Learning rate of a layer as a share of that of the one above.",
    "pooling": "What the head reads: mean of the tokens, first token, contrast of two texts; or auto.",
    "layers": "Layers of the base model that are used; 0 for all.",
    "weight_averaging": "Share of the averaged weights that stays at a step; 0 for none.",
    "contrastive_epochs": "Epochs at the start that pull rows of a class together.",
    "final_rows": "What it is made from in the end: learned, or all with the held-out rows.",
    "adapter_rank": "Rank of the adapters that learn for a large base model; 0 for none.",
    "search_minutes": "Minutes for which other learning rates and layer decays are tried first; 0 for none.",
}

_KINDS: dict[int, type] = {FieldDescriptor.CPPTYPE_STRING: str, FieldDescriptor.CPPTYPE_DOUBLE: float}
_ORIGINS = {
    "request": "as asked for",
    "data": "by the data",
    "search": "found by the search",
    "recipe": "by the recipe",
}


def taken(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each parameter; it gets those that were set as `given`."""
    signature = inspect.signature(function, eval_str=True)

    @wraps(function)
    def run(*arguments: Any, **values: Any) -> None:
        said = {name: values.pop(name) for name in WHAT}
        given = {name: value for name, value in said.items() if value is not None}
        function(*arguments, **values, given=given)

    own = [each for each in signature.parameters.values() if each.name != "given"]
    run.__signature__ = signature.replace(parameters=[*own, *map(_option, WHAT)])  # type: ignore[attr-defined]
    return run


def _option(name: str) -> inspect.Parameter:
    kind = _KINDS.get(pb.TrainingParameters.DESCRIPTOR.fields_by_name[name].cpp_type, int)
    option = typer.Option(help=WHAT[name], rich_help_panel=_PANEL)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def of_recipe(recipe: pb.Recipe) -> Table:
    """Return a recipe's parameters with what each one is."""
    columns: Columns[tuple[Any, Any]] = {
        "parameter": lambda entry: entry[0].name,
        "value": lambda entry: f"{entry[1]:g}" if isinstance(entry[1], float) else str(entry[1]),
        "what it is": lambda entry: WHAT.get(entry[0].name, ""),
    }
    return table(recipe.parameters.ListFields(), columns)


def by_origin(run: pb.Run) -> Table:
    """Return every parameter as the run used it, by where it came from."""
    lines = []
    for origin, said in _ORIGINS.items():
        found = [f"{p.key} {p.value}" for p in run.resolved_parameters if p.origin == origin]
        if found:
            lines.append((said, ", ".join(found)))
    return grid(lines)
