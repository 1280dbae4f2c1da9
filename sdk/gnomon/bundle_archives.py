"""Bundles that come as archives: packed with their manifest, and unpacked without trust.

Unpacking writes regular files into one new folder, under names that a bundle
may have, and stops at the first byte beyond what a policy allows.
"""

import gzip
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from gnomon._files import bundle_files, part_beside, sync
from gnomon.bundle import MANIFEST_FILE, is_path, manifest
from gnomon.bundle_checks import Policy
from gnomon.bundle_checks.refusing import refuse
from gnomon.errors import InvalidRequestError

KINDS = (".zip", ".tar", ".tar.gz", ".tgz")
_PART = 1024 * 1024
_MOST_AT_ONCE = 2 * _PART
_SLACK = 1024 * 1024  # of small archives, whose text packs well
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    gzip.BadGzipFile,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def is_archive(path: Path) -> bool:
    return path.name.endswith(KINDS)


def pack(folder: Path, target: Path) -> None:
    """Write a bundle's folder and its manifest as an archive, of the kind that the name ends with.

    The same bundle gives the same bytes. The file appears whole or not at all.

    Raises:
        InvalidRequestError: the name ends otherwise.
        FileExistsError: the file exists.
    """
    if not is_archive(target):
        raise InvalidRequestError(f"{target} must end with one of {', '.join(KINDS)}.")
    if target.exists():
        raise FileExistsError(f"{target} exists already. Name a file that does not.")
    files = bundle_files(folder)
    part = part_beside(target)
    try:
        with part.open("xb") as file:
            members = [(one.path, folder / one.path) for one in files]
            write = _write_zip if target.suffix == ".zip" else _write_tar
            write(file, members, manifest(files), target.name)
            sync(file)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def _write_zip(file: IO[bytes], members: list[tuple[str, Path]], listed: bytes, _: str) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, content in members:
            with (
                content.open("rb") as source,
                archive.open(zipfile.ZipInfo(path), "w", force_zip64=True) as to,
            ):
                while part := source.read(_PART):
                    to.write(part)
        archive.writestr(zipfile.ZipInfo(MANIFEST_FILE), listed)


def _write_tar(file: IO[bytes], members: list[tuple[str, Path]], listed: bytes, name: str) -> None:
    if not name.endswith(".tar"):
        with gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
            _write_tar(packed, members, listed, ".tar")  # type: ignore[arg-type]
        return
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in members:
            with content.open("rb") as source:
                info = tarfile.TarInfo(path)
                info.size = content.stat().st_size
                archive.addfile(info, source)
        info = tarfile.TarInfo(MANIFEST_FILE)
        info.size = len(listed)
        with tempfile.SpooledTemporaryFile() as spooled:
            spooled.write(listed)
            spooled.seek(0)
            archive.addfile(info, spooled)


def unpack(source: Path, folder: Path, policy: Policy) -> None:
    """Put an archive's files into a new folder.

    Raises:
        BundleInvalidError: a member breaks a rule, which the error names; the folder may hold a part.
        OSError: the archive cannot be read, or the folder not written.
    """
    folder.mkdir(parents=True)
    size = source.stat().st_size
    with source.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        taker = _Taker(
            source.name, folder, policy, min(policy.max_total_bytes, size * policy.max_ratio + _SLACK)
        )
        try:
            if start == b"PK\x03\x04":
                _unpack_zip(file, taker)
            elif start[:2] == b"\x1f\x8b":
                _unpack_gzip(file, taker)
            else:
                _unpack_tar(file, taker)
        except _BROKEN as error:
            refuse(
                source.name,
                "archive-form",
                f"is no sound archive: {str(error)[:120] or type(error).__name__}",
            )


