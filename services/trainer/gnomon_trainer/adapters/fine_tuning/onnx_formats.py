"""The formats beside the reference that ONNX Runtime reads, and all further formats together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gnomon.bundle import ONNX_FP16
from gnomon.half_precision import write_fp16
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning.openvino_formats import FurtherFormat, openvino_formats
from gnomon_trainer.adapters.fine_tuning.scoring import Alone, OnnxEvaluator


@dataclass(frozen=True, slots=True)
class HalfPrecision:
    """Weights and computations in fp16, for GPUs: by ONNX Runtime's CUDA provider, Triton, TensorRT.

    A processor computes it in fp32 with the rounded weights, which is what the
    gate sees; it is half as large there, and no faster.
    """

    format: str = ONNX_FP16
    path: str = "model.fp16.onnx"
    exact: bool = False
    runtime: str = "onnxruntime"

    def problem(self) -> str:
        return ""  # its libraries are the reference's

    def make(self, onnx: Path, rows: Sequence[Tokens], folder: Path, pause: Callable[[], None]) -> None:  # noqa: ARG002
        pause()
        write_fp16(onnx, folder / self.path)

    def open(self, path: Path, max_tokens: int, threads: int) -> Alone:  # noqa: ARG002
        return OnnxEvaluator(path)


def further_formats(onnx: str) -> tuple[FurtherFormat, ...]:
    """Return all of them, for a reference whose main file is `onnx`."""
    return (*openvino_formats(onnx), HalfPrecision())
