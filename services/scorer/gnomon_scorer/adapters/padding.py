"""The arrays that a model reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from gnomon.errors import VersionUnloadableError
from gnomon.tokens import Tokens

Array = npt.NDArray[Any]

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def check_inputs(names: Sequence[str]) -> None:
    """Refuse a model that reads what nobody gives it.

    Raises:
        VersionUnloadableError: it has other inputs than an evaluator.
    """
    if unknown := set(names) - set(INPUTS):
        raise VersionUnloadableError(
            f"The model reads {sorted(unknown)}; an evaluator reads {', '.join(INPUTS)} only."
        )


def fill(arrays: Mapping[str, Array], batch: Sequence[Tokens]) -> None:
    """Write a batch into arrays of zeros of shape (instances, at least the longest), padding on the right.

    Integers are cast to what the arrays hold.
    """
    for row, tokens in enumerate(batch):
        length = len(tokens)
        for name, array in arrays.items():
            array[row, :length] = _values(name, tokens)


def _values(name: str, tokens: Tokens) -> Sequence[int] | int:
    if name == "input_ids":
        return tokens.ids
    return tokens.type_ids if name == "token_type_ids" else 1


def rows_of(logits: Array) -> list[list[float]]:
    """Return a copy of logits of shape (instances, classes)."""
    if logits.ndim != 2:
        raise ValueError(f"The model's output has {logits.ndim} dimensions; it must have 2.")
    rows: list[list[float]] = logits.tolist()
    return rows
