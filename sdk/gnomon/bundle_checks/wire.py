"""Protobuf's wire format, read where it lies, field by field, within a budget.

Nothing is unpacked: a model's weights are passed over, and what an attacker
made of a few bytes costs no more than those bytes. The format:
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from typing import IO, NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_WINDOW = 256 * 1024
_MOST_FIELDS = 500_000  # about a second


class MalformedError(ValueError):
    """The bytes are no message; says why."""


class Field(NamedTuple):
    """One field. Its value lies at [start, end); `value` is a varint's."""

    number: int
    wire_type: int
    start: int
    end: int
    value: int = 0


class Source:
    """A file that is read in windows. Counts the fields that were read from it."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.size = size
        self._file = file
        self._window = b""
        self._window_start = 0
        self._fields = 0

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes at a place; fewer where the file ends.

        Raises:
            MalformedError: it is more than fits a window.
        """
        offset = start - self._window_start
        if offset < 0 or offset + length > len(self._window):
            if length > _WINDOW:
                raise MalformedError(f"a part has {length} bytes where at most {_WINDOW} are allowed")
            self._file.seek(start)
            self._window, self._window_start, offset = self._file.read(_WINDOW), start, 0
        return self._window[offset : offset + length]

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yield the fields of the message that lies at [start, end).

        Raises:
            MalformedError: it is cut, or is no message.
        """
        position = start
        while position < end:
            self._fields += 1
            if self._fields > _MOST_FIELDS:
                raise MalformedError(f"it has more than {_MOST_FIELDS} fields")
            head = self.read(position, min(20, end - position))
            tag, used = varint(head, 0)
            number, wire_type = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise MalformedError(f"a field has the number {number}")
            value = 0
            if wire_type == VARINT:
                value, after = varint(head, used)
                first, last = position + used, position + after
            elif wire_type == BYTES:
                length, after = varint(head, used)
                first, last = position + after, position + after + length
            elif wire_type in (FIXED64, FIXED32):
                first = position + used
                last = first + (8 if wire_type == FIXED64 else 4)
            else:
                raise MalformedError(f"a field has the wire type {wire_type}")
            if last > end:
                raise MalformedError("it is cut off")
            yield Field(number, wire_type, first, last, value)
            position = last

    def text(self, field: Field, most: int = 4096) -> str:
        """Return a field's text, of at most so many bytes."""
        message(field)
        if field.end - field.start > most:
            raise MalformedError(
                f"a name has {field.end - field.start} bytes where at most {most} are allowed"
            )
        try:
            return self.read(field.start, field.end - field.start).decode()
        except UnicodeDecodeError as error:
            raise MalformedError("a name is not UTF-8") from error

    def integers(self, field: Field, most: int = 4096) -> list[int]:
        """Return the signed integers of a repeated field, packed or not."""
        if field.wire_type == VARINT:
            return [signed(field.value)]
        message(field)
        content = self.read(field.start, min(field.end - field.start, 10 * most + 1))
        found, position = [], 0
        while position < field.end - field.start:
            value, position = varint(content, position)
            found.append(signed(value))
            if len(found) > most:
                raise MalformedError(f"a list has more than {most} numbers")
        return found

    def varints(self, field: Field) -> int:
        """Return how many varints a packed field holds."""
        if field.wire_type == VARINT:
            return 1
        count, position, last = 0, field.start, b"\x00"
        while position < field.end:
            part = self.read(position, min(_WINDOW, field.end - position))
            if not part:
                raise MalformedError("it is cut off")
            count += len(part.translate(None, _CONTINUED))
            position, last = position + len(part), part[-1:]
        if last[0] & 0x80:
            raise MalformedError("a number is cut off")
        return count


def message(field: Field) -> Field:
    """Return a field that holds bytes: a message, a text or packed numbers.

    Raises:
        MalformedError: it is of another type, so that a runtime passes over it.
    """
    if field.wire_type != BYTES:
        raise MalformedError("a field is of another type than it must be")
    return field


_CONTINUED = bytes(range(0x80, 0x100))


def varint(content: bytes, position: int) -> tuple[int, int]:
    """Return the unsigned integer at a position of some bytes, and the position behind it."""
    value = shift = 0
    while True:
        if position >= len(content):
            raise MalformedError("it is cut off")
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if not byte & 0x80:
            if value >= 1 << 64:
                raise MalformedError("a number has more than 64 bits")
            return value, position
        shift += 7
        if shift > 63:
            raise MalformedError("a number has more than 64 bits")


def signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
