"""ONNX Runtime on CPU: the reference backend.

One session a version, run by as many threads as there are cores: a call
computes in the thread that makes it, so the lanes bound the cores in use.
"""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from gnomon.bundle import ONNX_FP32
from gnomon.errors import VersionUnloadableError
from gnomon.tokens import Tokens
from gnomon_scorer.domain.ports import Backend, BatchLimits, Bundle, Logits

Array = npt.NDArray[Any]

_PROVIDER = "CPUExecutionProvider"
_DTYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class ConflictError(Exception):
    """The installation cannot work; the message says what to do."""


class OnnxRuntime:
    """Opens the `onnx-fp32` format of bundles. `threads`: how many calls run at once."""

    def __init__(self, threads: int, batch_tokens: int) -> None:
        check_installation()
        self.cores = threads
        self.gives_way = True  # it computes in the thread that calls, whose priority is the scheduler's
        self._limits = BatchLimits(max_padded_tokens=batch_tokens)

    def load(self, bundle: Bundle) -> tuple[str, Backend]:
        path = next(entry.path for entry in bundle.evaluator.formats if entry.format == ONNX_FP32)
        file = bundle.folder / path
        if not file.resolve().is_relative_to(bundle.folder.resolve()) or not file.is_file():
            raise VersionUnloadableError(f"The bundle lacks {path}, which its format {ONNX_FP32} names.")
        return ONNX_FP32, OnnxBackend(file, self._limits)


class OnnxBackend:
    """One ONNX model. Output: the first one, or `logits`, of shape (instances, classes)."""

    def __init__(self, file: Path, limits: BatchLimits) -> None:
        self._session: Any = ort.InferenceSession(str(file), _options(), providers=[_PROVIDER])
        if self._session.get_providers()[0] != _PROVIDER:
            raise VersionUnloadableError("ONNX Runtime chose another device than it was told to.")
        self.limits = limits
        weights = file.parent.glob(f"{file.name}*")  # large models keep theirs in `model.onnx.data`
        self.memory_bytes = sum(part.stat().st_size for part in weights)
        self._dtypes = {entry.name: _DTYPES.get(entry.type, np.int64) for entry in self._session.get_inputs()}
        if unknown := set(self._dtypes) - set(_INPUTS):
            raise VersionUnloadableError(
                f"The model reads {sorted(unknown)}; an evaluator reads {', '.join(_INPUTS)} only."
            )
        outputs = [entry.name for entry in self._session.get_outputs()]
        self._output = "logits" if "logits" in outputs else outputs[0]

    def run(self, batch: Sequence[Tokens]) -> Logits:
        arrays = _padded(batch)
        feed = {name: arrays[name].astype(dtype, copy=False) for name, dtype in self._dtypes.items()}
        (logits,) = self._session.run([self._output], feed)
        if logits.ndim != 2:
            raise ValueError(f"The model's output has {logits.ndim} dimensions; it must have 2.")
        rows: list[list[float]] = logits.tolist()
        return rows

    def close(self) -> None:
        self._session = None


def _padded(batch: Sequence[Tokens]) -> dict[str, Array]:
    """Return the three inputs, each of shape (instances, longest), padded with 0 on the right."""
    shape = (len(batch), max(len(tokens) for tokens in batch))
    arrays = {name: np.zeros(shape, np.int64) for name in _INPUTS}
    for row, tokens in enumerate(batch):
        length = len(tokens)
        arrays["input_ids"][row, :length] = tokens.ids
        arrays["token_type_ids"][row, :length] = tokens.type_ids
        arrays["attention_mask"][row, :length] = 1
    return arrays


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
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
