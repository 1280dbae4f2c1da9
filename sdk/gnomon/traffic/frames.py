"""Files of protobuf messages: one message, or messages each behind its length.

The collector's file exporter writes each message behind four bytes, the most
significant first; protobuf's own delimited streams write a varint. A file of
one message is read resource by resource, so that its size does not matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from gnomon.traffic.traced import Malformed

_MOST_BYTES = 256 * 1024 * 1024
_MOST_EMPTY = 1_000  # in a row: a batch may be empty, and what a crash leaves may be nothing but zeros
_RESOURCE_SPANS = 0x0A  # the tag of field 1, which is a message


@dataclass(frozen=True, slots=True)
class Encoded:
    """A message's bytes: of a whole request, or of the spans of one resource."""

    content: bytes
    is_request: bool


def messages(file: IO[bytes]) -> Iterator[tuple[int, Any]]:
    """Yield each message with its number; a `Malformed` where the file stops making sense."""
    number, empty, first = 0, 0, file.read(1)
    is_one = bool(first) and first[0] == _RESOURCE_SPANS
    is_fixed = bool(first) and first[0] < _RESOURCE_SPANS  # four bytes of a length below 160 MiB
    while first:
        number += 1
        if is_one and first[0] != _RESOURCE_SPANS:
            yield number, Malformed("is not a protobuf message of OTLP traces")
            return
        head = b"" if is_one else first
        size = int.from_bytes(head + file.read(3), "big") if is_fixed else _varint(file, head)
        content = file.read(size) if size is not None and size <= _MOST_BYTES else b""
        if size is None or len(content) < size:
            yield number, Malformed("is shorter than its length says, so that nothing behind it can be found")
            return
        empty = 0 if content else empty + 1
        if empty > _MOST_EMPTY:
            yield number, Malformed("follows a thousand empty messages: from there, the file holds zeros")
            return
        yield number, Encoded(content, not is_one)
        first = file.read(1)


def _varint(file: IO[bytes], head: bytes) -> int | None:
    """Return a number of seven bits a byte, the least significant first; None if it does not end."""
    value = 0
    for shift in range(0, 35, 7):
        byte = head or file.read(1)
        head = b""
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if not byte[0] & 0x80:
            return value
    return None
