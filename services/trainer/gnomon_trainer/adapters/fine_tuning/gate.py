"""The gate: an exported format is published only if it scores as the trained network does."""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from gnomon.bundle import Calibration
from gnomon.errors import GateFailedError
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import batches
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork
from gnomon_trainer.adapters.fine_tuning.scoring import Alone, Logits
from gnomon_trainer.domain.calibration import log_probabilities
from gnomon_trainer.domain.measures import Measure, exact
from gnomon_trainer.domain.parity import FP32_LIMITS, excess

MOST_ROWS = 256
_LEAST_ROWS = 64
# Multiply-adds of a pass over the rows: those of MiniLM-L6 for 256 rows of 512 tokens. What a larger base
# model takes for as many can be hours, of five formats and in company.
_MOST_WORK = 1.5e12
TOGETHER = 32
_MOST_SHUFFLED = 128  # rows; each shuffle gives all of them other company
_SHUFFLES = 3


@dataclass(frozen=True, slots=True)
class GateReport:
    """How a format compares, on `rows` held-out rows, and the most that each measure may be."""

    format: str
    measures: tuple[Measure, ...]
    rows: int
    limits: Mapping[str, float]

    @property
    def reason(self) -> str:
        """Why it did not pass; empty if it did."""
        return excess(self.measures, self.limits)


def reference_logits(network: EvaluatorNetwork, rows: Sequence[Tokens], pause: Callable[[], None]) -> Logits:
    """Return what the trained network says of the rows that the gate looks at, each alone."""
    seen = rows[: rows_to_see(network, rows)]
    return np.concatenate([_reference(network, row, pause) for row in seen])


def rows_to_see(network: EvaluatorNetwork, rows: Sequence[Tokens]) -> int:
    """Return how many of the first rows the gate looks at: 256, or fewer where each is much work, but 64."""
    tables = (module for module in network.modules() if isinstance(module, nn.Embedding))
    looked_up = {id(table.weight) for table in tables}
    weights = sum(p.numel() for p in network.parameters() if id(p) not in looked_up)
    work = itertools.accumulate(weights * len(row) for row in rows[:MOST_ROWS])
    affordable = sum(total <= _MOST_WORK for total in work)
    return min(max(affordable, _LEAST_ROWS), MOST_ROWS, len(rows))


def check_fp32(
    *,
    format: str,  # noqa: A002  the report's own word
    evaluator: Alone,
    trained: Logits,
    rows: Sequence[Tokens],
    alone: Logits,
    calibration: Calibration,
    threads: int,
    pause: Callable[[], None],
) -> GateReport:
    """Compare an fp32 format with the network it was made from.

    `trained` are the network's logits of the rows, `alone` the format's, each
    row alone. Measured are the largest difference of a logit, and the largest
    change of a probability among other rows: see `batch_invariance`.
    """
    alone, trained = alone[: len(trained)], trained[: len(alone)]
    return GateReport(
        format=format,
        measures=(
            exact("max_logit_difference", float(np.abs(alone - trained).max())),
            batch_invariance(evaluator, rows, alone, calibration, threads=threads, pause=pause),
        ),
        rows=len(alone),
        limits=FP32_LIMITS,
    )


def require(report: GateReport) -> GateReport:
    """Return the report of the reference format, without which nothing is published.

    Raises:
        GateFailedError: a difference is too large; the message has the figures.
    """
    if report.reason:
        figures = ", ".join(f"{m.key} {m.value:.2g}" for m in report.measures)
        raise GateFailedError(
            f"{report.format} does not score as the trained model does: {figures}; "
            f"at most {max(report.limits.values()):g} each. Nothing is published. "
            "Choose a recipe with another base model.",
            format=report.format,
            figures=figures,
        )
    return report


def batch_invariance(
    evaluator: Alone,
    rows: Sequence[Tokens],
    alone: Logits,
    calibration: Calibration,
    *,
    threads: int,
    pause: Callable[[], None],
) -> Measure:
    """Return the largest change of a probability of a row among 31 others, from when it goes alone.

    The rows that `alone` has, at most 256, go in batches of 32 as they come;
    then up to 128 of them three times more, shuffled. So many batches at a
    time as there are `threads`.
    """
    size = min(len(rows), MOST_ROWS, len(alone))
    random_ = random.Random(size)  # noqa: S311  the same company every time
    orders = [list(range(size))]
    for _ in range(_SHUFFLES):
        order = list(range(min(size, _MOST_SHUFFLED)))
        random_.shuffle(order)
        orders.append(order)
    companies = [
        order[start : start + TOGETHER] for order in orders for start in range(0, len(order), TOGETHER)
    ]

    def change(some: Sequence[int]) -> float:
        together = evaluator.logits([rows[i] for i in some])
        found = np.exp(log_probabilities(together, calibration)) - np.exp(
            log_probabilities(alone[some], calibration)
        )
        return float(np.abs(found).max())

    worst = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(companies), threads):
            pause()
            worst = float(np.max([worst, *pool.map(change, companies[start : start + threads])]))  # NaN stays
    return exact("batch_invariance_difference", worst)


@torch.no_grad()
def _reference(network: EvaluatorNetwork, row: Tokens, pause: Callable[[], None]) -> Logits:
    pause()
    logits: Logits = network(**batches.tensors([row], network, "cpu")).numpy()
    return logits
