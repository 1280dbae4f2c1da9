"""Malicious bundles, made by code: each is a good one with one thing wrong."""

import collections
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.imports import good as sound
from tests.imports import polyglots
from tests.imports.cases import Case, file_case, tokenizer_case
from tests.imports.good import Contents, good
from tests.imports.malicious_tokenizers import TOKENIZERS


class _Runs:
    def __reduce__(self) -> Any:
        return print, ("this code must not run",)


def _zip(content: bytes = b"x", name: str = "data.pkl") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("evaluator.json"), io.BytesIO())
    return file.getvalue()


def _node(operator: str, inputs: list[str] | None = None, domain: str = "", **attributes: Any) -> Any:
    return helper.make_node(operator, inputs or ["input_ids"], ["made"], domain=domain, **attributes)


def _model(change: Callable[[onnx.ModelProto], Any]) -> Callable[[], Contents]:
    return lambda: sound.with_model(lambda model: change(model) and None)


def _node_case(rule: str, *arguments: Any, **attributes: Any) -> Case:
    return Case(rule, "model.onnx", lambda: sound.with_node(_node(*arguments, **attributes)))


def _sized(operator: str, inputs: list[str], **values: Any) -> Case:
    return Case("onnx-memory", "model.onnx", lambda: sound.with_constants(_node(operator, inputs), **values))


def _placed(*arguments: Any, **named: Any) -> Case:
    return Case("onnx-external-data", "model.onnx", lambda: sound.placed(*arguments, **named))


def _tensor(rule: str, change: Callable[[TensorProto], Any]) -> Case:
    return Case(rule, "model.onnx", lambda: sound.with_tensor(change))


def _json(rule: str, content: bytes) -> Case:
    return file_case(rule, "config.json", lambda: content)


def _recursive_function(model: onnx.ModelProto) -> None:
    """Functions that call each other ten times each, nine deep: a billion nodes once they are put in."""
    for depth in range(9):
        body = [helper.make_node(f"F{depth + 1}", ["x"], [f"y{n}"], domain="laugh") for n in range(10)]
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("laugh", 1)]
        model.functions.append(helper.make_function("laugh", f"F{depth}", ["x"], ["y0"], body, opsets))


def _custom_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("evil.example", 1))


def _set_dims(*dims: int) -> Callable[[TensorProto], None]:
    def change(tensor: TensorProto) -> None:
        del tensor.dims[:]
        tensor.dims.extend(dims)

    return change


def _no_data(tensor: TensorProto) -> None:
    _set_dims(1 << 20)(tensor)
    tensor.ClearField("raw_data")


def _text_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("t", TensorProto.STRING, [1], [b"x"]))


def _sparse(model: onnx.ModelProto) -> None:
    values = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 40]))


def _circle(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("Add", ["b", "mask"], ["a"]))
    model.graph.node.insert(1, helper.make_node("Relu", ["a"], ["b"]))


def _twice(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Identity", ["mean"], ["logits"]))


def _input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("secrets", TensorProto.FLOAT, [1]))


def _sequence(model: onnx.ModelProto) -> None:
    model.graph.input[0].CopyFrom(
        helper.make_tensor_sequence_value_info("input_ids", TensorProto.FLOAT, None)
    )


def _many_nodes(model: onnx.ModelProto) -> None:
    before = "input_ids"
    for number in range(30_000):
        node = model.graph.node.add()
        node.op_type, name = "Identity", f"n{number}"
        node.input.append(before)
        node.output.append(name)
        before = name


