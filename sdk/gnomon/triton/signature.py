"""What an ONNX model reads and gives, as its graph says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon.errors import BundleInvalidError
from gnomon.triton.libraries import library

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class Tensor:
    """`dtype`: as NumPy names it. `shape`: the batch first; -1 where any size will do."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """The tokens that a model reads, each (batch, length), and its logits, (batch, classes)."""

    inputs: tuple[Tensor, ...]
    logits: Tensor


def signature_of(file: Path, classes: int) -> Signature:
    """Read a model's signature; the weights stay where they are if they have files of their own.

    Raises:
        BundleInvalidError: it cannot be read, or it is not an evaluator of so many classes.
        InvalidRequestError: the library `onnx` is not installed.
    """
    onnx = library("onnx")
    try:
        graph = onnx.load(file, load_external_data=False).graph
    except FileNotFoundError as error:
        raise _invalid(file, "is missing from the bundle") from error
    except Exception as error:  # protobuf's own
        raise _invalid(file, "is no ONNX model") from error
    weights = {entry.name for entry in graph.initializer}
    inputs = tuple(_tensor(onnx, entry) for entry in graph.input if entry.name not in weights)
    outputs = tuple(_tensor(onnx, entry) for entry in graph.output)
    found = Signature(inputs, next((t for t in outputs if t.name == "logits"), outputs[0]))
    _check(found, file, classes)
    return found


def _tensor(onnx: Any, entry: Any) -> Tensor:
    kind = entry.type.tensor_type
    sizes = (d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim)
    return Tensor(entry.name, str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)), tuple(sizes))


def _check(found: Signature, file: Path, classes: int) -> None:
    for tensor in found.inputs:
        if tensor.name not in _INPUTS or tensor.dtype not in ("int64", "int32"):
            reads = f"{tensor.name} ({tensor.dtype})"
            raise _invalid(file, f"reads {reads}; an evaluator reads {', '.join(_INPUTS)} as integers")
        if tensor.shape != (-1, -1):
            raise _invalid(file, f"has a fixed size for {tensor.name}: {tensor.shape}; batches need any")
    if len(found.logits.shape) != 2 or found.logits.shape[1] not in (-1, classes):
        raise _invalid(file, f"gives {found.logits.name} of shape {found.logits.shape}, not (-1, {classes})")


def _invalid(file: Path, problem: str) -> BundleInvalidError:
    return BundleInvalidError(f"{file.name} {problem}. Register the version again from a sound bundle.")
