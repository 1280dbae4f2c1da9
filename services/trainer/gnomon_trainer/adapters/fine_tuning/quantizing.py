"""Static int8: from `model.onnx` and some training rows to a smaller, faster file. NNCF does the work."""

import contextlib
import io
import random
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning.batches import padded
from gnomon_trainer.adapters.fine_tuning.openvino_runtime import nncf, openvino

CALIBRATION_ROWS = 200


def calibration_rows(rows: Sequence[Tokens], seed: int) -> list[Tokens]:
    """Return up to 200 of the rows; the arguments alone decide which."""
    random_ = random.Random(seed)  # noqa: S311  reproducible on purpose
    return random_.sample(list(rows), min(CALIBRATION_ROWS, len(rows)))


def quantize(onnx: Path, rows: Sequence[Tokens], target: Path, pause: Callable[[], None]) -> None:
    """Write an OpenVINO model, `target` and the `.bin` beside it, with int8 weights and activations.

    All but the head, which takes no time and of which the label hangs: in int8
    it was seen to change 17 % of the labels of an evaluator, and 1 % without.
    Ranges of the activations are those of `rows`. `pause` is called between
    rows; what it raises ends the work.
    """
    library, runtime = nncf(), openvino()
    model = runtime.Core().read_model(onnx)
    type_ids = "token_type_ids" in {i.get_any_name() for i in model.inputs}

    def inputs(row: Tokens) -> dict[str, Any]:
        pause()
        return dict(padded([row], 0, type_ids=type_ids))

    with _quiet():
        quantized = library.quantize(
            model,
            library.Dataset(list(rows), inputs),
            model_type=library.ModelType.TRANSFORMER,
            target_device=library.TargetDevice.CPU,
            subset_size=len(rows),
            ignored_scope=library.IgnoredScope(names=[_head(model)]),
        )
    runtime.save_model(quantized, target, compress_to_fp16=False)
    _drop_notes(target)


def _head(model: Any) -> str:
    """Return the name of the matrix product that is nearest to the logits."""
    nodes = [model.get_results()[0]]
    for node in nodes:  # grows as it goes, so that what is nearer comes first
        if node.get_type_name() == "MatMul":
            return str(node.get_friendly_name())
        nodes += [value.get_node() for value in node.input_values()]
    raise ValueError("the model has no head to keep")


def _drop_notes(path: Path) -> None:
    """Drop what no runtime reads: versions, and layer names that count what this process has made before."""
    tree = ET.parse(path)  # noqa: S314  written a moment ago
    root = tree.getroot()
    for notes in root.findall("rt_info"):
        root.remove(notes)
    for layer in root.iterfind("layers/layer"):
        if layer.get("type") not in ("Parameter", "Result"):
            layer.set("name", f"{layer.get('type')}_{layer.get('id')}")
    tree.write(path, encoding="utf-8", xml_declaration=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence NNCF's progress bars and warnings; errors still raise."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
