"""Blobs and manifests on S3, or what speaks as S3 does.

The layout is that of `blobs`, without `parts`: an object appears whole or not at
all, so a blob goes to its final name, in a multipart upload that is completed
once its digest is right.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Self, cast

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from gnomon.errors import NotFoundError, ServiceUnavailableError, StorageFullError
from gnomon_registry.adapters.blobs import FileBlobStore, FileDownload
from gnomon_registry.domain.ports import StoredFile

log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_LEFT_OVER = timedelta(days=1)  # no upload takes as long
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity"}


def options(endpoint_url: str) -> dict[str, Any]:
    """Return what s3fs is told; credentials and region are those of AWS's own variables and files."""
    told: dict[str, Any] = {"use_listings_cache": False}  # other processes write as well
    if endpoint_url:
        told["endpoint_url"] = endpoint_url
        told["config_kwargs"] = {"s3": {"addressing_style": "path"}}  # servers of one's own know no other
    return told


class S3BlobStore(FileBlobStore):
    """Implements `BlobStore` at `s3://bucket/prefix`.

    Raises:
        ServiceUnavailableError: from every method, where the store does not answer or refuses.
        StorageFullError: its quota is used up.
    """

    def __init__(self, url: str, endpoint_url: str = "") -> None:
        with _in_words():
            super().__init__(url, **options(endpoint_url))

    def clean(self) -> None:
        """Give up uploads that were begun long ago: their parts are paid for, and seen by nobody."""
        bucket, _, prefix = self._root.partition("/")
        try:
            told = self._files.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix)
            for upload in told.get("Uploads", ()):
                if upload["Initiated"] < datetime.now(UTC) - _LEFT_OVER:
                    key = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
                    self._files.call_s3("abort_multipart_upload", **key)
        except (OSError, ClientError, BotoCoreError) as error:  # such as no right to list them
            log.warning("left-over uploads are not given up", why=str(error))

    def size(self, sha256: str) -> int | None:
        with _in_words():
            return super().size(sha256)

    def missing(self, sha256: Iterable[str]) -> list[str]:
        with _in_words():
            return super().missing(sha256)

    def download(self, sha256: str) -> FileDownload:
        return FileDownload(self._reading(sha256), sha256)

    def open(self, sha256: str) -> IO[bytes]:
        return cast("IO[bytes]", self._reading(sha256))

    def _reading(self, sha256: str) -> "_Reading":
        with _in_words():
            if super().size(sha256) is None:  # opening an object asks nothing of the store
                raise NotFoundError(f"The blob {sha256} is not stored.", resource=f"blobs/{sha256}")
            return _Reading(self._files.open(self._blob(sha256), "rb"))

    def put_manifest(self, digest: str, content: bytes) -> None:
        with _in_words(), contextlib.suppress(FileExistsError):  # its name says what it holds
            self._files.pipe_file(self._manifest(digest), content, mode="create")

    def stored(self) -> Iterator[StoredFile]:
        with _in_words():
            yield from list(super().stored())

    def remove(self, file: StoredFile, last_look: Callable[[], None]) -> bool:
        with _in_words():
            return super().remove(file, last_look)

    def _part(self, target: str) -> "_Object":
        return _Object(self._files, target)


class _Object:
    """An upload to an object's final name, which is there once it is completed. Stands for a `_Part`."""

    def __init__(self, files: Any, target: str) -> None:
        self._files = files
        self._target = target
        self._file: Any = None

    def _opened(self) -> Any:
        if self._file is None:
            self._file = self._files.open(self._target, "wb", autocommit=False)
        return self._file

    def write(self, content: bytes) -> None:
        with _in_words():
            self._opened().write(content)

    def seal(self) -> None:
        with _in_words():
            self._opened().close()  # sends what is left

    def move_into_place(self) -> None:
        with _in_words():
            self._file.commit()
        self._file = None

    def discard(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError, ClientError, BotoCoreError):
                file.discard()
            file.closed = True  # closing would send what is left


class _Reading:
    """An open object, whose troubles are not taken for a damaged one: as much of `IO` as is read with."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, size_bytes: int = -1) -> bytes:
        with _in_words():
            content: bytes = self._file.read(size_bytes)
            return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with _in_words():
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" not in repr(error.__cause__):
            raise
        raise _refused("there is no such bucket") from error
    except FileExistsError:
        raise
    except PermissionError as error:
        raise _refused("it refuses the registry's credentials") from error
    except (OSError, ClientError, BotoCoreError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, ClientError) else error
        code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else ""
        if code in _FULL:
            raise StorageFullError(
                "The registry's artifact store is full; nothing was stored. Free some space, then try again."
            ) from error
        # Names the endpoint and what it said: for the log, not for callers.
        log.warning("the artifact store does not answer", why=str(error))
        raise ServiceUnavailableError(
            "The registry's artifact store does not answer. Try again.", retry_after_s=_RETRY_S
        ) from error


def _refused(why: str) -> ServiceUnavailableError:
    return ServiceUnavailableError(
        f"The registry's artifact store cannot be used: {why}. Tell its operator.", retry_after_s=_RETRY_S
    )
