"""Which rows go through the network together."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, padding_id
from gnomon_trainer.domain.measures import Ints

_BATCHES_SORTED_TOGETHER = 50
_TOKENS_WITHOUT_GRADIENT = 4_096


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows with the indices of their classes; with the classes' shares in each, if any row has such.

    `windows` are those of each row, one or more. `targets` has shape (rows, classes).
    """

    windows: Sequence[Sequence[Tokens]]
    labels: Ints
    targets: NDArray[np.float32] | None = None

    def joined(self, others: "Examples") -> "Examples":
        """Return these and others; both have targets, or neither."""
        every = None
        if self.targets is not None and others.targets is not None:
            every = np.concatenate([self.targets, others.targets])
        return Examples([*self.windows, *others.windows], np.concatenate([self.labels, others.labels]), every)

    @property
    def first_windows(self) -> list[Tokens]:
        return [row[0] for row in self.windows]

    @property
    def lengths(self) -> list[int]:
        """Tokens of what a row shows at once: of several windows the first is as long as any."""
        return [len(row[0]) for row in self.windows]


def epoch(lengths: Sequence[int], batch_size: int, seed: int, number: int) -> list[list[int]]:
    """Return the batches of one epoch, as row indices: every row once.

    The arguments alone set the order. Rows are shuffled, then sorted by length within about fifty batches, so
    that little is padded and the batches still differ between epochs.
    """
    shuffler = random.Random(f"{seed}:{number}")  # noqa: S311  reproducible on purpose
    order = list(range(len(lengths)))
    shuffler.shuffle(order)
    chunk = batch_size * _BATCHES_SORTED_TOGETHER
    batches = []
    for start in range(0, len(order), chunk):
        rows = sorted(order[start : start + chunk], key=lengths.__getitem__)
        batches += [rows[first : first + batch_size] for first in range(0, len(rows), batch_size)]
    shuffler.shuffle(batches)
    return batches


def of_similar_length(lengths: Sequence[int], tokens: int = _TOKENS_WITHOUT_GRADIENT) -> Iterator[list[int]]:
    """Yield all row indices in batches of at most `tokens` padded tokens (or one row), shortest first."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[index] * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def tensors(rows: Sequence[Tokens], network: EvaluatorNetwork, device: str) -> dict[str, Tensor]:
    """Return the network's inputs, each of shape (rows, longest)."""
    arrays = padded(rows, padding_id(network), type_ids=network.reads_type_ids)
    return {key: torch.from_numpy(array).to(device) for key, array in arrays.items()}


def padded(
    rows: Sequence[Tokens], padding: int, *, type_ids: bool, width: int | None = None
) -> dict[str, NDArray[np.int64]]:
    """Return `input_ids`, `attention_mask` and, if wanted, `token_type_ids`: int64, padded on the right.

    Their shape is (rows, width); without a width, that of the longest row.
    """
    shape = (len(rows), width or max(map(len, rows)))
    arrays = {
        "input_ids": np.full(shape, padding, dtype=np.int64),
        "attention_mask": np.zeros(shape, dtype=np.int64),
    }
    if type_ids:
        arrays["token_type_ids"] = np.zeros(shape, dtype=np.int64)
    for index, row in enumerate(rows):
        arrays["input_ids"][index, : len(row)] = row.ids
        arrays["attention_mask"][index, : len(row)] = 1
        if type_ids:
            arrays["token_type_ids"][index, : len(row)] = row.type_ids
    return arrays
