"""What building an engine needs of TensorRT and of the GPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gnomon.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Shapes:
    """What an engine takes: up to `rows` at once, each of up to `tokens`."""

    rows: int
    tokens: int


class Runner(Protocol):
    """An engine on the GPU."""

    def logits(self, rows: Sequence[Tokens]) -> list[list[float]]:
        """Return the logits of rows that go through the engine together."""
        ...

    def close(self) -> None: ...


class Toolkit(Protocol):
    """TensorRT on one GPU. `version`: of TensorRT. `architecture`: of the GPU, such as `sm_90`."""

    @property
    def version(self) -> str: ...

    @property
    def architecture(self) -> str: ...

    def build(self, onnx: Path, shapes: Shapes) -> bytes:
        """Return an engine that computes in the types that the ONNX file has.

        Raises:
            VersionUnloadableError: TensorRT cannot; the message has its reason.
        """
        ...

    def open(self, engine: Path) -> Runner: ...