class _Taker:
    """Takes files into a folder for as long as they keep to the rules."""

    def __init__(self, archive: str, folder: Path, policy: Policy, most_bytes: int) -> None:
        self.archive = archive
        self.folder = folder
        self._policy = policy
        self._most_bytes = most_bytes
        self._bytes = 0
        self._members = 0
        self._paths: set[str] = set()

    def count(self, size: int) -> None:
        """Count bytes that were unpacked."""
        self._bytes += size
        if self._bytes > self._most_bytes:
            what = f"unpacks to more than {self._most_bytes} bytes, as many as its size and the policy allow"
            refuse(self.archive, "archive-size", what)

    def path(self, name: str, is_folder: bool) -> str | None:
        """Return the path of a member in the bundle; None for a folder, which needs no entry."""
        self._members += 1
        if self._members > 2 * self._policy.max_files:
            refuse(self.archive, "archive-count", f"has more than {self._policy.max_files} files")
        path = name.removeprefix("./")
        if is_folder and path.rstrip("/") in ("", "."):
            return None
        if not is_path(path.rstrip("/") if is_folder else path):
            refuse(path, "archive-path", "has a name that no file of a bundle may have")
        if is_folder:
            return None
        if path.casefold() in self._paths:
            refuse(path, "archive-duplicate", "is in the archive twice, but for upper and lower case")
        self._paths.add(path.casefold())
        return path

    def take(self, path: str, read: Callable[[int], bytes]) -> None:
        target = self.folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                while part := read(_PART):
                    self.count(len(part))
                    file.write(part)
        except (FileExistsError, NotADirectoryError):
            refuse(path, "archive-duplicate", "has the name of a folder of the archive")


def _unpack_zip(file: IO[bytes], taker: _Taker) -> None:
    with zipfile.ZipFile(_Careful(file, taker)) as archive:
        for info in archive.infolist():
            name, mode = info.orig_filename, info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                refuse(name, "archive-link", "is a link or a device")
            if info.flag_bits & 0x1:
                refuse(name, "archive-form", "is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                refuse(name, "archive-form", f"is packed by the method {info.compress_type}; use deflate")
            if path := taker.path(name, name.endswith("/")):
                with archive.open(info) as member:
                    taker.take(path, member.read)


def _unpack_gzip(file: IO[bytes], taker: _Taker) -> None:
    """Unpack the tar file first, within the same limit: its headers are then read where they lie."""
    with tempfile.TemporaryFile(dir=taker.folder) as whole, gzip.GzipFile(fileobj=file) as packed:
        room = _Taker(taker.archive, taker.folder, taker._policy, taker._most_bytes)
        while part := packed.read(_PART):
            room.count(len(part))
            whole.write(part)
        whole.seek(0)
        _unpack_tar(whole, taker)


def _unpack_tar(file: IO[bytes], taker: _Taker) -> None:
    with tarfile.open(fileobj=_Careful(file, taker), mode="r:") as archive:
        for info in archive:
            if not (info.isreg() or info.isdir()) or info.sparse is not None:
                refuse(info.name, "archive-link", "is a link, a device or a sparse file")
            if path := taker.path(info.name, info.isdir()):
                member = archive.extractfile(info)
                assert member is not None
                with member:
                    taker.take(path, member.read)


class _Careful:
    """A file of which no more is read at once than a header can be long, and nothing before its beginning."""

    def __init__(self, file: IO[bytes], taker: _Taker) -> None:
        self._file = file
        self._taker = taker

    def read(self, size: int | None = -1) -> bytes:
        found = self._file.read(
            _MOST_AT_ONCE + 1 if size is None or size < 0 else min(size, _MOST_AT_ONCE + 1)
        )
        if len(found) > _MOST_AT_ONCE:
            refuse(
                self._taker.archive,
                "archive-form",
                f"has a header or a directory of more than {_MOST_AT_ONCE} bytes",
            )
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and offset < 0:  # the system's own error would not say what is wrong
            raise ValueError("it refers to a place before its beginning")
        return self._file.seek(offset, whence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def found_in(folder: Path, policy: Policy) -> Iterator[str]:
    """Yield the paths of a folder's files.

    Raises:
        BundleInvalidError: there is a link, a second name of a file or a device, or too much.
    """
    waiting, count = [""], 0
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                count += 1
                path = f"{inside}{entry.name}"
                if count > 2 * policy.max_files:
                    refuse(path, "archive-count", f"is one of more than {policy.max_files} files")
                if not is_path(path):
                    refuse(path, "archive-path", "has a name that no file of a bundle may have")
                state = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(state.st_mode):
                    waiting.append(f"{path}/")
                elif not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
                    refuse(path, "archive-link", "is a link, a device, or has a second name")
                else:
                    yield path
