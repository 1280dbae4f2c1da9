"""OpenVINO on CPU: the fastest engine seen there, in fp32, bf16 and int8.

With several streams OpenVINO computes in threads of its own, which inherit
the priority of the thread that opens the model and end with it; with one
stream it computes in the thread that calls.
"""

import functools
import importlib.metadata
import importlib.util
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.bundle import OPENVINO_BF16, OPENVINO_FP32, OPENVINO_INT8, OPENVINO_LENGTH_STEP
from gnomon.errors import VersionUnloadableError
from gnomon.tokens import Tokens
from gnomon_scorer.adapters.padding import Array, check_inputs, fill, rows_of
from gnomon_scorer.domain.ports import Logits

_DEVICE = "CPU"
_PRECISIONS = {OPENVINO_INT8: "bf16", OPENVINO_BF16: "bf16", OPENVINO_FP32: "f32"}

# What is compiled for a shape is kept for these many kernels; unbounded, it takes more than a
# megabyte a shape and stream, for as long as new shapes come. Compiling again costs about 2 %.
_KERNELS_A_STREAM = 32
_KERNELS_A_PROCESS = 256
# Memory as a multiple of the weights: they are kept as read, and packed anew for the processor.
_COMPUTED = 1.6
_A_STREAM_BYTES = 96 * 1024**2  # intermediate results and kernels, of all but tiny models

_importing = threading.Lock()


class OpenVinoRuntime:
    """Opens the three `openvino-…` formats. The library is imported when it is first needed."""

    formats = (OPENVINO_INT8, OPENVINO_BF16, OPENVINO_FP32)  # the fastest first, as a rule
    length_step = OPENVINO_LENGTH_STEP

    @property
    def version(self) -> str:
        try:
            return f"openvino {importlib.metadata.version('openvino')}"
        except importlib.metadata.PackageNotFoundError:
            return "no openvino"

    def problem(self, format: str) -> str | None:  # noqa: A002  the proto's word
        """Return why this machine cannot run a format, and what to do; None if it can."""
        if importlib.util.find_spec("openvino") is None:
            return f"{format} needs OpenVINO, which is not installed here. Install it: pip install openvino."
        if _PRECISIONS[format] == "bf16" and "BF16" not in self._capabilities():
            return f"{format} computes in bf16, which this processor cannot. Use an fp32 format, or `auto`."
        return None

    def threads(self, cores: int) -> tuple[int, ...]:
        """Return the powers of two up to the cores, and those: streams share their weights."""
        return tuple(sorted({1 << power for power in range(cores.bit_length())} | {cores}))

    def open(self, file: Path, format: str, threads: int, cores: int, max_tokens: int) -> "OpenVinoBackend":  # noqa: A002
        core = _library().Core()  # of its own: what shares a core is given idle threads of any priority
        model = core.read_model(file)
        check_inputs([entry.get_any_name() for entry in model.inputs])
        compiled = core.compile_model(
            model,
            _DEVICE,
            {
                "INFERENCE_PRECISION_HINT": _PRECISIONS[format],
                "NUM_STREAMS": max(1, cores // threads),
                "INFERENCE_NUM_THREADS": cores,
                "ENABLE_CPU_PINNING": False,  # the operating system shares the processor
                "CPU_RUNTIME_CACHE_CAPACITY": _KERNELS_A_STREAM,
            },
        )
        _check_precision(compiled, format)
        parts = {
            *file.parent.glob(f"{file.name}*"),
            file.with_suffix(".bin"),
        }  # weights may be beside it
        size = sum(part.stat().st_size for part in parts if part.is_file())
        return OpenVinoBackend(core, compiled, max_tokens, size)

    def _capabilities(self) -> Sequence[str]:
        found: Sequence[str] = _library().Core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")
        return found


class OpenVinoBackend:
    """One compiled model. Output: the first one, or `logits`, of shape (instances, classes)."""

    def __init__(self, core: Any, compiled: Any, max_tokens: int, weight_bytes: int) -> None:
        self._core = core
        self._compiled = compiled
        self._max_tokens = max_tokens
        streams = int(compiled.get_property("NUM_STREAMS"))
        self.computes_in_caller = streams == 1
        self.has_threads = int(compiled.get_property("INFERENCE_NUM_THREADS")) > 1
        self.memory_bytes = int(_COMPUTED * weight_bytes) + streams * min(_A_STREAM_BYTES, weight_bytes)
        names = [name for entry in compiled.outputs for name in entry.get_names()]
        self._output = "logits" if "logits" in names else names[0]
        self._free: list[_Request] = []  # as many as ever ran at once; append and pop are atomic
        self._all: list[_Request] = []

    def run(self, batch: Sequence[Tokens]) -> Logits:
        try:
            request = self._free.pop()
        except IndexError:
            request = _Request(self._compiled)
            self._all.append(request)
        try:
            return rows_of(request.infer(batch, self._width(batch), self._output))
        finally:
            self._free.append(request)

    def _width(self, batch: Sequence[Tokens]) -> int:
        """Return the length to pad to: not beyond what the model surely has positions for."""
        longest = max(len(tokens) for tokens in batch)
        step = OPENVINO_LENGTH_STEP
        return max(longest, min(-(-longest // step) * step, self._max_tokens))

    def close(self) -> None:
        self._free.clear()
        self._all.clear()
        self._compiled = None
        self._core = None  # ends its threads


class _Request:
    """Runs one batch at a time, in memory of its own.

    A compiled model remembers the addresses of the inputs it ran last, so
    their memory lives as long as the model.
    """

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._dtypes = {entry.get_any_name(): entry.element_type.to_dtype() for entry in compiled.inputs}
        self._buffers: list[Mapping[str, Array]] = []  # the last one is used; the others may be remembered

    def infer(self, batch: Sequence[Tokens], width: int, output: str) -> Array:
        """Return the output, valid until the next call."""
        shape = (len(batch), width)
        arrays = {name: flat[: len(batch) * width].reshape(shape) for name, flat in self._room(shape).items()}
        for array in arrays.values():
            array.fill(0)
        fill(arrays, batch)
        tensor = _library().Tensor
        for name, array in arrays.items():
            self._request.set_tensor(name, tensor(array, shared_memory=True))
        self._request.infer()  # without the GIL
        logits: Array = self._request.get_tensor(output).data
        return logits

    def _room(self, shape: tuple[int, int]) -> Mapping[str, Array]:
        size = shape[0] * shape[1]
        if not self._buffers or next(iter(self._buffers[-1].values())).size < size:
            room = 1 << max(12, (size - 1).bit_length())
            self._buffers.append({name: np.zeros(room, dtype) for name, dtype in self._dtypes.items()})
        return self._buffers[-1]


def _check_precision(compiled: Any, format: str) -> None:  # noqa: A002
    """Refuse a model that was compiled for another precision than it was told to."""
    precision = compiled.get_property("INFERENCE_PRECISION_HINT")
    if precision != getattr(_library().Type, _PRECISIONS[format]):
        raise VersionUnloadableError(
            f"OpenVINO computes {format} in {precision.get_type_name()} here. Choose another format."
        )


def _library() -> Any:
    """Return OpenVINO, silent towards the network.

    It imports `openvino_telemetry` if it can, which puts an ID into the home
    folder and can send events; OpenVINO does without.
    """
    with _importing:
        return _imported()


@functools.cache
def _imported() -> Any:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # an ImportError
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_KERNELS_A_PROCESS))
    import openvino

    # Its first look at an array, whoever imported it, locks up the process for ever if two threads take it
    # at once.
    openvino.Tensor(np.zeros(1, np.int64))
    return openvino
