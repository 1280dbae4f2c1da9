"""Blobs and manifests on any file system that fsspec knows; a local folder by default.

    blobs/<first two digits>/<sha256>   contents
    manifests/<digest>.json             what a bundle consists of; written last
    parts/                              what is on its way in

A file has its final name only once it is whole and on the disk.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

from gnomon.errors import (
    ArtifactCorruptError,
    BlobDigestMismatchError,
    NotFoundError,
    ServiceUnavailableError,
    StorageFullError,
)
from gnomon.folders import is_full, make_folder, sync_folder
from gnomon_registry.domain.ports import StoredFile

_READ_BYTES = 1024 * 1024


class FileBlobStore:
    """Implements `BlobStore` at an fsspec URL."""

    def __init__(self, url: str, **options: Any) -> None:
        self._files, root = fsspec.core.url_to_fs(url, **options)
        self._root = root.rstrip("/")

    @property
    def local_folder(self) -> str:
        """Where the files lie on this machine; empty if they are elsewhere."""
        return self._root if isinstance(self._files, LocalFileSystem) else ""

    def clean(self) -> None:
        """Remove what uploads left when their process was killed. For the start of a service."""
        folder = f"{self._root}/parts"
        with contextlib.suppress(FileNotFoundError):
            for path in self._files.ls(folder, detail=False, refresh=True):
                if not self._is_being_written(path):
                    with contextlib.suppress(FileNotFoundError):
                        self._files.rm_file(path)

    def check(self) -> None:
        """Look whether artifacts can be read and written.

        Raises:
            OSError: they cannot: the folder, or what is there of the way to it, is not writable or is gone.
        """
        if not isinstance(self._files, LocalFileSystem):
            with contextlib.suppress(FileNotFoundError):  # nothing has been stored yet
                self._files.ls(self._root, detail=False, refresh=True)
            return
        folder = Path(self._root)
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    def _is_being_written(self, path: str) -> bool:
        """Tell whether a living process still writes a part: it holds a lock on the local file.

        On an object store a part is visible once it is written, and for an instant only.
        """
        if not isinstance(self._files, LocalFileSystem):
            return False
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:  # noqa: PTH123
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def size(self, sha256: str) -> int | None:
        try:
            return int(self._files.size(self._blob(sha256)))
        except FileNotFoundError:
            return None

    def missing(self, sha256: Iterable[str]) -> list[str]:
        return [digest for digest in dict.fromkeys(sha256) if not self._is_whole(digest)]

    def _is_whole(self, sha256: str) -> bool:
        """Tell whether a blob is stored with the content of its name; a damaged one is as good as none."""
        try:
            with self._files.open(self._blob(sha256), "rb") as file:
                content = hashlib.sha256()
                while part := file.read(_READ_BYTES):
                    content.update(part)
        except FileNotFoundError:
            return False
        return content.hexdigest() == sha256

    def upload(self, sha256: str, size_bytes: int) -> "FileUpload":
        return FileUpload(self._part(self._blob(sha256)), sha256, size_bytes)

    def download(self, sha256: str) -> "FileDownload":
        try:
            return FileDownload(self._files.open(self._blob(sha256), "rb"), sha256)
        except FileNotFoundError as error:
            resource = f"blobs/{sha256}"
            raise NotFoundError(f"The blob {sha256} is not stored.", resource=resource) from error

    def open(self, sha256: str) -> IO[bytes]:
        try:
            file: IO[bytes] = self._files.open(self._blob(sha256), "rb")
        except FileNotFoundError as error:
            resource = f"blobs/{sha256}"
            raise NotFoundError(f"The blob {sha256} is not stored.", resource=resource) from error
        return file

    def put_manifest(self, digest: str, content: bytes) -> None:
        part = self._part(self._manifest(digest))
        try:
            part.write(content)
            part.seal()
            part.move_into_place()
        finally:
            part.discard()

    def stored(self) -> Iterator[StoredFile]:
        for folder in ("blobs", "manifests"):
            try:
                found = self._files.find(f"{self._root}/{folder}", detail=True)
            except FileNotFoundError:
                continue
            for path, details in found.items():
                name = path.rpartition("/")[2].removesuffix(".json")
                yield StoredFile(name, folder == "manifests", int(details["size"]), _modified(details))

    def remove(self, file: StoredFile, last_look: Callable[[], None]) -> bool:
        path = self._manifest(file.digest) if file.is_manifest else self._blob(file.digest)
        self._files.invalidate_cache()
        try:
            if _modified(self._files.info(path)) != file.modified:
                return False
            last_look()
            self._files.rm_file(path)
        except FileNotFoundError:
            return False
        return True

    def _part(self, target: str) -> "Part":
        return _Part(self._files, self._root, target)

    def _manifest(self, digest: str) -> str:
        return f"{self._root}/manifests/{digest}.json"

    def _blob(self, sha256: str) -> str:
        return f"{self._root}/blobs/{sha256[:2]}/{sha256}"


class Part(Protocol):
    """What is on its way to a final name."""

    def write(self, content: bytes) -> None: ...

    def seal(self) -> None:
        """Make what was written durable, and take no more."""
        ...

    def move_into_place(self) -> None:
        """Give what is sealed its final name, durably."""
        ...

    def discard(self) -> None:
        """Leave nothing behind; nothing to do once it is in place."""
        ...


class FileUpload:
    """Implements `BlobUpload`."""

    def __init__(self, part: Part, sha256: str, size_bytes: int) -> None:
        self._part = part
        self._sha256 = sha256
        self._size_bytes = size_bytes
        self._received_bytes = 0
        self._hash = hashlib.sha256()
        self._is_sealed = False

    def write(self, content: bytes) -> None:
        self._received_bytes += len(content)
        if self._received_bytes > self._size_bytes:
            raise self._mismatch(f"more than the {self._size_bytes} bytes that were announced")
        self._hash.update(content)
        self._part.write(content)

    def seal(self) -> None:
        if self._is_sealed:
            return
        if self._received_bytes != self._size_bytes:
            raise self._mismatch(f"{self._received_bytes} bytes where {self._size_bytes} were announced")
        if self._hash.hexdigest() != self._sha256:
            raise self._mismatch(f"content with the digest {self._hash.hexdigest()}")
        self._part.seal()
        self._is_sealed = True

    def finish(self) -> None:
        self.seal()
        self._part.move_into_place()

    def abort(self) -> None:
        self._part.discard()

    def _mismatch(self, got: str) -> BlobDigestMismatchError:
        return BlobDigestMismatchError(
            f"The upload of {self._sha256} brought {got}; nothing was stored. Upload the blob again.",
            sha256=self._sha256,
        )


class FileDownload:
    """Implements `BlobDownload`. Stays one part ahead, so that the last one goes out after the check."""

    def __init__(self, file: Any, sha256: str) -> None:
        self._file = file
        self._sha256 = sha256
        self._hash = hashlib.sha256()
        self._ahead: bytes | None = None

    def read(self) -> bytes:
        part = self._take() if self._ahead is None else self._ahead
        if part:
            self._ahead = self._take()
        if not self._ahead and self._hash.hexdigest() != self._sha256:
            raise self._corrupt()
        return part

    def close(self) -> None:
        self._file.close()

    def _take(self) -> bytes:
        try:
            part: bytes = self._file.read(_READ_BYTES)
        except OSError as error:
            raise self._corrupt() from error
        self._hash.update(part)
        return part

    def _corrupt(self) -> ArtifactCorruptError:
        return ArtifactCorruptError(
            f"The stored blob {self._sha256} is cut or altered. Upload it again to repair it.",
            resource=f"blobs/{self._sha256}",
            path=f"blobs/{self._sha256[:2]}/{self._sha256}",
        )


class _Part:
    """A file under a name of its own until it is whole.

    It is opened by the first write, so that whoever makes a part and leaves
    before has left nothing.
    """

    def __init__(self, files: Any, root: str, target: str) -> None:
        self._files = files
        self._path = f"{root}/parts/{uuid.uuid4().hex}"
        self._target = target
        self._is_local = isinstance(files, LocalFileSystem)
        self._file: Any = None

    def _opened(self) -> Any:
        if self._file is None:
            self._make_folder(self._path.rpartition("/")[0])
            self._file = self._files.open(self._path, "wb")
            if self._is_local:
                fcntl.flock(self._file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)  # see `clean`
        return self._file

    def write(self, content: bytes) -> None:
        with _full_disk_in_words():
            self._opened().write(content)

    def seal(self) -> None:
        with _full_disk_in_words():
            file = self._opened()
            if self._is_local:
                file.flush()
                os.fsync(file.fileno())  # stays open, and so locked, until it has its place
            else:
                file.close()

    def move_into_place(self) -> None:
        parent = self._target.rpartition("/")[0]
        with _full_disk_in_words():
            self._file.close()
            self._make_folder(parent)
            try:
                self._files.mv(self._path, self._target)
            except FileNotFoundError as error:
                raise ServiceUnavailableError(
                    "The upload was cut off. Try again.", retry_after_s=1.0
                ) from error
            if self._is_local:
                sync_folder(Path(parent))

    def _make_folder(self, path: str) -> None:
        if self._is_local:
            make_folder(Path(path))
        else:
            self._files.makedirs(path, exist_ok=True)

    def discard(self) -> None:
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # closing may write what is buffered, to a full disk
            self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path)


def _modified(details: dict[str, Any]) -> datetime:
    """Return when a file was written last; file systems of fsspec tell it in several ways.

    To the second: object stores tell more in a list than of one object.
    """
    told = next(details[key] for key in ("mtime", "LastModified", "modified", "created") if key in details)
    if isinstance(told, int | float):
        return datetime.fromtimestamp(told, UTC)
    moment: datetime = told
    return moment.replace(microsecond=0, tzinfo=moment.tzinfo or UTC)


@contextlib.contextmanager
def _full_disk_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise StorageFullError(
            "The registry's artifact store is full; nothing was stored. Free some space, then try again."
        ) from error
