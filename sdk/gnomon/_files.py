"""Files that are sent and received: read in parts, hashed, checked, put in place whole."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gnomon import bundle
from gnomon.errors import ArtifactCorruptError
from gnomon.folders import sync_folder

PART_BYTES = 1024 * 1024


def transfer_s(timeout_s: float, size_bytes: int) -> float:
    """Return how long a transfer may take: a call's limit, and a second more a MiB."""
    return timeout_s + size_bytes / PART_BYTES


def bundle_files(folder: Path) -> tuple[bundle.BundleFile, ...]:
    """Return the files of a bundle's folder with their digests.

    Raises:
        BundleInvalidError: a file has no place in a bundle, or one is missing.
        NotADirectoryError: there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"There is no folder {folder}. Give the folder of an evaluator bundle.")
    manifest = folder / bundle.MANIFEST_FILE  # says what the folder holds, and is none of it
    paths = [path for path in sorted(folder.rglob("*")) if not path.is_dir() and path != manifest]
    return bundle.check_files(
        bundle.BundleFile(path.relative_to(folder).as_posix(), sha256_of(path), path.stat().st_size)
        for path in paths
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class CheckedFile:
    """A file that is being received: nothing but the announced bytes comes to stand in it."""

    def __init__(self, path: Path, announced: bundle.BundleFile, resource: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._announced = announced
        self._resource = resource
        self._hash = hashlib.sha256()
        self._size = 0
        self._file: IO[bytes] = path.open("wb")

    def write(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._announced.size_bytes:
            raise self._corrupt("is longer than announced")
        self._hash.update(part)
        self._file.write(part)

    def finish(self) -> None:
        """Check the whole and bring it to the disk.

        Raises:
            ArtifactCorruptError: size or digest are not the announced ones.
        """
        if self._size != self._announced.size_bytes:
            raise self._corrupt("is shorter than announced")
        if self._hash.hexdigest() != self._announced.sha256:
            raise self._corrupt("does not have the announced digest")
        sync(self._file)

    def close(self) -> None:
        self._file.close()

    def _corrupt(self, what: str) -> ArtifactCorruptError:
        return ArtifactCorruptError(
            f"The file {self._announced.path} of {self._resource} {what}. "
            "Register the version again from a sound bundle.",
            resource=self._resource,
            path=self._announced.path,
        )


def sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def part_beside(place: Path) -> Path:
    """Return a name beside a place that nobody else uses.

    Not `tempfile`'s: that makes what its owner alone may read, and to open it again takes the umask, which a
    process cannot ask for without setting it. What is made under this name is as open as the umask says.
    """
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")


class NewFolder:
    """A folder that is filled beside its place and appears there whole, or not at all."""

    def __init__(self, place: Path) -> None:
        self._place = place
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise FileExistsError(f"{place} exists already. Name a folder that does not, or an empty one.")
        place.parent.mkdir(parents=True, exist_ok=True)
        self.path = part_beside(place)
        self.path.mkdir()

    def write(self, path: str, content: bytes) -> None:
        with (self.path / path).open("xb") as file:
            file.write(content)
            sync(file)

    def publish(self) -> None:
        for folder in [self.path, *(path for path in self.path.rglob("*") if path.is_dir())]:
            sync_folder(folder)
        self.path.rename(self._place)
        sync_folder(self._place.parent)

    def discard(self) -> None:
        """Remove what was not published."""
        shutil.rmtree(self.path, ignore_errors=True)


class NewFile:
    """A file that is written beside its place and appears there whole, or not at all."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._path = part_beside(place)
        self._file: IO[bytes] = self._path.open("xb")

    def write(self, part: bytes) -> None:
        self._file.write(part)

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()

    def publish(self) -> None:
        sync(self._file)
        self._path.replace(self._place)
        sync_folder(self._place.parent)

    def discard(self) -> None:
        """Remove what was not published."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def parts(path: Path) -> Iterator[bytes]:
    """Yield a file's content, at most 1 MiB at a time."""
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield part