def _negative_shape(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = -5


def _training(model: onnx.ModelProto) -> None:
    model.training_info.add()


def _two_graphs() -> Contents:
    contents = good()
    other = onnx.ModelProto()
    other.graph.name = "second"
    return contents | {"model.onnx": contents["model.onnx"] + other.SerializeToString()}


def _cut() -> Contents:
    contents = good()
    return contents | {"model.onnx": contents["model.onnx"][:-7]}


def _wrong_classes() -> Contents:
    contents = good()
    three = good(classes=("a", "b", "c"), model=None)
    return contents | {"model.onnx": three["model.onnx"]}


def _endless_varint() -> Contents:
    return good() | {"model.onnx": b"\x08" + b"\xff" * 1000}


def _many_fields() -> Contents:
    """Two bytes a field: a graph of a million empty nodes."""
    graph = b"\x0a\x00" * 1_000_000
    opset = b"\x42\x02\x10\x11"
    return good() | {"model.onnx": opset + b"\x3a" + polyglots.varint(len(graph)) + graph}


def safetensors(header: dict[str, Any] | bytes, data: bytes = b"\0" * 8, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def _tensors(rule: str, header: dict[str, Any] | bytes, length: int | None = None) -> Case:
    return file_case(rule, "head.safetensors", lambda: safetensors(header, length=length))


def openvino(xml: str, weights: bytes = b"\0" * 64) -> Contents:
    """Return a bundle with an OpenVINO model beside the reference."""
    formats = [{"format": "onnx-fp32", "path": "model.onnx"}, {"format": "openvino-int8", "path": "m.xml"}]
    return sound.with_evaluator(formats=formats) | {"m.xml": xml.encode(), "m.bin": weights}


_DIMS = "<dim>-1</dim><dim>{}</dim>"


def ir(layers: str = "", edges: str = "", before: str = "", classes: int = 2) -> str:
    return (
        f'<?xml version="1.0"?>{before}<net name="n" version="11"><layers>'
        '<layer id="0" name="input_ids" type="Parameter" version="opset1">'
        '<data shape="?,?" element_type="i64"/>'
        f'<output><port id="0" precision="I64">{_DIMS.format(-1)}</port></output></layer>{layers}'
        '<layer id="9" name="logits" type="Result" version="opset1">'
        f'<input><port id="0" precision="FP32">{_DIMS.format(classes)}</port></input></layer></layers>'
        f'<edges><edge from-layer="0" from-port="0" to-layer="9" to-port="0"/>{edges}</edges></net>'
    )


def _xml(rule: str, *arguments: Any, **named: Any) -> Case:
    return Case(rule, "m.xml", lambda: openvino(ir(*arguments, **named)))


def _layer(kind: str, inner: str = "", version: str = "opset1", number: int = 1) -> str:
    return f'<layer id="{number}" name="l" type="{kind}" version="{version}">{inner}</layer>'


_LAUGHS = '<!DOCTYPE n [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
_BIG = np.array([1 << 20, 1 << 20], np.int64)

PICKLES = {
    "a pickle in a .bin": file_case("file-kind", "weights.bin", lambda: pickle.dumps({"w": [1.0] * 50})),
    "a pickle that runs code": file_case("file-kind", "notes.txt", lambda: pickle.dumps(_Runs(), protocol=0)),
    "a pickle named model.onnx": file_case("file-kind", "model.onnx", lambda: pickle.dumps(_Runs())),
    "a pickle named tokenizer.json": file_case("json-form", "tokenizer.json", lambda: pickle.dumps(_Runs())),
    "a torch checkpoint": file_case(
        "file-kind", "pytorch_model.bin", lambda: _zip(pickle.dumps(_Runs()), "a/data.pkl")
    ),
    "an old torch checkpoint": file_case(
        "file-kind", "old.bin", lambda: pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    ),
    "a pickle as weights beside the model": Case(
        "file-kind", "data.bin", lambda: sound.placed() | {"data.bin": pickle.dumps([_Runs()] * 20)}
    ),
    "a zip in the bundle": file_case("file-kind", "more.zip", _zip),
    "a tar in the bundle": file_case("file-kind", "more.txt", _tar),
    "a gzip named as text": file_case("file-kind", "more.md", lambda: b"\x1f\x8b\x08" + b"\0" * 40),
    "a program": file_case("file-kind", "run.txt", lambda: b"\x7fELF" + b"\0" * 100),
    "a file of no kind": file_case("file-kind", "extra.bin", lambda: b"\x01\x02\x03\x00" * 100),
    "text that turns its direction": file_case("file-kind", "MODEL_CARD.md", "a \u202e b".encode),
}

GRAPHS = {
    "custom operators": _node_case("onnx-operator", "Evil", domain="evil.example"),
    "an operator that a list does not know": _node_case("onnx-operator", "ImageDecoder"),
    "a custom operator of a known domain": _node_case("onnx-operator", "Attention", domain="com.microsoft"),
    "a domain of its own": Case("onnx-domain", "model.onnx", _model(_custom_domain)),
    "functions in functions, a billion nodes": Case(
        "onnx-functions", "model.onnx", _model(_recursive_function)
    ),
    "a loop without bound": _node_case("onnx-operator", "Loop", ["", "keep"]),
    "graphs in graphs": Case(
        "onnx-form",
        "model.onnx",
        lambda: sound.with_node(_add_attribute(_node("Relu"), sound.graph_attribute(20))),
    ),
    "a graph in a circle": Case("onnx-order", "model.onnx", _model(_circle)),
    "a value made twice": Case("onnx-order", "model.onnx", _model(_twice)),
    "an unknown input": Case("onnx-inputs", "model.onnx", _model(_input)),
    "an input that is a sequence": Case("onnx-type", "model.onnx", _model(_sequence)),
    "too many nodes": Case("onnx-nodes", "model.onnx", _model(_many_nodes)),
    "too many fields": Case("onnx-nodes", "model.onnx", _many_fields),
    "a model that trains": Case("onnx-form", "model.onnx", _model(_training)),
    "two graphs in a model": Case("onnx-form", "model.onnx", _two_graphs),
    "a model that is cut off": Case("onnx-form", "model.onnx", _cut),
    "a number without end": Case("onnx-form", "model.onnx", _endless_varint),
    "an empty model": file_case("onnx-form", "model.onnx", lambda: b""),
    "the wrong number of classes": Case("onnx-classes", "model.onnx", _wrong_classes),
    "a memory bomb of ConstantOfShape": _sized("ConstantOfShape", ["big"], big=_BIG),
    "a memory bomb of Expand": _sized("Expand", ["input_ids", "big"], big=_BIG),
    "a memory bomb of Tile": _sized("Tile", ["input_ids", "big"], big=_BIG),
    "a memory bomb of Range": _sized(
        "Range", ["a", "b", "c"], a=np.array(0), b=np.array(1 << 50), c=np.array(1)
    ),
}


def _add_attribute(node: Any, attribute: Any) -> Any:
    node.attribute.append(attribute)
    return node


TENSORS = {
    "a path upwards": _placed("../../../etc/passwd"),
    "an absolute path": _placed("/etc/passwd"),
    "a file that is not of the bundle": _placed("other.bin"),
    "a place without a file": _placed(""),
    "an offset beyond the file": _placed(offset=1 << 40),
    "an offset that overflows": _placed(offset=(1 << 64) - 32),
    "a negative offset": _placed(offset=-64),
    "an offset that is no number": _placed(offset="0x10"),
    "a length that is not the shape's": _placed(length=1 << 40),
    "a shape beyond the file": _placed(dims=(200, 200), length=160_000),
    "huge dimensions": _tensor("onnx-tensor-size", _set_dims(1 << 31, 1 << 31, 1 << 31)),
    "negative dimensions": _tensor("onnx-tensor-size", _set_dims(-1, 8)),
    "too many dimensions": _tensor("onnx-tensor-size", _set_dims(*[1] * 200)),
    "a shape without content": _tensor("onnx-tensor-size", _no_data),
    "a tensor of text": Case("onnx-tensor", "model.onnx", _model(_text_tensor)),
    "a sparse tensor": Case("onnx-sparse", "model.onnx", _model(_sparse)),
    "a negative dimension of an output": Case("onnx-tensor-size", "model.onnx", _model(_negative_shape)),
    "an offset of safetensors beyond the file": _tensors(
        "safetensors-offsets", {"a": _entry(0, 4096, [1024])}
    ),
    "overlapping safetensors": _tensors(
        "safetensors-offsets", {"a": _entry(0, 8, [2]), "b": _entry(4, 8, [1])}
    ),
    "a gap in safetensors": _tensors("safetensors-offsets", {"a": _entry(4, 8, [1])}),
    "a shape of safetensors that overflows": _tensors(
        "safetensors-offsets", {"a": _entry(0, 8, [1 << 32, 1 << 32])}
    ),
    "a header of safetensors of a terabyte": _tensors("safetensors-header", {}, length=1 << 39),
    "a header of safetensors that names code": _tensors("json-code", b'{"auto_map":{}}' + b" " * 8),
}

TEXTS = {
    "code in a configuration": _json("json-code", b'{"auto_map": {"AutoModel": "evil--modeling.Evil"}}'),
    "trust in remote code": _json("json-code", b'{"a": [{"trust_remote_code": true}]}'),
    "code in the tokenizer": tokenizer_case("json-code", auto_map={}),
    "deep JSON": _json("json-depth", b"[" * 100 + b"]" * 100),
    "very deep JSON": _json("json-depth", b"[" * 300_000 + b"]" * 300_000),
    "a key twice": _json("json-duplicate", b'{"a": 1, "a": 2}'),
    "no number": _json("json-number", b'{"a": NaN}'),
    "an infinite number": _json("json-number", b'{"a": 1e999}'),
    "a huge integer": _json("json-number", b'{"a": ' + b"9" * 5_000 + b"}"),
    "JSON of a million lists": _json("json-size", b"[" + b"[]," * 1_000_000 + b"[]]"),
    "a huge configuration": _json("file-size", b'{"a": "' + b"x" * (5 << 20) + b'"}'),
    "JSON that is not UTF-8": _json("json-form", b'{"a": "\xff"}'),
    "an evaluator that lists a format twice over": Case(
        "format", "evaluator.json", lambda: sound.with_evaluator(formats=_formats("torch"))
    ),
    "a format that is not there": Case(
        "format", "evaluator.json", lambda: sound.with_evaluator(formats=_formats("openvino-fp32"))
    ),
}


def _formats(other: str) -> list[dict[str, str]]:
    return [{"format": "onnx-fp32", "path": "model.onnx"}, {"format": other, "path": "gone.onnx"}]


MODELS_OF_OPENVINO = {
    "entities that laugh": _xml("openvino-xml", before=_LAUGHS),
    "an entity of a file": _xml("openvino-xml", before='<!DOCTYPE n SYSTEM "file:///etc/passwd">'),
    "a layer of an extension": _xml("openvino-layer", _layer("Evil", version="extension")),
    "a layer of its own operator set": _xml("openvino-layer", _layer("Add", version="evil")),
    "a loop of layers": _xml("openvino-layer", _layer("TensorIterator")),
    "layers in layers": _xml("openvino-depth", _layer("Add", "<body><layers/></body>")),
    "layers in a circle": _xml(
        "openvino-order",
        _layer("Add") + _layer("Add", number=2),
        '<edge from-layer="1" to-layer="2"/><edge from-layer="2" to-layer="1"/>',
    ),
    "a constant beyond the weights": _xml(
        "openvino-weights", _layer("Const", '<data element_type="f32" shape="16" offset="32" size="64"/>')
    ),
    "a constant of another length": _xml(
        "openvino-weights",
        _layer("Const", '<data element_type="f32" shape="99999999999" offset="0" size="4"/>'),
    ),
    "a negative dimension": _xml(
        "openvino-size", _layer("Add", "<output><port><dim>-7</dim></port></output>")
    ),
    "elements very deep": _xml("openvino-xml", "<a>" * 5_000 + "</a>" * 5_000),
    "XML that is cut off": Case("openvino-xml", "m.xml", lambda: openvino(ir()[:-9])),
    "the wrong number of logits": _xml("openvino-classes", classes=7),
    "weights that are missing": Case(
        "openvino-weights", "m.xml", lambda: {p: c for p, c in openvino(ir()).items() if p != "m.bin"}
    ),
    "weights that are a pickle": Case(
        "file-kind", "m.bin", lambda: openvino(ir(), pickle.dumps(collections.Counter("abc")))
    ),
}

READ_TWICE = {
    "ONNX that ONNX Runtime would read as its own format": Case(
        "format", "evaluator.json", lambda: polyglots.bundle("model.ort", formats=("onnx-fp32",))
    ),
    "ONNX with the mark of ONNX Runtime's own format": Case(
        "file-kind", "m.onnx", lambda: polyglots.bundle("m.onnx", polyglots.begun(b"ORTM"))
    ),
    "ONNX that OpenVINO would read as XML": Case(
        "openvino-xml", "m.xml", lambda: polyglots.bundle("m.xml", polyglots.begun(polyglots.RANDOM))
    ),
    "XML in a model's notes": Case(
        "onnx-form", "m.onnx", lambda: polyglots.bundle("m.onnx", polyglots.begun(polyglots.RANDOM))
    ),
    "notes twice, and XML in them": Case(
        "onnx-form",
        "m.onnx",
        lambda: polyglots.bundle("m.onnx", polyglots.begun(polyglots.RANDOM, polyglots.RANDOM)),
    ),
    "XML under the name of ONNX": Case(
        "onnx-form", "m.onnx", lambda: polyglots.bundle("m.onnx", ir().encode())
    ),
    "a suffix in capitals": Case("format", "evaluator.json", lambda: polyglots.bundle("m.ONNX")),
    "a suffix of TensorFlow": Case("format", "evaluator.json", lambda: polyglots.bundle("m.pb")),
    "XML for ONNX Runtime": Case(
        "format", "evaluator.json", lambda: polyglots.bundle("m.xml", ir().encode(), ("onnx-fp16",))
    ),
}

CASES: dict[str, Case] = PICKLES | GRAPHS | TENSORS | TEXTS | TOKENIZERS | MODELS_OF_OPENVINO | READ_TWICE
