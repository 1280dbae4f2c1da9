"""An ONNX model, from the outside in: only what an evaluator needs, all of it within bounds.

Read as protobuf by `wire`, never opened by a runtime; the numbers of the
fields are those of onnx.proto. What is refused here never reaches a library
that would run it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, NoReturn

from gnomon.bundle_checks import refusing, sizing
from gnomon.bundle_checks.policy import Policy
from gnomon.bundle_checks.refusing import quoted
from gnomon.bundle_checks.tensors import INT32, INT64, Tensor, TensorReader
from gnomon.bundle_checks.wire import BYTES, VARINT, Field, MalformedError, Source, message

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_STANDARD = ("", "ai.onnx")
_MOST_DEPTH = 4  # of graphs in graphs; only operators that a policy adds have any
_MOST_OPSET = 30
_NUMBERS = (1, 5)  # fields of a model that are no bytes: versions
_MOST_FIRST = 3
_LONGEST_NUMBER = 5  # bytes of a number of 32 bits
_BEGINNING = 4_096
_HOLD_GRAPHS = ("If", "Loop", "Scan", "SequenceMap")


def check_onnx(
    path: str, file: IO[bytes], files: Mapping[str, int], classes: int, policy: Policy
) -> frozenset[str]:
    """Check a model; return the files that hold its large tensors.

    `files`: the sizes of the bundle's files. `classes`: how many logits it must give.

    Raises:
        BundleInvalidError: it breaks a rule, which the error names.
    """
    reader = _Reader(path, Source(file, files[path]), files, classes, policy)
    try:
        reader.model()
    except MalformedError as error:
        refusing.refuse(path, "onnx-form", f"is not a sound ONNX model: {error}")
    return frozenset(reader.beside)


@dataclass(frozen=True, slots=True)
class _Value:
    """A declared input or output. A dimension of None is free; `dims` of None: nothing is said."""

    name: str
    element: int
    dims: tuple[int | None, ...] | None


@dataclass(slots=True)
class _Graph:
    inputs: list[_Value] = field(default_factory=list)
    outputs: list[_Value] = field(default_factory=list)
    nodes: list[Field] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # of all values there are so far
    constants: dict[str, tuple[int, ...]] = field(default_factory=dict)
    makers: dict[str, sizing.Node] = field(default_factory=dict)


class _Reader:
    def __init__(
        self, path: str, source: Source, files: Mapping[str, int], classes: int, policy: Policy
    ) -> None:
        self.beside: set[str] = set()
        self._path = path
        self._folder = path[: path.rfind("/") + 1]
        self._source = source
        self._files = files
        self._classes = classes
        self._policy = policy
        self._nodes = 0
        self._tensor_bytes = 0
        limit = policy.max_tensor_bytes
        self._tensors = TensorReader(source, files, self._folder, limit, self._refuse)

    def _refuse(self, rule: str, what: str) -> NoReturn:
        refusing.refuse(self._path, rule, what)

    def model(self) -> None:
        first: list[Field] = []
        graphs: list[Field] = []
        domains: dict[str, int] = {}
        for part in self._fields(0, self._source.size, 8, 14):  # operator sets and metadata
            if len(first) < _MOST_FIRST:
                first.append(part)
            match part.number:
                case 1 | 2 | 3 | 4 | 5 | 6 | 14:
                    pass  # notes
                case 7:
                    graphs.append(message(part))
                case 8:
                    self._opset(message(part), domains)
                case 25:
                    self._refuse("onnx-functions", "has functions of its own; inline them before exporting")
                case _:
                    self._refuse("onnx-form", f"has the field {part.number}, which no evaluator needs")
        if not graphs or not domains:
            self._refuse("onnx-form", "is not an ONNX model: it has no graph or names no operators' version")
        graph = self._graph(graphs[0], 0, frozenset())
        self._check_inputs(graph)
        self._check_outputs(graph)
        self._check_beginning(first)
        if self._source.size - self._tensor_bytes > self._policy.max_graph_bytes:
            self._refuse(
                "onnx-size", f"has more than {self._policy.max_graph_bytes} bytes beside its weights"
            )

    def _fields(self, start: int, end: int, *repeated: int) -> Iterator[Field]:
        """Yield a message's fields; but for those that may be repeated, each is there once.

        Of a field that is there twice, protobuf takes the last, and of a message both, put together.
        """
        seen: set[int] = set()
        for part in self._source.fields(start, end):
            if part.number in seen and part.number not in repeated:
                self._refuse("onnx-form", "has a field twice that is there once")
            seen.add(part.number)
            yield part

    def _check_beginning(self, first: list[Field]) -> None:
        """Refuse what OpenVINO does not take for ONNX at first sight: it then asks its other readers.

        It looks at three fields, which must be different ones of the right
        types, with tags of one byte and lengths of 32 bits; its reader of its
        own XML skips what comes before the first element.
        """
        known = len({part.number for part in first}) == _MOST_FIRST
        begins = 0
        for part in first:
            tag, length = self._source.read(begins, 1)[0], part.end - part.start
            known &= tag == part.number << 3 | (VARINT if part.number in _NUMBERS else BYTES)
            if tag & 7 == VARINT:
                known &= length <= _LONGEST_NUMBER
            else:
                known &= part.start - begins <= 1 + _LONGEST_NUMBER and length < 1 << 32
            begins = part.end
        start = self._source.read(0, min(_BEGINNING, self._source.size))
        if not known or b"<net" in start.lower():
            self._refuse(
                "onnx-form", "begins as no exporter's model does, so that a runtime may read it otherwise"
            )

    def _opset(self, part: Field, domains: dict[str, int]) -> None:
        domain, version = "", 0
        for inner in self._source.fields(part.start, part.end):
            if inner.number == 1:
                domain = self._source.text(inner)
            elif inner.number == 2 and inner.wire_type == VARINT:
                version = inner.value
        allowed = {name.partition(":")[0] for name in self._policy.operators if ":" in name}
        if domain in _STANDARD:
            if not 7 <= version <= _MOST_OPSET:
                self._refuse("onnx-opset", f"is of the operator set {version}; known are 7 to {_MOST_OPSET}")
        elif domain not in allowed:
            self._refuse("onnx-domain", f"uses operators of {quoted(domain)}; allowed are {sorted(allowed)}")
        domains[domain] = version

    def _graph(self, part: Field, depth: int, outer: frozenset[str]) -> _Graph:  # noqa: PLR0912  a branch a field
        if depth > _MOST_DEPTH:
            self._refuse("onnx-depth", f"has graphs in graphs, more than {_MOST_DEPTH} deep")
        graph = _Graph(names=set(outer))
        for one in self._source.fields(part.start, part.end):
            match one.number:
                case 1:
                    graph.nodes.append(message(one))
                    self._nodes += 1
                case 5:
                    self._initializer(message(one), graph)
                case 11:
                    graph.inputs.append(self._value(message(one)))
                case 12:
                    graph.outputs.append(self._value(message(one)))
                case 13:
                    self._value(message(one))
                case 15:
                    self._refuse("onnx-sparse", "has a sparse tensor, whose size its shape alone says")
                case 2 | 10 | 14 | 16:
                    pass  # notes
                case _:
                    self._refuse("onnx-form", f"has a graph with the field {one.number}, which is not known")
            if self._nodes > self._policy.max_nodes:
                self._refuse("onnx-nodes", f"has more than {self._policy.max_nodes} nodes")
        graph.names |= {value.name for value in graph.inputs}
        for node in graph.nodes:
            self._node(node, graph, depth)
        if missing := [value.name for value in graph.outputs if value.name not in graph.names]:
            self._refuse("onnx-order", f"has the output {quoted(missing[0])}, which no node makes")
        return graph

    def _initializer(self, part: Field, graph: _Graph) -> None:
        tensor = self._tensor(part)
        if not tensor.name or tensor.name in graph.names:
            self._refuse("onnx-order", f"has the tensor {quoted(tensor.name)} twice, or without a name")
        graph.names.add(tensor.name)
        if tensor.values is not None:
            graph.constants[tensor.name] = tensor.values

    def _tensor(self, part: Field) -> Tensor:
        tensor = self._tensors.read(part.start, part.end)
        self._tensor_bytes += tensor.size_bytes
        if self._tensor_bytes > self._policy.max_total_bytes:
            self._refuse("onnx-size", f"has tensors of more than {self._policy.max_total_bytes} bytes")
        if tensor.beside is not None:
            self.beside.add(tensor.beside)
        return tensor

    def _value(self, part: Field) -> _Value:
        name, element, dims = "", 0, None
        for one in self._fields(part.start, part.end, 4):  # metadata
            if one.number == 1:
                name = self._source.text(one)
            elif one.number == 2:
                element, dims = self._type(message(one))
        return _Value(name, element, dims)

    def _type(self, part: Field) -> tuple[int, tuple[int | None, ...] | None]:
        """Return element type and shape of a tensor's type; others have no place in an evaluator."""
        element, dims = 0, None
        for kind in self._fields(part.start, part.end):
            if kind.number == 6:
                continue  # a note
            if kind.number != 1:
                self._refuse("onnx-type", "has a value that is not a tensor")
            for one in self._fields(kind.start, message(kind).end):
                if one.number == 1:
                    element = one.value
                elif one.number == 2:
                    shape = self._source.fields(one.start, message(one).end)
                    dims = tuple(self._dim(message(dim)) for dim in shape)
        return element, dims

    def _dim(self, part: Field) -> int | None:
        value = None
        for one in self._fields(part.start, part.end):
            if one.number == 1 and one.wire_type == VARINT:
                if one.value >= 1 << 31:
                    self._refuse("onnx-tensor-size", "declares a dimension that is negative or beyond 2^31")
                value = one.value
        return value

    def _node(self, part: Field, graph: _Graph, depth: int) -> None:  # noqa: PLR0912  a branch a field
        node = sizing.Node()
        attributes: list[Field] = []
        for one in self._source.fields(part.start, part.end):
            match one.number:
                case 1:
                    node.inputs.append(self._source.text(one))
                case 2:
                    node.outputs.append(self._source.text(one))
                case 4 | 7:
                    self._name_operator(node, one)
                case 5:
                    attributes.append(message(one))
                case 3 | 6 | 9:
                    pass  # notes
                case _:
                    self._refuse(
                        "onnx-form", f"has a node with the field {one.number}, which no evaluator needs"
                    )
        if node.operator not in self._policy.operators:
            self._refuse("onnx-operator", f"uses the operator {quoted(node.operator)}, which is not allowed")
        for name in node.inputs:
            if name and name not in graph.names:
                self._refuse("onnx-order", f"reads {quoted(name)} before anything makes it, or in a circle")
        for attribute in attributes:
            self._attribute(attribute, node, graph, depth)
        for name in node.outputs:
            if name and name in graph.names:
                self._refuse("onnx-order", f"makes {quoted(name)} twice")
            graph.names.add(name)
            graph.makers[name] = node
        if problem := sizing.problem(node, graph.constants, graph.makers):
            self._refuse("onnx-memory", problem)

    def _name_operator(self, node: sizing.Node, one: Field) -> None:
        text = self._source.text(one)
        if one.number == 4 and not node.type:
            node.type = text
        elif one.number == 7 and not node.domain:
            node.domain = "" if text in _STANDARD else text
        else:
            self._refuse("onnx-form", "has a node with two operators")

    def _attribute(self, part: Field, node: sizing.Node, graph: _Graph, depth: int) -> None:
        tensor, integers = None, list[int]()
        for one in self._fields(part.start, part.end, 7, 8, 9, 10, 11, 15, 23):  # the lists
            match one.number:
                case 5:
                    tensor = self._tensor(message(one))
                case 10:
                    self._tensor(message(one))
                case 6 | 11:
                    if node.type not in _HOLD_GRAPHS:
                        self._refuse("onnx-form", f"has a graph inside of {quoted(node.type)}")
                    self._graph(message(one), depth + 1, frozenset(graph.names))
                case 22 | 23:
                    self._refuse("onnx-sparse", "has a sparse tensor, whose size its shape alone says")
                case 3 | 8:
                    integers += self._source.integers(one)
                case 21:
                    self._refuse("onnx-functions", "refers to an attribute of a function")
                case 1 | 2 | 4 | 7 | 9 | 13 | 20:
                    pass  # its name, numbers, texts and notes
                case _:
                    self._refuse("onnx-form", f"has an attribute with the field {one.number}")
        if node.type == "Constant" and node.outputs:
            values = tuple(integers) if tensor is None else tensor.values
            if values:
                graph.constants[node.outputs[0]] = values

    def _check_inputs(self, graph: _Graph) -> None:
        given = [value for value in graph.inputs if value.name not in graph.constants]
        names = [value.name for value in given]
        if "input_ids" not in names or set(names) - set(INPUTS) or len(set(names)) < len(names):
            self._refuse("onnx-inputs", f"reads {quoted(names)}; an evaluator reads {', '.join(INPUTS)} only")
        for value in given:
            if value.element not in (INT32, INT64) or (value.dims is not None and len(value.dims) != 2):
                self._refuse("onnx-inputs", f"reads {value.name}, which is not of integers (batch, length)")

    def _check_outputs(self, graph: _Graph) -> None:
        if not graph.outputs:
            self._refuse("onnx-classes", "has no output")
        output = next((value for value in graph.outputs if value.name == "logits"), graph.outputs[0])
        if output.dims is None:
            return  # its first run tells
        last = output.dims[-1] if output.dims else 0
        if len(output.dims) != 2 or last not in (None, self._classes):
            shown = ["any" if dim is None else dim for dim in output.dims]
            self._refuse("onnx-classes", f"gives {shown} logits; evaluator.json has {self._classes} classes")
