"""Messages of protobuf, put together byte by byte: also such as no library writes."""

import struct

import onnx

from tests.imports.good import Contents, good
from tests.imports.polyglots import varint
from tests.scorer.evaluators import onnx_model


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value % (1 << 64))


def lump(field: int, content: bytes) -> bytes:
    """Return a field of bytes: a text, a message or packed numbers."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def four(field: int, content: bytes) -> bytes:
    """Return a field of 32 bits."""
    return varint(field << 3 | 5) + content


def eight(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 1) + content


def model(*, graph: bytes = b"", last: bytes = b"", behind: bytes = b"") -> Contents:
    """Return a sound bundle with more in its model: first and last in the graph, and behind the graph."""
    proto = onnx.load_from_string(onnx_model())
    inside = proto.graph.SerializeToString()
    proto.ClearField("graph")
    return good() | {"model.onnx": proto.SerializeToString() + lump(7, graph + inside + last) + behind}


def node(operator: str, *inputs: str, output: str = "made", more: bytes = b"") -> bytes:
    """Return a node, as a graph's field."""
    names = b"".join(lump(1, name.encode()) for name in inputs)
    return lump(1, names + lump(2, output.encode()) + lump(4, operator.encode()) + more)


def attribute(name: str, content: bytes) -> bytes:
    """Return a node's attribute, as its field."""
    return lump(5, lump(1, name.encode()) + content)


def tensor(*fields: bytes, dims: tuple[int, ...] = (2,), type_: int = 1, name: str = "t") -> bytes:
    sizes = b"".join(number(1, dim) for dim in dims)
    return sizes + number(2, type_) + lump(8, name.encode()) + b"".join(fields)


def place(**entries: str) -> bytes:
    """Return the fields that put a tensor's content into another file."""
    pairs = (lump(13, lump(1, key.encode()) + lump(2, value.encode())) for key, value in entries.items())
    return b"".join(pairs) + number(14, 1)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)
