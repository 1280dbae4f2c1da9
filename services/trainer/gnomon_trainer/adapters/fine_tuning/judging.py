"""How good a network is on rows that it does not learn from."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from gnomon.tokens import Tokens
from gnomon.windows import Reduced
from gnomon_trainer.adapters.fine_tuning import batches
from gnomon_trainer.adapters.fine_tuning.batches import Examples
from gnomon_trainer.adapters.fine_tuning.compute import Compute
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork
from gnomon_trainer.domain.calibration import Ints, negative_log_likelihood
from gnomon_trainer.domain.measures import confusion, macro_f1


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluation so far; step 0 is the head on the frozen encoder.

    `auroc` is that of two classes, whose threshold is chosen later: macro-F1 at
    a threshold that nobody will use says little of them. Of more classes it is 0.
    `own_head`: it began with the head that the network brought along.
    """

    step: int
    macro_f1: float
    loss: float
    auroc: float = 0.0
    own_head: bool = False

    def beats(self, other: "Best") -> bool:
        return (self.auroc, self.macro_f1, -self.loss) > (other.auroc, other.macro_f1, -other.loss)


def measured(step: int, logits: NDArray[np.float32], labels: Ints, classes: int) -> Best:
    once = np.ones((len(labels), 1), dtype=np.uint8)
    f1 = macro_f1(confusion(labels, logits.argmax(axis=1), classes, once))[0]
    auroc = 0.0
    if classes == 2 and len(np.unique(labels)) == 2:
        auroc = float(roc_auc_score(labels, logits[:, 1] - logits[:, 0]))
    return Best(step, float(f1), negative_log_likelihood(logits, labels), auroc)


def pooled(
    network: EvaluatorNetwork, examples: Examples, compute: Compute, pause: Callable[[], None]
) -> NDArray[np.float32]:
    """Return the vectors of all rows in their order, shape (rows, hidden size), with dropout off.

    Of several windows, the mean of their vectors: what a linear head says of it is the mean of their logits.
    `pause` is called before every batch; what it raises ends the work.
    """
    starts, every = _flat(examples)
    vectors = _vectors(network, every, compute, pause)
    if len(every) == len(starts):
        return vectors
    counts = np.diff([*starts, len(every)])
    return np.asarray(np.add.reduceat(vectors, starts) / counts[:, None], dtype=np.float32)


def logits_of(
    network: EvaluatorNetwork,
    examples: Examples,
    reduce: Callable[[Sequence[Sequence[float]]], Reduced],
    compute: Compute,
    pause: Callable[[], None],
) -> NDArray[np.float32]:
    """Return the logits of all rows in their order, shape (rows, classes), with dropout off.

    Of several windows, what `reduce` makes of theirs, as a scorer does.
    """
    starts, every = _flat(examples)
    logits = logits_of_windows(network, every, compute, pause)
    if len(every) == len(starts):
        return logits
    parts = np.split(logits, starts[1:])
    return np.array([reduce(part.tolist()).logits for part in parts], dtype=np.float32)


@torch.no_grad()
def logits_of_windows(
    network: EvaluatorNetwork, windows: Sequence[Tokens], compute: Compute, pause: Callable[[], None]
) -> NDArray[np.float32]:
    """Return the logits of windows in their order, shape (windows, classes), with dropout off."""
    vectors = torch.from_numpy(_vectors(network, windows, compute, pause)).to(compute.device)
    found: NDArray[np.float32] = network.classify(vectors).cpu().numpy()
    return found


@torch.no_grad()
def _vectors(
    network: EvaluatorNetwork, windows: Sequence[Tokens], compute: Compute, pause: Callable[[], None]
) -> NDArray[np.float32]:
    network.eval()
    vectors = np.empty((len(windows), network.head.in_features), dtype=np.float32)
    for indices in batches.of_similar_length([len(window) for window in windows]):
        pause()
        inputs = batches.tensors([windows[i] for i in indices], network, compute.device)
        with compute.autocast():
            vectors[indices] = network.pool(**inputs).float().cpu().numpy()
    return vectors


def _flat(examples: Examples) -> tuple[list[int], list[Tokens]]:
    """Return where the windows of each row begin among all, and all of them."""
    counts = [len(row) for row in examples.windows]
    return [0, *itertools.accumulate(counts[:-1])], [window for row in examples.windows for window in row]
