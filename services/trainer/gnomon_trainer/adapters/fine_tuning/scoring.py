"""Runs an exported evaluator as the scorer does: ONNX Runtime on the CPU."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning.batches import padded

Logits = NDArray[np.float32]

_ROWS_BETWEEN_PAUSES = 64


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
        """Return the logits of rows of which each goes alone, several at a time on their own threads.

        `pause` is called now and then; what it raises ends the work.
        """
        found: list[Logits] = []
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(rows), _ROWS_BETWEEN_PAUSES):
                pause()
                some = rows[start : start + _ROWS_BETWEEN_PAUSES]
                found += pool.map(lambda row: self.logits([row]), some)
        return np.concatenate(found)
