"""Which of its windows a row shows in a training step: one, so that a long row costs what a short one does.

A row has one label, and which of its windows it is of nobody says. With the
reducer `max` the score is that of one window, and so is the gradient: the row
shows the window that decides as the network is now. With `mean` all count
alike: it shows any of them, each as likely, so that over the epochs each is
learned from; the loss of a mean of logits is at most the mean of their losses.
"""

import random
from collections.abc import Callable, Sequence

from gnomon.tokens import Tokens
from gnomon.windows import Reduced
from gnomon_trainer.adapters.fine_tuning.compute import Compute
from gnomon_trainer.adapters.fine_tuning.judging import logits_of_windows
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork

Reduce = Callable[[Sequence[Sequence[float]]], Reduced]


def windows(
    network: EvaluatorNetwork,
    rows: Sequence[Sequence[Tokens]],
    *,
    reduce: Reduce | None,
    key: str,
    compute: Compute,
) -> list[Tokens]:
    """Return one of the windows of each row: that which decides in `reduce`; any, if there is no such.

    `key` alone decides what chance does.
    """
    if reduce is None:
        choose = random.Random(key)  # noqa: S311  reproducible on purpose
        return [choose.choice(row) for row in rows]
    return [row[_deciding(network, row, reduce, compute)] for row in rows]


def _deciding(network: EvaluatorNetwork, row: Sequence[Tokens], reduce: Reduce, compute: Compute) -> int:
    if len(row) == 1:
        return 0
    training = network.training
    try:
        found = logits_of_windows(network, row, compute, lambda: None)
    finally:
        network.train(training)
    return reduce(found.tolist()).deciding_window or 0
