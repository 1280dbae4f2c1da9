"""Warm-up for few rows a class: the vectors of a class are pulled together, those of others apart.

Every row is held against all others of its batch, so that a few dozen rows
make hundreds of pairs: supervised contrastive learning (Khosla et al.,
NeurIPS 2020, equation 2), for what SetFit (Tunstall et al., 2022) does with
one pair at a time. No head takes part; one is fitted to what comes out.
"""

import random
from collections import defaultdict

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gnomon_trainer.domain.measures import Ints

_TEMPERATURE = 0.1
_TOGETHER = 4  # rows of a class that come into a batch together


def losses(vectors: Tensor, labels: Tensor) -> Tensor:
    """Return the sum of the rows' losses; 0 for a row without another of its class.

    `vectors` has shape (rows, hidden size), `labels` (rows,). Of a row: the
    mean, over the others of its class, of -log of the softmax, over all
    others, of cosine / temperature.
    """
    unit = normalize(vectors)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    likeness = (unit @ unit.T / _TEMPERATURE).masked_fill(itself, -torch.inf)
    others = (labels[:, None] == labels[None, :]) & ~itself
    found = torch.where(others, likeness - likeness.logsumexp(1, keepdim=True), 0.0).sum(1)
    result: Tensor = -(found / others.sum(1).clamp(min=1)).sum()
    return result


def epoch(labels: Ints, batch_size: int, seed: int, number: int) -> list[list[int]]:
    """Return the batches of one epoch, as row indices: every row once.

    The arguments alone set the order. Rows of a class come in fours, as far as
    there are so many, so that most rows of a batch find others of their class.
    """
    shuffler = random.Random(f"{seed}:{number}")  # noqa: S311  reproducible on purpose
    by_class: dict[int, list[int]] = defaultdict(list)
    for index, label in enumerate(labels.tolist()):
        by_class[label].append(index)
    groups = []
    for label in sorted(by_class):
        rows = by_class[label]
        shuffler.shuffle(rows)
        groups += [rows[first : first + _TOGETHER] for first in range(0, len(rows), _TOGETHER)]
    shuffler.shuffle(groups)
    order = [index for group in groups for index in group]
    return [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
