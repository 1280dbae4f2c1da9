"""How good a network is on rows that it does not learn from."""

from collections.abc import Callable, Iterator, Sequence
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
from gnomon_trainer.domain.measures import macro_f1_of

# Makes one row of logits of those of a row's windows: see `gnomon.windows.reduce`.
Reduce = Callable[[Sequence[Sequence[float]]], Reduced]


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
    f1 = macro_f1_of(labels, logits.argmax(axis=1), classes)
    auroc = 0.0
    if classes == 2 and len(np.unique(labels)) == 2:
        auroc = float(roc_auc_score(labels, logits[:, 1] - logits[:, 0]))
    return Best(step, f1, negative_log_likelihood(logits, labels), auroc)


def pooled(
    network: EvaluatorNetwork, examples: Examples, compute: Compute, pause: Callable[[], None]
) -> NDArray[np.float32]:
    """Return the vectors of all rows in their order, shape (rows, hidden size), with dropout off.

    Of several windows, the mean of their vectors: what a linear head says of it is the mean of their logits.
    `pause` is called before every batch; what it raises ends the work.
    """
    windows, row = _flat(examples)
    sums = np.zeros((len(examples.windows), network.head.in_features), dtype=np.float32)
    for indices, vectors in _vectors(network, windows, compute, pause):
        np.add.at(sums, row[indices], vectors)
    counts = np.bincount(row).astype(np.float32)
    means: NDArray[np.float32] = sums / counts[:, None]
    return means


def logits_of(
    network: EvaluatorNetwork,
    examples: Examples,
    reduce: Reduce,
    compute: Compute,
    pause: Callable[[], None],
) -> NDArray[np.float32]:
    """Return the logits of all rows in their order, shape (rows, classes), with dropout off.

    Of several windows, what `reduce` makes of theirs, as a scorer does; NaN where one of them is no number.
    """
    windows, row = _flat(examples)
    logits = logits_of_windows(network, windows, compute, pause)
    if len(windows) == len(examples.windows):
        return logits
    parts = np.split(logits, np.flatnonzero(np.diff(row)) + 1)
    nothing = [np.nan] * logits.shape[1]
    found = [reduce(part.tolist()).logits if np.isfinite(part).all() else nothing for part in parts]
    return np.array(found, dtype=np.float32)


@torch.no_grad()
def logits_of_windows(
    network: EvaluatorNetwork, windows: Sequence[Tokens], compute: Compute, pause: Callable[[], None]
) -> NDArray[np.float32]:
    """Return the logits of windows in their order, shape (windows, classes), with dropout off."""
    found = np.empty((len(windows), network.head.out_features), dtype=np.float32)
    for indices, vectors in _vectors(network, windows, compute, pause):
        pooled = torch.from_numpy(vectors).to(compute.device)
        found[indices] = network.classify(pooled).cpu().numpy()
    return found


@torch.no_grad()
def _vectors(
    network: EvaluatorNetwork, windows: Sequence[Tokens], compute: Compute, pause: Callable[[], None]
) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    """Yield windows' places and their vectors, shape (places, hidden size), a batch at a time."""
    network.eval()
    for indices in batches.of_similar_length([len(window) for window in windows]):
        pause()
        inputs = batches.tensors([windows[i] for i in indices], network, compute.device)
        with compute.autocast():
            vectors = network.pool(**inputs)
        yield indices, vectors.float().cpu().numpy()


def _flat(examples: Examples) -> tuple[list[Tokens], Ints]:
    """Return the windows of all rows, and which row each is of."""
    counts = [len(row) for row in examples.windows]
    return [window for row in examples.windows for window in row], np.repeat(np.arange(len(counts)), counts)
