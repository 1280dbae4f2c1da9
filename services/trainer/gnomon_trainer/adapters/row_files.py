"""Rows of datasets as files, named by the SHA-256 of their content."""

import contextlib
import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import orjson

from gnomon.errors import ArtifactCorruptError
from gnomon.folders import make_folder, sync_folder


class RowFiles:
    """A `RowStore` in a folder: `{digest}.jsonl`, written whole or not at all."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self._folder = folder
        self._temporary = temporary

    def check(self) -> None:
        """Look whether rows can be stored.

        Raises:
            OSError: the disk or its folder is not to be written.
        """
        make_folder(self._temporary)
        with tempfile.TemporaryFile(dir=self._temporary):
            pass

    def sink(self) -> "RowFile":
        return RowFile(self._folder, self._temporary)

    def read(self, digest: str) -> Iterator[dict[str, Any]]:
        with self._open(digest) as file:
            for line in _checked(file, digest):
                try:
                    record = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise _altered(digest) from error
                yield record

    def pick(self, digest: str, numbers: Set[int]) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        with self._open(digest) as file:
            for number, line in enumerate(itertools.islice(file, max(numbers, default=0)), 1):
                if number in numbers:
                    try:
                        found[number] = orjson.loads(line)
                    except orjson.JSONDecodeError as error:
                        raise _altered(digest) from error
        if len(found) < len(numbers):
            raise _altered(digest)
        return found

    def parts(self, digest: str, part_bytes: int) -> Iterator[bytes]:
        with self._open(digest) as file:
            yield from _checked(iter(lambda: file.read(part_bytes), b""), digest)

    def _open(self, digest: str) -> Any:
        try:
            return (self._folder / f"{digest}.jsonl").open("rb")
        except FileNotFoundError as error:
            raise ArtifactCorruptError(
                "The rows of the dataset are missing on the trainer's disk. Upload the file again.",
                resource=digest,
                path=f"{digest}.jsonl",
            ) from error

    def sweep(self, known: Set[str], before: float) -> None:
        """Remove files that no dataset knows: an upload was cut off between file and record.

        Files that were written after `before`, in seconds since the epoch, may
        belong to an upload to another trainer of this folder.
        """
        for path in self._folder.glob("*.jsonl"):
            with contextlib.suppress(FileNotFoundError):
                if path.stem not in known and path.stat().st_mtime < before:
                    path.unlink()


def _checked(pieces: Iterable[bytes], digest: str) -> Iterator[bytes]:
    """Yield all pieces of a file, then raise ArtifactCorruptError if they were not what was stored."""
    seen = hashlib.sha256()
    for piece in pieces:
        seen.update(piece)
        yield piece
    if seen.hexdigest() != digest:
        raise _altered(digest)


def _altered(digest: str) -> ArtifactCorruptError:
    return ArtifactCorruptError(
        "The rows of the dataset on the trainer's disk are not those that were stored. Delete the file "
        f"{digest}.jsonl and upload the dataset again.",
        resource=digest,
        path=f"{digest}.jsonl",
    )


class RowFile:
    """A `RowSink`: a temporary file until its digest is known."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        for place in (folder, temporary):
            make_folder(place)
        self._folder = folder
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        descriptor, path = tempfile.mkstemp(dir=temporary, suffix=".rows")
        self._path = Path(path)
        self._file = os.fdopen(descriptor, "wb", buffering=1024 * 1024)

    def write(self, record: Mapping[str, Any]) -> None:
        line = orjson.dumps(record) + b"\n"
        self._digest.update(line)
        self._size_bytes += len(line)
        self._file.write(line)

    def keep(self) -> tuple[str, int]:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        digest = self._digest.hexdigest()
        self._path.replace(self._folder / f"{digest}.jsonl")
        sync_folder(self._folder)
        return digest, self._size_bytes

    def discard(self) -> None:
        try:
            self._file.close()
        except OSError:
            pass  # a full disk refuses the last bytes, which are not wanted any more
        finally:
            self._path.unlink(missing_ok=True)
