"""The methods, by name. Each is a module with `answer(task)`, imported where it runs."""

from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.quality.task import Answer, Task

_HERE = Path(__file__).parent
_PRODUCT = {"gnomon_small": "small", "gnomon_auto": "auto", "gnomon_few": "few"}  # recipes
_MAKES_EVALUATORS = ("adapters/fine_tuning", "domain", "recipes")
_READS_TEXTS = ("decision", "rendering", "tokenizing", "tokens", "windows")
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


def prepare(method: str) -> None:
    """Install what a method needs, before its time is taken."""
    if method == "setfit":
        import_module(f"{__name__}.setfit").prepare()


def sources(method: str) -> list[Path]:
    """Return the files that a method is: its cells are measured again when one changes.

    Of the product, those that say how an evaluator is made, and how a text is read and a score decided.
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
    root = _HERE.parents[2]
    trainer, sdk = root / "services" / "trainer" / "gnomon_trainer", root / "sdk" / "gnomon"
    files = (file for part in _MAKES_EVALUATORS for file in (trainer / part).rglob("*.*"))
    product = [file for file in files if file.suffix in {".py", ".toml"}]
    return [*own, *sorted(product), *(sdk / f"{name}.py" for name in _READS_TEXTS)]
