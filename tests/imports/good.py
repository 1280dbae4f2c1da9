"""Good bundles as contents by path, and how to change one."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

from gnomon.bundle import BundleFile
from tests.scorer.evaluators import make_bundle, onnx_model, tokenizer_json

Contents = dict[str, bytes]
REPORT = json.dumps({"test_rows": 160, "warnings": ["small"]}).encode()


def good(metric: str = "toxicity", **how: Any) -> Contents:
    """Return a sound bundle, report and card included."""
    made = make_bundle(metric=metric, **how)
    return made.contents | {"report.json": REPORT, "MODEL_CARD.md": b"# Card\n"}


def listed(contents: Contents) -> list[BundleFile]:
    return [
        BundleFile(path, hashlib.sha256(content).hexdigest(), len(content))
        for path, content in contents.items()
    ]


def with_model(change: Callable[[onnx.ModelProto], None]) -> Contents:
    """Return a bundle whose model was changed."""
    model = onnx.load_from_string(onnx_model())
    change(model)
    return good() | {"model.onnx": model.SerializeToString()}


def with_node(*nodes: onnx.NodeProto) -> Contents:
    """Return a bundle whose model begins with these nodes."""

    def change(model: onnx.ModelProto) -> None:
        kept = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend([*nodes, *kept])

    return with_model(change)


def with_constants(node: onnx.NodeProto, **values: Any) -> Contents:
    """Return a bundle whose model begins with a node, and holds constants for it."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in values.items())
        kept = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend([node, *kept])

    return with_model(change)


def with_tensor(change: Callable[[TensorProto], None], data: bytes = b"\0" * 64) -> Contents:
    """Return a bundle whose first tensor was changed, and that holds a file `data.bin`."""
    return with_model(lambda model: change(model.graph.initializer[0])) | {"data.bin": data}


def placed(
    location: str = "data.bin", offset: int | str = 0, length: int | str = 64, dims: Any = (2, 8)
) -> Contents:
    """Return a bundle whose first tensor lies in another file."""

    def change(tensor: TensorProto) -> None:
        tensor.ClearField("raw_data")
        del tensor.dims[:]
        tensor.dims.extend(dims)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)

    return with_tensor(change)


def with_evaluator(**changes: Any) -> Contents:
    contents = good()
    raw = json.loads(contents["evaluator.json"])
    return contents | {"evaluator.json": json.dumps(raw | changes).encode()}


def with_tokenizer(**changes: Any) -> Contents:
    return good(tokenizer=json.dumps(json.loads(tokenizer_json()) | changes).encode())


def graph_attribute(depth: int) -> onnx.AttributeProto:
    """Return graphs in graphs."""
    attribute = None
    for _ in range(depth):
        inner = helper.make_node("If", [""], ["deep"])
        if attribute is not None:
            inner.attribute.append(attribute)
        attribute = helper.make_attribute("then_branch", helper.make_graph([inner], "g", [], []))
    assert attribute is not None
    return attribute
