"""The tensors of an ONNX model: shape, type and where the content lies, without reading it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NoReturn

from gnomon.bundle_checks.refusing import quoted
from gnomon.bundle_checks.wire import BYTES, FIXED32, FIXED64, VARINT, Field, MalformedError, Source, message

INT32, INT64 = 6, 7
# TensorProto.DataType: bits of an element. Text, complex numbers and what is not listed have no place here.
_BITS = {
    **dict.fromkeys((7, 11, 13), 64),
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20), 8),
    **dict.fromkeys((21, 22, 23), 4),
}
_IN_INT32 = {2, 3, 4, 5, 6, 9, 10, 16, 17, 18, 19, 20, 21, 22, 23}
_MOST_DIMS = 8
_MOST_VALUES = 64  # integers of a small tensor, read because they may say how large another gets
_LOCATION_KEYS = {"location", "offset", "length", "checksum"}
_EXTERNAL, _SIZE = "onnx-external-data", "onnx-tensor-size"

Refuse = Callable[[str, str], NoReturn]


@dataclass(frozen=True, slots=True)
class Tensor:
    """`values`: the integers of a small tensor; None where it is another or a large one."""

    name: str
    size_bytes: int
    beside: str | None  # the file that its content is in, if not the model's
    values: tuple[int, ...] | None


@dataclass(slots=True)
class _Read:
    """The fields of a TensorProto."""

    name: str = ""
    dims: list[int] = field(default_factory=list)
    type: int = 0
    location: int = 0
    contents: list[Field] = field(default_factory=list)
    where: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TensorReader:
    """Reads the tensors of one model.

    `files`: the sizes of the bundle's files; `folder`: the model's, such as
    `onnx/`, or empty.
    """

    source: Source
    files: Mapping[str, int]
    folder: str
    most_bytes: int
    refuse: Refuse

    def read(self, start: int, end: int) -> Tensor:
        """Check the TensorProto that lies at [start, end)."""
        read = self._fields(start, end)
        count = self._count(read)
        if read.type not in _BITS:
            self.refuse("onnx-tensor", f"has a tensor of the type {read.type}, which no evaluator needs")
        size = -(-count * _BITS[read.type] // 8)
        if size > self.most_bytes:
            what = f"has a tensor of {size} bytes, shape {read.dims}; at most {self.most_bytes} are allowed"
            self.refuse(_SIZE, what)
        if read.location == 1:
            if read.contents:
                self.refuse(_EXTERNAL, "has a tensor whose content is both inside and in another file")
            return Tensor(read.name, size, self._file(read.where, size), None)
        if read.location or read.where:
            self.refuse(_EXTERNAL, "has a tensor that names a file, and does not lie there")
        self._check_content(read, count, size)
        return Tensor(read.name, size, None, self._values(read, count))

    def _fields(self, start: int, end: int) -> _Read:
        read = _Read()
        for one in self.source.fields(start, end):
            match one.number:
                case 1:
                    read.dims += self.source.integers(one, _MOST_DIMS)
                case 2:
                    read.type = _once(read.type, one)
                case 4 | 5 | 7 | 9 | 10 | 11:
                    read.contents.append(one)
                case 8:
                    read.name = self.source.text(one)
                case 13:
                    key, value = self._entry(one)
                    if key in read.where:
                        self.refuse(_EXTERNAL, f"names {quoted(key)} of a tensor's file twice")
                    read.where[key] = value
                case 14:
                    read.location = _once(read.location, one)
                case 12 | 16:
                    pass  # notes
                case 6:
                    self.refuse("onnx-tensor", "has a tensor of text")
                case _:
                    self.refuse("onnx-form", f"has a tensor with the field {one.number}, which is not known")
        return read

    def _count(self, read: _Read) -> int:
        dims = read.dims
        if len(dims) > _MOST_DIMS:
            self.refuse(_SIZE, f"has a tensor of {len(dims)} dimensions; at most {_MOST_DIMS} are allowed")
        if any(dim < 0 for dim in dims):
            self.refuse(_SIZE, f"has the tensor {quoted(read.name)} with a negative dimension, shape {dims}")
        return math.prod(dims)

    def _entry(self, one: Field) -> tuple[str, str]:
        found = {1: "", 2: ""}
        for part in self.source.fields(one.start, message(one).end):
            if part.number not in found or part.wire_type != BYTES:
                raise MalformedError("the place of a tensor cannot be read")
            found[part.number] = self.source.text(part)
        return found[1], found[2]

    def _file(self, where: Mapping[str, str], size: int) -> str:
        """Return the file that a tensor's content is in: one of the bundle, and the content within it."""
        if unknown := where.keys() - _LOCATION_KEYS:
            self.refuse(_EXTERNAL, f"has a tensor whose place says {quoted(sorted(unknown)[0])}")
        location = where.get("location", "")
        path = f"{self.folder}{location}"
        if not location or PurePosixPath(location).is_absolute() or path not in self.files:
            what = f"has a tensor in the file {quoted(location)}, which is not one of the bundle beside it"
            self.refuse(_EXTERNAL, what)
        numbers = [where.get(key, "0") for key in ("offset", "length")]
        if not all(value.isascii() and value.isdigit() and len(value) <= 15 for value in numbers):
            self.refuse(_EXTERNAL, f"has a tensor at {quoted(numbers)} of {path}, which are no numbers")
        offset, length = map(int, numbers)
        if "length" in where and length != size:
            self.refuse(_EXTERNAL, f"has a tensor of {size} bytes, and names {length} bytes of {path}")
        if offset + size > self.files[path]:
            what = (
                f"has a tensor at {offset} to {offset + size} of {path}, which has {self.files[path]} bytes"
            )
            self.refuse(_EXTERNAL, what)
        return path

    def _check_content(self, read: _Read, count: int, size: int) -> None:
        """The content must be as long as the shape says: no runtime may read or make up what is not there."""
        kinds = {one.number for one in read.contents}
        if len(kinds) > 1 or (9 in kinds and len(read.contents) > 1):
            self.refuse("onnx-tensor", "has a tensor whose content is given twice")
        number = kinds.pop() if kinds else 9
        fits = {4: read.type == 1, 5: read.type in _IN_INT32, 7: read.type == 7, 9: True, 10: read.type == 11}
        if not fits.get(number, read.type in (12, 13)):
            self.refuse(
                "onnx-tensor", f"has a tensor of the type {read.type} whose content is of another one"
            )
        held = sum(self._elements(one) for one in read.contents)
        packed = size if _BITS[read.type] == 4 else count
        wanted = size if number == 9 else packed
        if held != wanted:
            unit = "bytes" if number == 9 else "numbers"
            self.refuse(_SIZE, f"has a tensor of {held} {unit}, whose shape wants {wanted}")

    def _elements(self, one: Field) -> int:
        length = one.end - one.start
        match one.number:
            case 9:
                if one.wire_type != BYTES:
                    raise MalformedError("a tensor's content is of another type")
                return length
            case 4 | 10:
                width, single = (4, FIXED32) if one.number == 4 else (8, FIXED64)
                if one.wire_type not in (single, BYTES) or length % width:
                    raise MalformedError("a tensor's content is cut off")
                return length // width
        if one.wire_type not in (VARINT, BYTES):
            raise MalformedError("a tensor's content is of another type")
        return self.source.varints(one)

    def _values(self, read: _Read, count: int) -> tuple[int, ...] | None:
        if read.type not in (INT32, INT64) or count > _MOST_VALUES:
            return None
        found: list[int] = []
        for one in read.contents:
            if one.number == 9:
                raw, width = self.source.read(one.start, one.end - one.start), _BITS[read.type] // 8
                places = range(0, len(raw), width)
                found += [int.from_bytes(raw[i : i + width], "little", signed=True) for i in places]
            else:
                found += self.source.integers(one, _MOST_VALUES)
        return tuple(found)


def _once(before: int, one: Field) -> int:
    if before or one.wire_type != VARINT:
        raise MalformedError("a field that is there once occurs twice, or is of another type")
    return one.value
