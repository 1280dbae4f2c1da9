"""ONNX models that no exporter writes: refused with a sentence that says what is wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gnomon.bundle_checks import policy_from, wire
from tests.imports import good as sound
from tests.imports.checking import assert_refused, check, refusal
from tests.imports.good import Contents, graph_attribute, with_model, with_node
from tests.imports.messages import attribute, eight, four, lump, model, node, number, tensor
from tests.imports.polyglots import varint

_EXTERNAL = number(1, 16) + number(2, 1) + lump(13, lump(1, b"location") + lump(2, b"d.bin")) + number(14, 1)
_FLOATS = tensor(lump(9, bytes(8)))


def changed(change: Callable[[onnx.ModelProto], Any]) -> Contents:
    return with_model(lambda proto: change(proto) and None)


def opset(version: int, domain: str = "") -> Callable[[onnx.ModelProto], None]:
    return lambda proto: proto.opset_import[0].CopyFrom(helper.make_opsetid(domain, version))


def again(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(proto.graph.initializer[0])


def unnamed(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].ClearField("name")


def of_floats(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def of_one_dimension(proto: onnx.ModelProto) -> None:
    del proto.graph.input[0].type.tensor_type.shape.dim[1:]


def outputs(*values: onnx.ValueInfoProto) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        del proto.graph.output[:]
        proto.graph.output.extend(values)

    return change


def logits(name: str, shape: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def constant(content: bytes) -> Contents:
    """Return a bundle whose model begins with a constant that has this attribute."""
    return model(graph=node("Constant", more=attribute("value", content))) | {"d.bin": bytes(64)}


def value(content: bytes) -> Contents:
    """Return a bundle whose model declares a value more."""
    return model(graph=lump(13, content))


def sized(content: bytes) -> Contents:
    """Return a bundle whose model asks for as many zeros as a constant says."""
    shape = node("Constant", output="shape", more=lump(5, content))
    return model(graph=shape + node("ConstantOfShape", "shape"))


REFUSED: dict[str, tuple[Contents, str, str]] = {
    "an operator set of long ago": (changed(opset(6)), "onnx-opset", "is of the operator set 6; known are 7"),
    "an operator set to come": (changed(opset(31)), "onnx-opset", "is of the operator set 31"),
    "an operator set of another type": (model(behind=number(8, 1)), "onnx-form", "of another type"),
    "a domain of another type": (model(behind=lump(8, four(1, b"evil"))), "onnx-form", "of another type"),
    "a field that a graph has not": (model(graph=number(9, 1)), "onnx-form", "a graph with the field 9"),
    "a field that a node has not": (
        model(graph=node("Relu", "input_ids", more=lump(10, b""))),
        "onnx-form",
        "a node with the field 10, which no evaluator needs",
    ),
    "a field that an attribute has not": (
        constant(lump(14, b"")),
        "onnx-form",
        "an attribute with the field 14",
    ),
    "a field of no number": (model(graph=number(0, 1)), "onnx-form", "a field has the number 0"),
    "a field of a type that is gone": (model(graph=varint(2 << 3 | 3)), "onnx-form", "has the wire type 3"),
    "a number of 70 bits": (
        model(behind=b"\x30" + b"\xff" * 9 + b"\x7f"),
        "onnx-form",
        "has more than 64 bits",
    ),
    "a graph that ends within a number": (model(last=b"\x80"), "onnx-form", "it is cut off"),
    "nodes that are numbers": (model(graph=number(1, 1)), "onnx-form", "of another type than it must be"),
    "two operators in a node": (
        model(graph=node("Relu", "input_ids", more=lump(4, b"Loop"))),
        "onnx-form",
        "a node with two operators",
    ),
    "two domains in a node": (
        model(graph=node("Relu", "input_ids", more=lump(7, b"com.microsoft") + lump(7, b"ai.onnx"))),
        "onnx-form",
        "a node with two operators",
    ),
    "an operator that a runtime passes over": (
        model(graph=lump(1, four(4, b"Relu"))),
        "onnx-form",
        "of another type than it must be",
    ),
    "an output that no node makes": (
        changed(outputs(logits("other", [None, 2]))),
        "onnx-order",
        "has the output 'other', which no node makes",
    ),
    "a tensor twice": (changed(again), "onnx-order", "has the tensor 'table' twice, or without a name"),
    "a tensor without a name": (changed(unnamed), "onnx-order", "has the tensor '' twice, or without a name"),
    "an input of floats": (changed(of_floats), "onnx-inputs", "input_ids, which is not of integers"),
    "an input of one dimension": (
        changed(of_one_dimension),
        "onnx-inputs",
        "which is not of integers (batch",
    ),
    "no output": (changed(outputs()), "onnx-classes", "has no output"),
    "an output that is one number": (
        changed(outputs(logits("logits", []))),
        "onnx-classes",
        "gives [] logits",
    ),
    "an output of three dimensions": (
        changed(outputs(logits("logits", [None, 3, 2]))),
        "onnx-classes",
        "gives ['any', 3, 2] logits; evaluator.json has 2 classes",
    ),
    "a value of two types": (value(lump(2, b"") * 2), "onnx-form", "a field twice that is there once"),
    "a value of two shapes": (
        value(lump(2, lump(1, lump(2, b"") * 2))),
        "onnx-form",
        "a field twice that is there once",
    ),
    "a dimension of two sizes": (
        value(lump(2, lump(1, lump(2, lump(1, number(1, 2) + number(1, 1 << 40)))))),
        "onnx-form",
        "a field twice that is there once",
    ),
    "a shape that a runtime passes over": (
        value(lump(2, lump(1, four(2, bytes(4))))),
        "onnx-form",
        "of another type than it must be",
    ),
    "a constant of two tensors, which a runtime puts together": (
        constant(lump(5, _EXTERNAL) * 2),
        "onnx-form",
        "a field twice that is there once",
    ),
    "a tensor among others that is not sound": (
        constant(lump(10, _FLOATS) + lump(10, tensor())),
        "onnx-tensor-size",
        "a tensor of 0 bytes, whose shape wants 8",
    ),
    "a sparse constant": (constant(lump(22, b"")), "onnx-sparse", "has a sparse tensor"),
    "sparse constants": (constant(lump(23, b"")), "onnx-sparse", "has a sparse tensor"),
    "an attribute of a function": (
        constant(lump(21, b"alpha")),
        "onnx-functions",
        "refers to an attribute of a function",
    ),
    "a list of numbers without end": (
        constant(lump(8, b"\x01" * 5_000)),
        "onnx-form",
        "a list has more than 4096 numbers",
    ),
    "a list of numbers that is none": (constant(eight(8, bytes(8))), "onnx-form", "of another type"),
    "zeros of a constant's numbers": (
        sized(lump(1, b"value_ints") + lump(8, varint(1 << 20) * 2)),
        "onnx-memory",
        "has ConstantOfShape make 1099511627776 elements or more",
    ),
    "zeros of numbers that come before their name": (
        sized(number(8, 1 << 20) + number(8, 1 << 20) + lump(1, b"value_ints")),
        "onnx-memory",
        "has ConstantOfShape make 1099511627776 elements or more",
    ),
    "zeros of a constant's tensor": (
        sized(lump(1, b"value") + lump(5, tensor(lump(7, varint(1 << 20) * 2), type_=7))),
        "onnx-memory",
        "has ConstantOfShape make 1099511627776 elements or more",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_no_exporter_writes_is_refused(name: str) -> None:
    contents, rule, words = REFUSED[name]
    assert_refused(contents, "model.onnx", rule, words)


def test_a_shape_is_followed_through_the_nodes_that_put_it_together() -> None:
    def change(proto: onnx.ModelProto) -> None:
        proto.graph.initializer.append(numpy_helper.from_array(np.array([1 << 20], np.int64), "many"))
        nodes = [
            helper.make_node("Identity", ["many"], ["same"]),
            helper.make_node("Concat", ["same", "many"], ["shape"], axis=0),
            helper.make_node("Expand", ["input_ids", "shape"], ["made"]),
        ]
        kept = list(proto.graph.node)
        del proto.graph.node[:]
        proto.graph.node.extend([*nodes, *kept])

    rule, _, said = refusal(with_model(change))
    assert rule == "onnx-memory"
    assert "has Expand make 1099511627776 elements or more" in said


@pytest.mark.parametrize(
    "contents",
    [
        model(behind=lump(8, lump(1, b"com.microsoft") + number(2, 1))),
        model(behind=lump(8, number(2, 17) + number(3, 1))),  # what a later release of ONNX may add
        value(lump(1, b"mean") + lump(3, b"a note")),
        value(lump(1, b"mean") + lump(2, lump(6, b"TENSOR") + lump(1, number(1, 1) + lump(3, b"")))),
        changed(outputs(logits("logits", None))),  # its first run tells
        constant(lump(5, _FLOATS)),
        constant(lump(10, _FLOATS) * 2),
        constant(number(3, 7)),
        constant(lump(7, bytes(8)) + number(20, 6)),
        model(graph=node("Relu", "input_ids", more=attribute("axes", number(8, 1) + number(8, 2)))),
        model(graph=node("Relu", "input_ids", more=lump(3, b"name") + lump(6, b"a note"))),
        model(graph=node("Range")),  # its first run tells what it lacks
    ],
)
def test_what_exporters_and_later_releases_write_is_accepted(contents: Contents) -> None:
    check({path: content for path, content in contents.items() if path != "d.bin"})


@pytest.mark.parametrize(("depth", "rule"), [(4, None), (5, "onnx-depth")])
def test_graphs_in_graphs_that_a_policy_allows_are_not_deep(depth: int, rule: str | None) -> None:
    branches = helper.make_node("If", ["input_ids"], ["made"])
    branches.attribute.append(graph_attribute(depth))
    allowing = policy_from({"also_operators": ["If"]})
    if rule is None:
        check(with_node(branches), allowing)
    else:
        assert refusal(with_node(branches), allowing)[0] == rule


def test_a_model_of_more_fields_than_are_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MOST_FIELDS", 1_000)
    check(sound.good())
    rule, _, said = refusal(model(graph=lump(14, b"") * 1_001))
    assert rule == "onnx-form"
    assert "has more than 1000 fields" in said


def test_a_model_with_more_beside_its_weights_than_the_policy_allows_is_refused() -> None:
    rule, path, said = refusal(sound.good(), policy_from({"max_graph_bytes": 100}))
    assert (rule, path) == ("onnx-size", "model.onnx")
    assert "has more than 100 bytes beside its weights" in said
