"""Tensors of an ONNX model: their content is as long as their shape says, wherever and however it lies."""

import io

import pytest

from gnomon.bundle_checks import check_contents, policy_from
from gnomon.errors import BundleInvalidError
from tests.imports.checking import assert_refused, check, refusal
from tests.imports.good import Contents, listed
from tests.imports.messages import eight, floats, four, lump, model, number, place, tensor
from tests.imports.polyglots import varint

_RAW = lump(9, bytes(8))  # as long as two numbers of 32 bits
_FLOAT, _INT32, _INT64, _DOUBLE, _UINT64, _COMPLEX, _INT4 = 1, 6, 7, 11, 13, 14, 22


def held(*fields: bytes, dims: tuple[int, ...] = (2,), type_: int = _FLOAT) -> Contents:
    """Return a bundle with one tensor more, and 64 bytes beside the model."""
    more = model(graph=lump(5, tensor(*fields, dims=dims, type_=type_)))
    return more | {"data.bin": bytes(64)}


@pytest.mark.parametrize(
    ("fields", "type_"),
    [
        ([lump(12, b"a note"), _RAW], _FLOAT),
        ([lump(4, floats(1, 2))], _FLOAT),
        ([four(4, floats(1)), four(4, floats(2))], _FLOAT),
        ([lump(10, bytes(16))], _DOUBLE),
        ([eight(10, bytes(8)), eight(10, bytes(8))], _DOUBLE),
        ([lump(5, b"\x01\x02")], _INT32),
        ([number(5, -1), number(5, 2)], _INT32),
        ([lump(7, varint(1 << 40) + b"\x02")], _INT64),
        ([lump(11, varint(1 << 63) + b"\x02")], _UINT64),
        ([lump(5, b"\x07")], _INT4),  # two to a byte
        ([lump(9, b"\x07")], _INT4),
    ],
)
def test_numbers_may_be_written_in_every_way_of_the_format(fields: list[bytes], type_: int) -> None:
    check(held(*fields, type_=type_) | {"data.bin": b"a text"})


def test_a_tensor_of_many_numbers_is_counted_and_not_unpacked() -> None:
    numbers = varint(1 << 20) * 300_000
    check(held(lump(7, numbers), dims=(300_000,), type_=_INT64) | {"data.bin": b"a text"})
    said = refusal(held(lump(7, numbers), dims=(299_999,), type_=_INT64))[2]
    assert "has a tensor of 300000 numbers, whose shape wants 299999" in said


