"""What a method gets, and what it gives back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.quality.clocks import Seconds
from benchmarks.quality.sets import Division, PublicSet, rendered
from numpy.typing import NDArray

from gnomon.rendering import Rendered
from gnomon.tokens import Tokens

RECIPE = "small"  # its base model and length are those of all networks here


@dataclass
class Task:
    """One division of a set. `classes` are in the order of the probabilities' columns."""

    public: PublicSet
    division: Division
    classes: list[str]
    seed: int
    work: Path  # an empty folder
    quick: bool
    setfit_seconds: float  # at most, to train for

    @cached_property
    def training(self) -> list[Rendered]:
        return rendered(self.public, self.division.training)

    @cached_property
    def test(self) -> list[Rendered]:
        return rendered(self.public, self.division.test)

    @cached_property
    def training_labels(self) -> NDArray[np.int64]:
        return self._labels(self.division.training)

    @cached_property
    def test_labels(self) -> NDArray[np.int64]:
        return self._labels(self.division.test)

    def _labels(self, records: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
        return np.array([self.classes.index(record["label"]) for record in records], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Answer:
    """Probabilities of shape (test rows, classes).

    `fit`: from texts to a trained model. `stepped_rows`: rows that went through
    training steps, each as often as it did; `stepping`: what those steps took.
    """

    probabilities: NDArray[np.float64]
    fit: Seconds
    stepped_rows: float | None = None  # no steps
    stepping: Seconds = field(default_factory=Seconds)
    notes: dict[str, Any] = field(default_factory=dict)


def base_model() -> Path:
    """Return the folder of the base model."""
    from gnomon_trainer.adapters import base_models

    return base_models.locate(_recipe().base_model)


def tokens(texts: Sequence[Rendered]) -> list[Tokens]:
    """Return what is read at once with the recipe's length; the recipe itself reads on, in windows."""
    from gnomon_trainer.adapters.fine_tuning.encoding import TextEncoder

    encoder = TextEncoder.of_base_model(base_model(), max_tokens())
    return [encoder.encode(text) for text in texts]


def max_tokens() -> int:
    return int(_recipe().parameters.max_tokens)


def _recipe() -> Any:
    from gnomon_trainer.adapters.recipe_files import RecipeFiles

    return next(recipe for recipe in RecipeFiles().all() if recipe.recipe == RECIPE)
