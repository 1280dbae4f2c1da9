"""The gate: an exported format is published only if it scores as the trained network does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gnomon.errors import GateFailedError
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import batches
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork
from gnomon_trainer.adapters.fine_tuning.scoring import Logits, OnnxEvaluator
from gnomon_trainer.domain.calibration import log_softmax
from gnomon_trainer.domain.measures import Measure, exact

MOST_ROWS = 256
TOGETHER = 32
_MOST_DIFFERENCE = 1e-4


@dataclass(frozen=True, slots=True)
class GateReport:
    """How a format compares with the network, on `rows` held-out rows."""

    format: str
    measures: tuple[Measure, ...]
    rows: int

    @property
    def passed(self) -> bool:
        # Written so that NaN does not pass.
        return all(measure.value <= _MOST_DIFFERENCE for measure in self.measures)


def check_fp32(
    *,
    format: str,  # noqa: A002  the report's own word
    evaluator: OnnxEvaluator,
    network: EvaluatorNetwork,
    rows: Sequence[Tokens],
    alone: Logits,
    temperature: float,
    pause: Callable[[], None],
) -> GateReport:
    """Compare an fp32 format with the network it was made from.

    `alone` are the format's logits of the rows, each scored alone. Measured
    are the largest difference of a logit from the network's, and the largest
    change of a probability when the same rows go in batches of 32.

    Raises:
        GateFailedError: a difference is above 1e-4; the message has the figures.
    """
    rows, alone = rows[:MOST_ROWS], alone[:MOST_ROWS]
    trained = np.concatenate([_reference(network, row, pause) for row in rows])
    together = [evaluator.logits(rows[i : i + TOGETHER]) for i in range(0, len(rows), TOGETHER)]
    change = np.exp(log_softmax(np.concatenate(together), temperature)) - np.exp(
        log_softmax(alone, temperature)
    )
    report = GateReport(
        format=format,
        measures=(
            exact("max_logit_difference", float(np.abs(alone - trained).max())),
            exact("batch_invariance_difference", float(np.abs(change).max())),
        ),
        rows=len(rows),
    )
    if not report.passed:
        figures = ", ".join(f"{m.key} {m.value:.2g}" for m in report.measures)
        raise GateFailedError(
            f"{format} does not score as the trained model does: {figures}; at most {_MOST_DIFFERENCE:g} "
            "each. Nothing is published. Choose a recipe with another base model.",
            format=format,
            figures=figures,
        )
    return report


@torch.no_grad()
def _reference(network: EvaluatorNetwork, row: Tokens, pause: Callable[[], None]) -> Logits:
    pause()
    logits: Logits = network(**batches.tensors([row], network, "cpu")).numpy()
    return logits
