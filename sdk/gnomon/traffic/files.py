"""Files of exported traces, record by record, in bounded memory; gzip of any of them too.

What a file is, is told from its first bytes: Parquet, JSON Lines, a JSON array
or document, CSV, or protobuf.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gnomon.errors import InvalidRequestError
from gnomon.traffic import frames, json_values, tables

Buffered: TypeAlias = "io.BufferedReader[Any]"
Layout = Literal["lines", "values", "csv", "parquet", "protobuf"]
_NOUNS: dict[Layout, str] = {
    "lines": "line",
    "values": "record",
    "csv": "row",
    "parquet": "row",
    "protobuf": "message",
}
CUT_OFF = (EOFError, OSError, zlib.error)  # gzip that ends too early or is damaged, or a disk that fails
# What other files begin with, what they are, and how to make of them what is read.
_UNREAD = (
    (rb"\x28\xb5\x2f\xfd", "is packed with Zstandard. Unpack it first: zstd -d {path}"),
    (rb"\xfd7zXZ\0", "is packed with xz. Unpack it first: xz -dk {path}"),
    (rb"BZh[1-9]1AY&SY", "is packed with bzip2. Unpack it first: bzip2 -dk {path}"),
    (rb"PK\x03\x04", "is a ZIP archive. Unpack it first: unzip {path}"),
    # As PowerShell's `>` writes it.
    (
        rb"\xff\xfe[\t-~]\0|\xfe\xff\0[\t-~]",
        "is text in UTF-16. Make it UTF-8 first: iconv -f UTF-16 -t UTF-8 {path}",
    ),
)
_GZIP = b"\x1f\x8b"
_BUFFER_BYTES = 1 << 20
_PEEKED_BYTES = 64 * 1024
_TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1b")
# An object with its first key, or an array: protobuf may begin with the bracket alone, as a length.
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\[\]{\"\d-])")


class File:
    """One file, whose `layout` tells how its records are found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            raise InvalidRequestError(f"{path} is a folder. Name the files in it, such as {path}/*.jsonl.gz.")
        if not path.exists():
            raise InvalidRequestError(f"There is no file {path}.")
        if not path.is_file():  # it is read twice: first to see what it is
            raise InvalidRequestError(f"{path} is a pipe or a device. Write a file first, and name that.")
        with self._open() as file:
            head = _peek(file)
        for beginning, what in _UNREAD:
            if re.match(beginning, head):
                raise InvalidRequestError(f"{path} {what.format(path=path)}.")
        self.layout = _layout(head)
        if self.layout == "parquet" and _is_gzipped(path):
            raise InvalidRequestError(f"{path} is Parquet in gzip. Unpack it first: gzip -dk {path}.")

    @property
    def place(self) -> str:
        """What stands before the number of a record, such as `traces.jsonl, line`."""
        return f"{self.path.name}, {_NOUNS[self.layout]}"

    def placed(self) -> tuple[str, Iterator[tuple[int, Any]]]:
        return self.place, self.records()

    def lines(self, part_bytes: int, most_bytes: int = json_values.MOST_BYTES) -> Iterator[bytes]:
        """Yield a file's whole lines, about so many bytes at a time; of one that is too long, the beginning.

        Raises:
            EOFError, OSError, zlib.error: gzip that was cut off or damaged; what came before was yielded.
        """
        with self._open() as file:
            whole: list[bytes] = []
            size, failure = 0, None
            try:
                while part := file.readline(most_bytes):
                    if len(part) == most_bytes and not part.endswith(b"\n"):
                        json_values.skip_line(file)
                        part += b"\n"
                    whole.append(part)
                    size += len(part)
                    if size >= part_bytes:
                        yield b"".join(whole)
                        whole, size = [], 0
            except CUT_OFF as error:
                failure = error
            if whole:
                yield b"".join(whole)
            if failure:
                raise failure

    def records(self) -> Iterator[tuple[int, Any]]:
        """Yield each record with its number, from 1; a `Malformed` where one cannot be read.

        Raises:
            InvalidRequestError: a library for its layout is not installed.
        """
        if self.layout == "parquet":
            yield from tables.parquet(self.path)
            return
        number = 0
        with self._open() as file:
            try:
                for number, record in self._read(file):
                    yield number, record
            except CUT_OFF as error:
                yield number + 1, json_values.cut_off(error)

    def _read(self, file: Buffered) -> Iterator[tuple[int, Any]]:
        match self.layout:
            case "lines":
                return json_values.lines(file)
            case "values":
                return json_values.values(file)
            case "csv":
                return tables.csv_rows(file)
            case _:
                return frames.messages(file)

    def _open(self) -> Buffered:
        raw = io.BufferedReader(self.path.open("rb", buffering=0), _BUFFER_BYTES)
        return io.BufferedReader(_Gunzipped(raw), _BUFFER_BYTES) if raw.peek(2)[:2] == _GZIP else raw


class _Gunzipped(io.RawIOBase):
    """What a gzip file holds; of one that was cut off, all that can be unpacked."""

    def __init__(self, packed: Buffered) -> None:
        self._packed = packed
        self._file = gzip.GzipFile(fileobj=packed, mode="rb")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        part = self._file.read1(len(target))  # `read` would lose what it has when the rest fails
        target[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._file.close()
        self._packed.close()
        super().close()


def _is_gzipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _peek(file: Buffered) -> bytes:
    head = b""
    try:
        while len(head) < _PEEKED_BYTES and (part := file.read1(_PEEKED_BYTES - len(head))):
            head += part
    except CUT_OFF:
        pass  # which reading the records tells
    return head


def _layout(head: bytes) -> Layout:
    if head.startswith(b"PAR1"):
        return "parquet"
    controls = sum(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head[:4096])
    if controls > (1 + len(head[:4096]) // 100 if _JSON.match(head) else 0):  # a text may hold one by mistake
        return "protobuf"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text or text[:1] == b"{":
        return "lines" if _is_whole(text) else "values"
    return "values" if text[:1] == b"[" else "csv"


def _is_whole(text: bytes) -> bool:
    """Tell JSON Lines from one document over many lines, whose first line opens what others close."""
    line = text.split(b"\n", 1)[0].rstrip()
    return not line.endswith((b"{", b"[", b",", b":")) or len(line) == len(text)
