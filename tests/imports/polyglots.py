"""Files that are sound in two ways at once: ONNX with something else in its notes."""

from collections.abc import Sequence

from tests.imports import good as sound
from tests.imports.good import Contents
from tests.scorer.evaluators import onnx_model

# What OpenVINO reads as a model that gives its inputs back and holds a layer that is not allowed.
RANDOM = (
    b'<net name="n" version="11"><layers>'
    b'<layer id="0" name="input_ids" type="Parameter" version="opset1">'
    b'<data shape="2" element_type="i64"/>'
    b'<output><port id="0" precision="I64" names="input_ids"><dim>2</dim></port></output></layer>'
    b'<layer id="1" name="r" type="RandomUniform" version="opset8">'
    b'<data output_type="i64" global_seed="0" op_seed="0"/>'
    b'<input><port id="0"><dim>2</dim></port><port id="1"/><port id="2"/></input>'
    b'<output><port id="3" precision="I64"><dim>-1</dim><dim>-1</dim></port></output></layer>'
    b'<layer id="2" name="a" type="Const" version="opset1">'
    b'<data element_type="i64" shape="" offset="0" size="8"/>'
    b'<output><port id="0" precision="I64"/></output></layer>'
    b'<layer id="3" name="b" type="Const" version="opset1">'
    b'<data element_type="i64" shape="" offset="8" size="8"/>'
    b'<output><port id="0" precision="I64"/></output></layer>'
    b'<layer id="4" name="logits" type="Result" version="opset1">'
    b'<input><port id="0"><dim>-1</dim><dim>-1</dim></port></input></layer></layers>'
    b'<edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0"/>'
    b'<edge from-layer="2" from-port="0" to-layer="1" to-port="1"/>'
    b'<edge from-layer="3" from-port="0" to-layer="1" to-port="2"/>'
    b'<edge from-layer="1" from-port="3" to-layer="4" to-port="0"/></edges></net>'
)
WEIGHTS = bytes(8) + b"\x09" + bytes(7)  # numbers from 0 to 9
PRODUCER = b"\x12"  # the tag of a model's field `producer_name`


def begun(*producers: bytes, tag: bytes = PRODUCER, model: bytes = b"") -> bytes:
    """Return a sound model that begins with its producers' names, and may have one twice."""
    version, rest = (model or onnx_model())[:2], (model or onnx_model())[2:]
    return version + b"".join(tag + varint(len(one)) + one for one in producers) + rest


def bundle(path: str, model: bytes | None = None, formats: Sequence[str] = ("openvino-fp32",)) -> Contents:
    """Return a bundle that has a model, a sound one unless told otherwise, under a path for some formats."""
    listed = [{"format": one, "path": path} for one in formats]
    if "onnx-fp32" not in formats:
        listed.append({"format": "onnx-fp32", "path": "model.onnx"})
    beside = {f"{path.rpartition('.')[0]}.bin": WEIGHTS} if path.endswith(".xml") else {}
    return sound.with_evaluator(formats=listed) | {path: model or onnx_model()} | beside


def varint(value: int, length: int = 1) -> bytes:
    """Return a number as protobuf writes it, in at least so many bytes."""
    out = b""
    while value > 0x7F or len(out) + 1 < length:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])
