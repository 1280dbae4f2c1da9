"""A safetensors file: a header of JSON, and tensors that lie behind it without gap or overlap.

The format: https://github.com/huggingface/safetensors#format
"""

import math
from typing import IO

from gnomon.bundle_checks.json_text import read_json
from gnomon.bundle_checks.policy import Policy
from gnomon.bundle_checks.refusing import quoted, refuse

_BITS = {
    **dict.fromkeys(("I64", "U64", "F64"), 64),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 8),
}
_MOST_DIMS = 8


def is_safetensors(start: bytes) -> bool:
    """Tell by the first bytes: a length, and JSON behind it."""
    return len(start) > 9 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 40


def check_safetensors(path: str, file: IO[bytes], size: int, policy: Policy) -> None:
    """Check a file of tensors.

    Raises:
        BundleInvalidError: it breaks a rule, which the error names.
    """
    length = int.from_bytes(file.read(8), "little")
    if length > policy.max_json_bytes or 8 + length > size:
        refuse(path, "safetensors-header", f"announces a header of {length} bytes, which it cannot have")
    header = read_json(path, file.read(length).rstrip(b" "))  # an object: see is_safetensors
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        refuse(path, "safetensors-header", "has notes that are no texts")
    places = sorted(_place(path, name, entry) for name, entry in header.items())
    at = 0
    for begin, end in places:
        if begin != at:
            refuse(path, "safetensors-offsets", f"has a tensor at {begin} where the one before ends at {at}")
        at = end
    if 8 + length + at != size:
        refuse(path, "safetensors-offsets", f"has tensors of {at} bytes in {size - 8 - length}")


def _place(path: str, name: str, entry: object) -> tuple[int, int]:
    """Return where a tensor begins and ends; its length is that of its shape."""
    shown = quoted(name)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        refuse(path, "safetensors-header", f"describes the tensor {shown} with other keys than the format's")
    bits, shape, offsets = _BITS.get(str(entry["dtype"])), entry["shape"], entry["data_offsets"]
    lists = isinstance(shape, list) and isinstance(offsets, list) and len(shape) <= _MOST_DIMS
    if bits is None or not lists or not all(type(n) is int and 0 <= n < 1 << 48 for n in (*shape, *offsets)):
        refuse(path, "safetensors-header", f"has the tensor {shown} of a type, shape or place that cannot be")
    if len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * bits // 8:
        refuse(
            path,
            "safetensors-offsets",
            f"has the tensor {shown} at {offsets}, which its shape {shape} is not as long as",
        )
    return offsets[0], offsets[1]
