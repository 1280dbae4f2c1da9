"""Files that are there whole or not at all."""

import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

_PARTIAL = ".partial"


def write_durably(path: Path, content: bytes) -> str:
    """Write a file and wait until it is on the disk; return its SHA-256.

    Raises:
        OSError: the disk is full or away.
    """
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in the place of an older one in one instant."""
    partial = path.with_name(path.name + _PARTIAL)
    try:
        write_durably(partial, content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    _sync(path.parent)


class NewFolder:
    """A folder that appears with all its files when the `with` block ends well, and never otherwise.

    An older folder of that name is replaced. `by_many`: others may be writing the
    same folder, from the same source, so that it does not matter whose is kept.
    """

    def __init__(self, path: Path, *, by_many: bool = False) -> None:
        self._path, self._by_many = path, by_many
        own = f".{uuid.uuid4().hex}" if by_many else ""
        self._partial = path.with_name(f"{path.name}{own}{_PARTIAL}")

    def __enter__(self) -> Path:
        remove_folder(self._partial)
        self._partial.mkdir(parents=True)
        return self._partial

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            remove_folder(self._partial)
            return
        for file in self._partial.iterdir():
            _sync(file)
        _sync(self._partial)
        remove_folder(self._path)
        try:
            self._partial.rename(self._path)
        except OSError:
            remove_folder(self._partial)
            if not (self._by_many and self._path.is_dir()):
                raise
        _sync(self._path.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed left half-done in a folder. Nobody may be writing in it."""
    for partial in folder.glob(f"*{_PARTIAL}"):
        if partial.is_dir():
            remove_folder(partial)
        else:
            partial.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def read_json(path: Path) -> Any:
    """Return a JSON file's content, or None if it is missing or not whole."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy(source: Path, target: Path) -> None:
    """Copy a file; as a second name of the same content where the file system can."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
