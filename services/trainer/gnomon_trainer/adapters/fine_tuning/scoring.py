"""Runs an exported evaluator as the scorer does: ONNX Runtime on the CPU."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gnomon.tokens import Reading, Tokens
from gnomon.windows import Reduced
from gnomon_trainer.adapters.fine_tuning.batches import padded

Logits = NDArray[np.float32]

_ROWS_BETWEEN_PAUSES = 64


@dataclass(frozen=True, slots=True)
class WindowLogits:
    """Logits of rows that were read in windows, shape (rows, classes).

    `reduced`: what is served. `first`: of the first windows alone. `deciding`:
    the window that each row's are of, None where several were combined.
    """

    reduced: Logits
    first: Logits
    deciding: Sequence[int | None]


class Alone(Protocol):
    """An exported evaluator. Safe to call from several threads."""

    def logits(self, rows: Sequence[Tokens]) -> Logits: ...

    def logits_alone(self, rows: Sequence[Tokens], threads: int, pause: Callable[[], None]) -> Logits: ...


def logits_of_readings(
    evaluator: Alone,
    readings: Sequence[Reading],
    reduce: Callable[[Sequence[Sequence[float]]], Reduced],
    threads: int,
    pause: Callable[[], None],
) -> WindowLogits:
    """Score each window alone and reduce those of a row, as the scorer does."""
    every = evaluator.logits_alone([tokens for row in readings for tokens in row.windows], threads, pause)
    counts = [len(row.windows) for row in readings]
    parts = np.split(every, np.cumsum(counts)[:-1])
    reduced = [reduce(part.tolist()) for part in parts]
    return WindowLogits(
        reduced=np.array([row.logits for row in reduced], dtype=np.float32),
        first=np.stack([part[0] for part in parts]),
        deciding=[row.deciding_window for row in reduced],
    )


class OnnxEvaluator:
    """A loaded `model.onnx`. Safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._reads_type_ids = "token_type_ids" in {i.name for i in self._session.get_inputs()}

    def logits(self, rows: Sequence[Tokens]) -> Logits:
        """Return the logits of rows that go through the model together, shape (rows, classes)."""
        inputs = padded(rows, 0, type_ids=self._reads_type_ids)
        result: Logits = self._session.run(["logits"], inputs)[0]
        return result

    def logits_alone(self, rows: Sequence[Tokens], threads: int, pause: Callable[[], None]) -> Logits:
        """Return the logits of rows of which each goes alone; see `one_by_one`."""
        return one_by_one(self.logits, rows, threads, pause)


def one_by_one(
    logits: Callable[[Sequence[Tokens]], Logits],
    rows: Sequence[Tokens],
    threads: int,
    pause: Callable[[], None],
) -> Logits:
    """Return the logits of rows of which each goes alone, several at a time on their own threads.

    `pause` is called now and then; what it raises ends the work.
    """
    found: list[Logits] = []
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(rows), _ROWS_BETWEEN_PAUSES):
            pause()
            some = rows[start : start + _ROWS_BETWEEN_PAUSES]
            found += pool.map(lambda row: logits([row]), some)
    return np.concatenate(found)
