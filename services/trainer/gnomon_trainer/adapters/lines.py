"""Lines of a file that may be compressed, hostile, or both."""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

from gnomon.errors import DatasetInvalidError, UploadTooLargeError, Violation

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_lines(path: Path, *, compressed: bool, max_bytes: int, max_line_bytes: int) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their ends, without a byte order mark.

    Reads a line at a time, so that neither a long file nor one that unpacks to
    a thousand times its size is held in memory.

    Raises:
        DatasetInvalidError: it is not UTF-8 (the line and byte are named), is
            no gzip file or a cut one, or a line is too long.
        UploadTooLargeError: it unpacks to more than `max_bytes`.
    """
    with path.open("rb") as raw:
        yield from _decoded(_bounded(_unpacked(raw, compressed), max_bytes, max_line_bytes))


def _unpacked(raw: BinaryIO, compressed: bool) -> BufferedIOBase | BinaryIO:
    start = raw.read(2)
    raw.seek(0)
    if not compressed:
        if start == _GZIP:
            raise DatasetInvalidError("The file is compressed with gzip; let its name end with .gz.")
        return raw
    if start != _GZIP:
        raise DatasetInvalidError("The file's name ends with .gz, but it is not compressed with gzip.")
    return gzip.GzipFile(fileobj=raw, mode="rb")


def _bounded(file: BufferedIOBase | BinaryIO, max_bytes: int, max_line_bytes: int) -> Iterator[bytes]:
    number, total = 0, 0
    while True:
        number += 1
        try:
            line = file.readline(max_line_bytes + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DatasetInvalidError(
                f"The gzip file is cut or damaged after line {number - 1}. Compress it again."
            ) from error
        if not line:
            return
        total += len(line)
        if total > max_bytes:
            raise UploadTooLargeError(
                f"The file unpacks to more than {max_bytes} bytes. Divide it.", limit_bytes=str(max_bytes)
            )
        if len(line) > max_line_bytes:
            raise DatasetInvalidError(
                f"Line {number} is longer than {max_line_bytes} bytes. Is this a CSV or JSON Lines file?",
                violations=[Violation(f"line {number}", f"is longer than {max_line_bytes} bytes")],
            )
        yield line


def _decoded(lines: Iterator[bytes]) -> Iterator[str]:
    for number, raw in enumerate(lines, 1):
        line = raw.removeprefix(_BOM) if number == 1 else raw
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            byte = error.start + 1 + len(raw) - len(line)
            hint = " It looks like UTF-16." if number == 1 and raw.startswith(_WIDE_BOMS) else ""
            raise DatasetInvalidError(
                f"Line {number}, byte {byte} (0x{line[error.start]:02x}) is not UTF-8.{hint} "
                "Save the file as UTF-8.",
                violations=[Violation(f"line {number}", f"byte {byte} is not UTF-8")],
            ) from error
