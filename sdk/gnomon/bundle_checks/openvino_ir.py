"""An OpenVINO model: an XML file of layers and edges, and a file of weights beside it."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import IO, NoReturn
from xml.parsers import expat

from gnomon.bundle_checks import refusing
from gnomon.bundle_checks.onnx_model import INPUTS
from gnomon.bundle_checks.policy import Policy
from gnomon.bundle_checks.refusing import quoted

_MOST_DEPTH = 12
_MOST_ELEMENTS = 1_000_000
_LONGEST_ATTRIBUTE = 4_096
_MOST_DIMS = 8
_BITS = {
    **dict.fromkeys(("i64", "u64", "f64"), 64),
    **dict.fromkeys(("i32", "u32", "f32"), 32),
    **dict.fromkeys(("i16", "u16", "f16", "bf16"), 16),
    **dict.fromkeys(("i8", "u8", "boolean", "f8e4m3", "f8e5m2"), 8),
    **dict.fromkeys(("i4", "u4", "nf4"), 4),
    "u2": 2,
    "u1": 1,
}
_PART = 64 * 1024


def is_xml(start: bytes) -> bool:
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def check_openvino(
    path: str, file: IO[bytes], files: Mapping[str, int], classes: int, policy: Policy
) -> frozenset[str]:
    """Check a model; return the file of its weights.

    Raises:
        BundleInvalidError: it breaks a rule, which the error names.
    """
    weights = f"{path.rpartition('.')[0]}.bin"
    if weights not in files:
        refusing.refuse(path, "openvino-weights", f"has no weights beside it: {weights} is not in the bundle")
    if files[path] > policy.max_graph_bytes:
        refusing.refuse(path, "openvino-size", f"has more than {policy.max_graph_bytes} bytes")
    if not is_xml(file.read(64)):
        refusing.refuse(path, "openvino-xml", "does not begin as XML in UTF-8 does")
    file.seek(0)
    reader = _Reader(path, files[weights], classes, policy)
    reader.read(file)
    return frozenset({weights})


class _Reader:
    def __init__(self, path: str, weight_bytes: int, classes: int, policy: Policy) -> None:
        self._path = path
        self._weight_bytes = weight_bytes
        self._classes = classes
        self._policy = policy
        self._stack: list[str] = []
        self._elements = 0
        self._layer: dict[str, str] = {}
        self._layers: dict[str, str] = {}  # ID to type
        self._names: list[str] = []
        self._dims: list[str] = []
        self._followers: dict[str, list[str]] = defaultdict(list)
        self._results: list[list[str]] = []

    def _refuse(self, rule: str, what: str) -> NoReturn:
        refusing.refuse(self._path, rule, what)

    def read(self, file: IO[bytes]) -> None:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = lambda *_: self._refuse("openvino-xml", "declares a document type")
        parser.ProcessingInstructionHandler = lambda *_: self._refuse("openvino-xml", "has instructions")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            while part := file.read(_PART):
                parser.Parse(part, False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            self._refuse("openvino-xml", f"is not XML: {error}")
        self._check_whole()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._stack.append(name)
        if self._elements > _MOST_ELEMENTS or len(self._stack) > _MOST_DEPTH:
            self._refuse(
                "openvino-xml", f"has more than {_MOST_ELEMENTS} elements, or more than {_MOST_DEPTH} deep"
            )
        if len(self._stack) == 1 and name != "net":
            self._refuse("openvino-form", f"is no model of OpenVINO: it begins with {quoted(name)}")
        if any(len(value) > _LONGEST_ATTRIBUTE for value in attributes.values()):
            self._refuse("openvino-xml", f"has an attribute of more than {_LONGEST_ATTRIBUTE} characters")
        if self._stack[-2:-1] == ["dim"]:
            self._refuse("openvino-form", "has an element inside of a dimension")
        place = "/".join(self._stack)
        if place == "net/layers/layer":
            self._begin_layer(attributes)
        elif place == "net/layers/layer/data":
            self._data(attributes)
        elif place == "net/edges/edge":
            self._followers[attributes.get("from-layer", "")].append(attributes.get("to-layer", ""))
        elif name in ("layer", "layers", "edges", "body", "then_body", "else_body", "port_map"):
            if place not in ("net/layers", "net/edges"):
                self._refuse("openvino-depth", "has a model inside of a layer")
        elif name == "dim":
            self._dims.append("")
        elif name == "port":
            self._dims.clear()

    def _text(self, text: str) -> None:
        if self._stack and self._stack[-1] == "dim":
            self._dims[-1] = (self._dims[-1] + text.strip())[:32]

    def _end(self, name: str) -> None:
        self._stack.pop()
        if name == "port":
            for dim in self._dims:
                digits = dim.removeprefix("-")
                if not (digits.isascii() and digits.isdigit()) or not -1 <= int(dim) < 1 << 31:
                    self._refuse("openvino-size", f"has a dimension of {quoted(dim)}")
            if self._layer.get("type") == "Result":
                self._results.append(list(self._dims))

    def _begin_layer(self, attributes: dict[str, str]) -> None:
        self._layer = attributes
        kind, version, number = (attributes.get(key, "") for key in ("type", "version", "id"))
        if kind not in self._policy.layers:
            self._refuse("openvino-layer", f"has a layer of the type {quoted(kind)}, which is not allowed")
        if not version.startswith("opset") and f"{version}:{kind}" not in self._policy.layers:
            self._refuse(
                "openvino-layer", f"has {kind} of {quoted(version)}, not of an operator set of OpenVINO"
            )
        if number in self._layers:
            self._refuse("openvino-form", f"has the layer {quoted(number)} twice")
        self._layers[number] = kind
        if len(self._layers) > self._policy.max_nodes:
            self._refuse("openvino-size", f"has more than {self._policy.max_nodes} layers")
        if kind == "Parameter":
            self._names.append(attributes.get("name", ""))

    def _data(self, data: dict[str, str]) -> None:
        """A constant must lie within the weights, and be as long as its shape says."""
        if self._layer.get("type") != "Const":
            return
        numbers = [data.get("offset", ""), data.get("size", "")]
        dims = [dim.strip() for dim in data.get("shape", "").split(",") if dim.strip()]
        if not all(one.isascii() and one.isdigit() and len(one) <= 15 for one in (*numbers, *dims)):
            self._refuse("openvino-weights", f"has a constant at {quoted(numbers)} of shape {quoted(dims)}")
        offset, size = map(int, numbers)
        bits = _BITS.get(data.get("element_type", ""))
        if bits is None or len(dims) > _MOST_DIMS:
            self._refuse("openvino-weights", f"has a constant of type {quoted(data.get('element_type'))}")
        wanted = -(-math.prod(map(int, dims)) * bits // 8)
        if size != wanted or offset + size > self._weight_bytes:
            self._refuse(
                "openvino-weights",
                f"has a constant of {wanted} bytes at {offset} to {offset + size} of {self._weight_bytes}",
            )

    def _check_whole(self) -> None:
        names = set(self._names)
        if "input_ids" not in names or names - set(INPUTS) or len(names) < len(self._names):
            self._refuse(
                "openvino-inputs", f"reads {quoted(self._names)}; an evaluator reads {', '.join(INPUTS)} only"
            )
        last = self._results[0][-1] if self._results and self._results[0] else ""
        if last not in ("-1", str(self._classes)):
            self._refuse(
                "openvino-classes", f"gives {quoted(last)} logits; evaluator.json has {self._classes} classes"
            )
        self._check_order()

    def _check_order(self) -> None:
        """Refuse layers that wait for each other."""
        waits: dict[str, int] = defaultdict(int)
        for before, followers in self._followers.items():
            for after in followers:
                if before not in self._layers or after not in self._layers:
                    self._refuse("openvino-form", "has an edge to a layer that is not there")
                waits[after] += 1
        free = [number for number in self._layers if not waits[number]]
        done = 0
        while free:
            done += 1
            for after in self._followers.get(free.pop(), ()):
                waits[after] -= 1
                if not waits[after]:
                    free.append(after)
        if done < len(self._layers):
            self._refuse("openvino-order", "has layers that wait for each other in a circle")
