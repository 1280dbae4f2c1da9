"""The formats that OpenVINO reads: how each is made and opened, and whether this machine can have it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gnomon.bundle import OPENVINO_BF16, OPENVINO_FP32, OPENVINO_INT8
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import openvino_runtime, quantizing
from gnomon_trainer.adapters.fine_tuning.openvino_runtime import BF16, F32, OpenVinoEvaluator
from gnomon_trainer.adapters.fine_tuning.scoring import Alone

_INSTALL = "pip install 'gnomon[trainer]'"


class FurtherFormat(Protocol):
    """A format beside the reference.

    `path` is its main file inside the bundle. `exact` says that it computes in
    fp32 and must score as the trained network does, to the last digits.
    """

    @property
    def format(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def exact(self) -> bool: ...

    @property
    def runtime(self) -> str:
        """The package that runs it."""
        ...

    def problem(self) -> str:
        """Return why it cannot be had here; empty if it can."""
        ...

    def make(self, onnx: Path, rows: Sequence[Tokens], folder: Path, pause: Callable[[], None]) -> None:
        """Write the format's own files, if it has any, into a folder.

        `rows` are from the training set. `pause` is called now and then; what it raises ends the work.
        """
        ...

    def open(self, path: Path, max_tokens: int, threads: int) -> Alone: ...


@dataclass(frozen=True, slots=True)
class ReadsOnnx:
    """OpenVINO on the reference's own file, in fp32 or in bf16."""

    format: str
    path: str
    precision: str
    runtime: str = "openvino"

    @property
    def exact(self) -> bool:
        return self.precision == F32

    def problem(self) -> str:
        return _problem(self.precision, self.runtime)

    def make(self, onnx: Path, rows: Sequence[Tokens], folder: Path, pause: Callable[[], None]) -> None:
        """Write nothing: it reads `model.onnx`."""

    def open(self, path: Path, max_tokens: int, threads: int) -> Alone:
        return OpenVinoEvaluator(path, self.precision, max_tokens, threads)


@dataclass(frozen=True, slots=True)
class Quantized:
    """A file of its own in int8, of which bf16 computes the rest."""

    format: str = OPENVINO_INT8
    path: str = "model.int8.xml"
    exact: bool = False
    runtime: str = "openvino"

    def problem(self) -> str:
        return _problem(BF16, "openvino", "nncf")

    def make(self, onnx: Path, rows: Sequence[Tokens], folder: Path, pause: Callable[[], None]) -> None:
        quantizing.quantize(onnx, rows, folder / self.path, pause)

    def open(self, path: Path, max_tokens: int, threads: int) -> Alone:
        return OpenVinoEvaluator(path, BF16, max_tokens, threads)


def openvino_formats(onnx: str) -> tuple[FurtherFormat, ...]:
    """Return all of them, for a reference whose main file is `onnx`."""
    return (
        ReadsOnnx(OPENVINO_FP32, onnx, F32),
        ReadsOnnx(OPENVINO_BF16, onnx, BF16),
        Quantized(),
    )


def _problem(precision: str, *packages: str) -> str:
    if not openvino_runtime.installed(*packages):
        return f"{' and '.join(packages)} must be installed: {_INSTALL}"
    if precision == BF16 and not openvino_runtime.computes_bf16():
        return "This processor does not compute in bf16."
    return ""
