"""Which of its windows a row shows in a training step: one, whose gradient is all that the step keeps.

A row has one label, and which of its windows it is of nobody says. With the
reducer `max` the score is that of one window, and so is the gradient: the row
shows the window that decides as the network is now. With `mean` all count
alike: it shows any of them, each as likely; the loss of a mean of logits is at
most the mean of their losses.
"""

import random
from collections.abc import Sequence

import numpy as np

from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning.compute import Compute
from gnomon_trainer.adapters.fine_tuning.judging import Reduce, logits_of_windows
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork


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
    long = [row for row in rows if len(row) > 1]
    deciding = iter(_deciding(network, long, reduce, compute))
    return [row[next(deciding) if len(row) > 1 else 0] for row in rows]


def _deciding(
    network: EvaluatorNetwork, rows: Sequence[Sequence[Tokens]], reduce: Reduce, compute: Compute
) -> list[int]:
    if not rows:
        return []
    training = network.training
    try:
        logits = logits_of_windows(network, [w for row in rows for w in row], compute, lambda: None)
    finally:
        network.train(training)
    parts = np.split(logits, np.cumsum([len(row) for row in rows])[:-1])
    # Logits that are no numbers end the training in this step anyway: see `FineTuning`.
    return [reduce(part.tolist()).deciding_window or 0 if np.isfinite(part).all() else 0 for part in parts]
