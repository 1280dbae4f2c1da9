"""OpenVINO on the CPU; the one place of the trainer that imports it.

OpenVINO and NNCF bring `openvino_telemetry`, which puts an ID into the home
folder and sends events over the network unless a file there declines. It is
kept from being imported: both then do without.
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.bundle import OPENVINO_LENGTH_STEP
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning.batches import padded
from gnomon_trainer.adapters.fine_tuning.scoring import Logits, one_by_one

F32, BF16 = "f32", "bf16"

_importing = threading.Lock()


def installed(*packages: str) -> bool:
    """Return whether they can be imported, without importing them."""
    return all(importlib.util.find_spec(package) for package in packages)


def openvino() -> Any:
    """Return the library, silent towards the network.

    Raises:
        ImportError: it is not installed.
    """
    _without_telemetry()
    import openvino

    # Its first look at an array locks up the process for ever if two threads take it at once.
    with _importing:
        openvino.Tensor(np.zeros(1, np.int64))
    return openvino


def nncf() -> Any:
    """Return the library, silent towards the network and the terminal's log.

    Raises:
        ImportError: it is not installed.
    """
    _without_telemetry()
    import nncf

    nncf.set_log_level("ERROR")
    return nncf


def _without_telemetry() -> None:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # importing it is an ImportError
    os.environ.setdefault("NNCF_CI", "1")  # NNCF's own stub in its place


def computes_bf16() -> bool:
    """Return whether this processor multiplies bf16 natively."""
    return "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEvaluator:
    """A model compiled for `threads` calls at a time, of one core each. Safe to call from several threads.

    Lengths are padded up to a multiple of `OPENVINO_LENGTH_STEP`, but not
    beyond `max_tokens`, for which alone the base model surely has positions.
    """

    def __init__(self, path: Path, precision: str, max_tokens: int, threads: int) -> None:
        core = openvino().Core()
        self._model = core.compile_model(
            core.read_model(path),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": precision,
                "NUM_STREAMS": threads,
                "INFERENCE_NUM_THREADS": threads,
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._reads_type_ids = "token_type_ids" in {i.get_any_name() for i in self._model.inputs}
        self._max_tokens = max_tokens
        self._requests = threading.local()

    def logits(self, rows: Sequence[Tokens]) -> Logits:
        """Return the logits of rows that go through the model together, shape (rows, classes)."""
        if not hasattr(self._requests, "own"):
            self._requests.own = self._model.create_infer_request()
        own = self._requests.own
        own.infer(self._inputs(rows), share_inputs=True)
        result: Logits = own.get_output_tensor(0).data.copy()
        return result

    def logits_alone(self, rows: Sequence[Tokens], threads: int, pause: Callable[[], None]) -> Logits:
        """Return the logits of rows of which each goes alone; see `scoring.one_by_one`."""
        return one_by_one(self.logits, rows, threads, pause)

    def _inputs(self, rows: Sequence[Tokens]) -> dict[str, Any]:
        longest = max(map(len, rows))
        width = min(-(-longest // OPENVINO_LENGTH_STEP) * OPENVINO_LENGTH_STEP, self._max_tokens)
        return dict(padded(rows, 0, type_ids=self._reads_type_ids, width=max(width, longest)))
