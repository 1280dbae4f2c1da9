"""How good a network is on rows that it does not learn from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

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


@torch.no_grad()
def pooled(
    network: EvaluatorNetwork, examples: Examples, compute: Compute, pause: Callable[[], None]
) -> NDArray[np.float32]:
    """Return the vectors of all rows in their order, shape (rows, hidden size), with dropout off.

    `pause` is called before every batch; what it raises ends the work.
    """
    network.eval()
    vectors = np.empty((len(examples.rows), network.head.in_features), dtype=np.float32)
    for indices in batches.of_similar_length(examples.lengths):
        pause()
        inputs = batches.tensors([examples.rows[i] for i in indices], network, compute.device)
        with compute.autocast():
            vectors[indices] = network.pool(**inputs).float().cpu().numpy()
    return vectors


@torch.no_grad()
def logits_of(
    network: EvaluatorNetwork, examples: Examples, compute: Compute, pause: Callable[[], None]
) -> NDArray[np.float32]:
    """Return the logits of all rows in their order, shape (rows, classes), with dropout off."""
    vectors = torch.from_numpy(pooled(network, examples, compute, pause)).to(compute.device)
    found: NDArray[np.float32] = network.classify(vectors).cpu().numpy()
    return found
