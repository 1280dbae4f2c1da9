"""Files of exported traces, record by record, in bounded memory; gzip of any of them too.

What a file is, is told from its first bytes: Parquet, JSON Lines, a JSON array
or document, CSV, or protobuf.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, cast

from gnomon.errors import InvalidRequestError
from gnomon.traffic import frames, json_values, tables

Layout = Literal["lines", "values", "csv", "parquet", "protobuf"]
_NOUNS: dict[Layout, str] = {
    "lines": "line",
    "values": "record",
    "csv": "row",
    "parquet": "row",
    "protobuf": "message",
}
CUT_OFF = (EOFError, OSError, zlib.error)  # gzip that ends too early or is damaged, or a disk that fails
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_BUFFER_BYTES = 1 << 20
_PEEKED_BYTES = 64 * 1024
_TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1b")


class File:
    """One file, whose `layout` tells how its records are found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            raise InvalidRequestError(f"{path} is a folder. Name the files in it, such as {path}/*.jsonl.gz.")
        if not path.exists():
            raise InvalidRequestError(f"There is no file {path}.")
        with self._open() as file:
            head = _peek(file)
        if head.startswith(_ZSTANDARD):
            raise InvalidRequestError(f"{path} is packed with Zstandard. Unpack it first: zstd -d {path}.")
        self.layout = _layout(head)

    @property
    def place(self) -> str:
        """What stands before the number of a record, such as `traces.jsonl, line`."""
        return f"{self.path.name}, {_NOUNS[self.layout]}"

    def placed(self) -> tuple[str, Iterator[tuple[int, Any]]]:
        return self.place, self.records()

    def lines(self, part_bytes: int) -> Iterator[bytes]:
        """Yield a file's whole lines, about so many bytes of them at a time.

        Raises:
            EOFError, OSError, zlib.error: gzip that was cut off or damaged.
        """
        with self._open() as file:
            while part := file.read(part_bytes):
                yield part if part.endswith(b"\n") else part + file.readline(json_values.MOST_BYTES)

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

    def _read(self, file: IO[bytes]) -> Iterator[tuple[int, Any]]:
        match self.layout:
            case "lines":
                return json_values.lines(file)
            case "values":
                return json_values.values(file)
            case "csv":
                return tables.csv_rows(file)
            case _:
                return frames.messages(file)

    def _open(self) -> IO[bytes]:
        raw = io.BufferedReader(self.path.open("rb", buffering=0), _BUFFER_BYTES)
        if raw.peek(2)[:2] != b"\x1f\x8b":
            return raw
        return cast(IO[bytes], io.BufferedReader(cast(Any, _Gunzipped(raw)), _BUFFER_BYTES))


class _Gunzipped(gzip.GzipFile):
    """A gzip file that closes the file below it."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self.myfileobj = cast(Any, raw)


def _peek(file: IO[bytes]) -> bytes:
    try:
        return file.read(_PEEKED_BYTES)
    except CUT_OFF:
        return b""


def _layout(head: bytes) -> Layout:
    if head.startswith(b"PAR1"):
        return "parquet"
    if any(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head[:4096]):
        return "protobuf"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text or text[:1] == b"{":
        return "lines" if _is_whole(text) else "values"
    return "values" if text[:1] == b"[" else "csv"


def _is_whole(text: bytes) -> bool:
    """Tell JSON Lines from one document over many lines, whose first line opens what others close."""
    line = text.split(b"\n", 1)[0].rstrip()
    return not line.endswith((b"{", b"[", b",")) or len(line) == len(text)
