"""ONNX Runtime on CPU: the reference engine.

One session a version. With one thread a call, a call computes in the thread
that makes it, so the callers bound the cores in use, and their priority is
that of the computation.
"""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from gnomon.bundle import ONNX_FP32
from gnomon.errors import VersionUnloadableError
from gnomon.tokens import Tokens
from gnomon_scorer.adapters.padding import check_inputs, fill, rows_of
from gnomon_scorer.domain.ports import Logits

_PROVIDER = "CPUExecutionProvider"
_DTYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
# Memory as a multiple of the weights, which are packed anew for the processor; with intermediate results.
_COMPUTED = 1.6


class ConflictError(Exception):
    """The installation cannot work; the message says what to do."""


class OnnxRuntime:
    """Opens `onnx-fp32`. The place for further providers: each would be a format's, never a fall-back."""

    formats = (ONNX_FP32,)
    length_step = 1

    def __init__(self) -> None:
        check_installation()

    @property
    def version(self) -> str:
        return f"onnxruntime {ort.__version__}"

    def problem(self, format: str) -> str | None:  # noqa: A002, ARG002  it runs wherever it is installed
        return None

    def threads(self, cores: int) -> tuple[int, ...]:
        """Return all that one session can do: calls of several threads share the session's."""
        return (1,) if cores == 1 else (1, cores)

    def open(self, file: Path, format: str, threads: int, cores: int, max_tokens: int) -> "OnnxBackend":  # noqa: A002, ARG002
        return OnnxBackend(file, threads)


class OnnxBackend:
    """One ONNX model. Output: the first one, or `logits`, of shape (instances, classes)."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        self._session: Any = ort.InferenceSession(str(file), _options(threads), providers=[_PROVIDER])
        if self._session.get_providers()[0] != _PROVIDER:
            raise VersionUnloadableError("ONNX Runtime chose another device than it was told to.")
        self.computes_in_caller = True
        self.has_threads = threads > 1
        weights = file.parent.glob(f"{file.name}*")  # large models keep theirs in `model.onnx.data`
        self.memory_bytes = int(_COMPUTED * sum(part.stat().st_size for part in weights))
        self._dtypes = {entry.name: _DTYPES.get(entry.type, np.int64) for entry in self._session.get_inputs()}
        check_inputs(list(self._dtypes))
        outputs = [entry.name for entry in self._session.get_outputs()]
        self._output = "logits" if "logits" in outputs else outputs[0]

    def run(self, batch: Sequence[Tokens]) -> Logits:
        shape = (len(batch), max(len(tokens) for tokens in batch))
        arrays = {name: np.zeros(shape, dtype) for name, dtype in self._dtypes.items()}
        fill(arrays, batch)
        (logits,) = self._session.run([self._output], arrays)
        return rows_of(logits)

    def close(self) -> None:
        self._session = None


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 4  # what fails is raised; its log lines could quote inputs
    return options


def check_installation() -> None:
    """Refuse two distributions that install the same folder.

    Raises:
        ConflictError: both `onnxruntime` and `onnxruntime-gpu` are installed.
    """
    if all(_is_installed(name) for name in ("onnxruntime", "onnxruntime-gpu")):
        raise ConflictError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other. Uninstall both, "
            "then install one."
        )


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
