"""What a disk keeps when the power fails: what was synced, and nothing that is only in memory."""

import os
import stat
from pathlib import Path

import pytest

Inode = tuple[int, int]


class Disk:
    """Follows `os.fsync` below a folder that is there for good.

    As POSIX promises no more, a file is kept as long as it was when it was synced,
    and found by the names that its folders had in them when they were.
    """

    def __init__(self, base: Path, patch: pytest.MonkeyPatch) -> None:
        self._base = base
        self._sizes: dict[Inode, int] = {}
        self._names: dict[Inode, frozenset[str]] = {}
        self._fsync = os.fsync
        patch.setattr(os, "fsync", self._follow)

    def _follow(self, descriptor: int) -> None:
        self._fsync(descriptor)
        found = os.fstat(descriptor)
        inode = found.st_dev, found.st_ino
        if stat.S_ISDIR(found.st_mode):
            self._names[inode] = frozenset(os.listdir(descriptor))
        else:
            self._sizes[inode] = found.st_size

    def keeps(self, file: Path) -> bool:
        """Tell whether a file is still there, and whole, after a power cut."""
        above = file.relative_to(self._base).parts
        folders = [self._base.joinpath(*above[:depth]) for depth in range(len(above))]
        named = zip(folders, above, strict=True)
        is_found = all(name in self._names.get(_inode(folder), ()) for folder, name in named)
        return is_found and self._sizes.get(_inode(file)) == file.stat().st_size


def _inode(path: Path) -> Inode:
    found = path.stat()
    return found.st_dev, found.st_ino