REFUSED = {
    "text": (held(lump(6, b"x")), "onnx-tensor", "a tensor of text"),
    "complex numbers": (
        held(_RAW, type_=_COMPLEX),
        "onnx-tensor",
        "of the type 14, which no evaluator needs",
    ),
    "a segment": (held(_RAW, lump(3, b"")), "onnx-form", "a tensor with the field 3, which is not known"),
    "more dimensions than eight": (held(_RAW, dims=(1,) * 9), "onnx-tensor-size", "of 9 dimensions"),
    "packed dimensions, more than eight": (held(lump(1, b"\x01" * 9)), "onnx-form", "more than 8 numbers"),
    "dimensions of another type": (held(four(1, bytes(4))), "onnx-form", "of another type"),
    "a name of another type": (held(_RAW, four(8, b"name")), "onnx-form", "of another type"),
    "a name that is no text": (held(_RAW, lump(8, b"\xff")), "onnx-form", "a name is not UTF-8"),
    "a name of a page": (held(_RAW, lump(8, b"x" * 5_000)), "onnx-form", "a name has 5000 bytes"),
    "a type twice": (held(_RAW, number(2, _INT32)), "onnx-form", "there once occurs twice"),
    "floats for integers": (
        held(lump(4, floats(1, 2)), type_=_INT32),
        "onnx-tensor",
        "type 6 whose content is of another one",
    ),
    "doubles for unsigned integers": (
        held(lump(10, bytes(16)), type_=_UINT64),
        "onnx-tensor",
        "type 13 whose content is of another one",
    ),
    "unsigned integers for doubles": (
        held(lump(11, b"\x01\x02"), type_=_DOUBLE),
        "onnx-tensor",
        "type 11 whose content is of another one",
    ),
    "content twice": (held(_RAW, _RAW), "onnx-tensor", "content is given twice"),
    "content of two kinds": (held(_RAW, lump(4, floats(1, 2))), "onnx-tensor", "content is given twice"),
    "no content": (held(), "onnx-tensor-size", "a tensor of 0 bytes, whose shape wants 8"),
    "one number of two": (held(lump(4, floats(1))), "onnx-tensor-size", "of 1 numbers, whose shape wants 2"),
    "a number each, one too few": (held(number(5, 1), type_=_INT32), "onnx-tensor-size", "of 1 numbers"),
    "half a float": (held(lump(4, bytes(6))), "onnx-form", "content is cut off"),
    "half a number": (held(lump(7, b"\x01\x80"), type_=_INT64), "onnx-form", "a number is cut off"),
    "bytes that are a number": (held(number(9, 8)), "onnx-form", "content is of another type"),
    "floats that are a number": (held(number(4, 8)), "onnx-form", "content is cut off"),
    "integers that are floats": (held(four(5, bytes(4)), type_=_INT32), "onnx-form", "is of another type"),
    "content here and in a file": (
        held(_RAW, place(location="data.bin")),
        "onnx-external-data",
        "both inside and in another file",
    ),
    "a file that is named and not used": (
        held(_RAW, place(location="data.bin")[:-2]),
        "onnx-external-data",
        "names a file, and does not lie there",
    ),
    "a place that is not known": (held(_RAW, number(14, 2)), "onnx-external-data", "does not lie there"),
    "a file that is named twice": (
        held(place(location="data.bin"), place(location="../x")[:-2]),
        "onnx-external-data",
        "names 'location' of a tensor's file twice",
    ),
    "a place with a key of its own": (
        held(place(location="data.bin", basepath="/etc")),
        "onnx-external-data",
        "whose place says 'basepath'",
    ),
    "a place with more than key and value": (
        held(lump(13, lump(3, b"x")), number(14, 1)),
        "onnx-form",
        "the place of a tensor cannot be read",
    ),
    "a place that is numbers": (
        held(lump(13, number(1, 7)), number(14, 1)),
        "onnx-form",
        "the place of a tensor cannot be read",
    ),
    "a place of another type": (held(eight(13, bytes(8)), number(14, 1)), "onnx-form", "of another type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_tensor_that_a_runtime_could_read_otherwise_is_refused(name: str) -> None:
    contents, rule, words = REFUSED[name]
    assert_refused(contents, "model.onnx", rule, words)


def test_a_dimension_that_a_runtime_passes_over_hides_none_of_the_others() -> None:
    """A runtime would find a terabyte of numbers, where zeros of another wire type make it none."""
    hidden = held(four(1, bytes(4)), place(location="data.bin"), dims=(1 << 40,))
    assert refusal(hidden)[0] == "onnx-form"


def test_a_tensor_larger_than_the_policy_allows_is_refused() -> None:
    rule, _, said = refusal(held(_RAW), policy_from({"max_tensor_bytes": 4}))
    assert rule == "onnx-tensor-size"
    assert "at most 4 are allowed" in said


def test_tensors_that_lie_over_each_other_count_each_by_itself() -> None:
    tensors = b"".join(
        lump(5, tensor(place(location="data.bin"), dims=(1 << 18,), name=f"t{n}")) for n in range(3)
    )
    contents = model(graph=tensors) | {"data.bin": bytes(1 << 20)}
    check(contents)
    rule, path, said = refusal(contents, policy_from({"max_total_bytes": 2 << 20}))
    assert (rule, path) == ("onnx-size", "model.onnx")
    assert "has tensors of more than 2097152 bytes" in said


def test_a_model_that_is_shorter_than_listed_is_refused_where_numbers_are_missing() -> None:
    contents = model(last=lump(5, tensor(lump(7, b"\x01" * 100), dims=(100,), type_=_INT64)))
    short = contents | {"model.onnx": contents["model.onnx"][:-50]}
    with pytest.raises(BundleInvalidError, match="it is cut off"):
        check_contents(listed(contents), lambda path: io.BytesIO(short[path]))
