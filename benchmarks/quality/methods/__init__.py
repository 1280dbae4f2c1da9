"""The methods, by name. Each is a module with `answer(task)`, imported where it runs."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.quality import imports
from benchmarks.quality.task import Answer, Task

from gnomon_trainer.domain.training import MetricDefinition, Row

_HERE = Path(__file__).parent
_PRODUCT = {"gnomon_small": "small", "gnomon_auto": "auto", "gnomon_few": "few"}  # recipes
_TRAINING = "gnomon_trainer.adapters.fine_tuning.stages"
BASELINES = ("tfidf", "frozen", "plain", "setfit")
METHODS = (*BASELINES, *_PRODUCT)


def recipe_of(method: str) -> str | None:
    """Return the recipe of one of the product's methods; None for the others."""
    return _PRODUCT.get(method)


def answer(method: str, task: Task) -> Answer:
    recipe = recipe_of(method)
    module: Any = import_module(f"{__name__}.{'gnomon' if recipe else method}")
    found: Answer = module.answer(task, recipe) if recipe else module.answer(task)
    return found


def same_as(method: str, metric: MetricDefinition, rows: Sequence[Row]) -> str:
    """Return the method whose training this one's is: another, where its recipe takes the other's."""
    recipe = recipe_of(method)
    if recipe is None:
        return method
    taken = import_module(f"{__name__}.gnomon").taken(recipe, metric, rows)
    return next((other for other, its in _PRODUCT.items() if its == taken), method)


def prepare(method: str) -> None:
    """Install what a method needs, before its time is taken."""
    if method == "setfit":
        import_module(f"{__name__}.setfit").prepare()


def sources(method: str) -> list[Path]:
    """Return the files that a method is: its cells are measured again when one changes.

    Of the product, the recipes and all that a training imports. What brings rows to it and predictions back,
    and which versions of libraries are installed, are not looked at.
    """
    own = [
        _HERE / f"{'gnomon' if recipe_of(method) else method}.py",
        *(_HERE.parent / name for name in ("task.py", "clocks.py")),
    ]
    if method == "setfit":
        return [*own, _HERE / "setfit_child.py", _HERE / "setfit.txt"]
    if method in ("tfidf", "frozen"):
        return [*own, _HERE / "regression.py"]
    if not recipe_of(method):
        return own
    recipes = _HERE.parents[2] / "services" / "trainer" / "gnomon_trainer" / "recipes"
    return [*own, *sorted(recipes.glob("*.toml")), *imports.needed_by(_TRAINING)]
