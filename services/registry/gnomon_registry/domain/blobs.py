"""Use cases of blobs."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from gnomon.bundle import is_sha256
from gnomon.errors import InvalidRequestError, UploadTooLargeError, Violation
from gnomon_registry.domain.ports import BlobDownload, BlobStore, BlobUpload
from gnomon_registry.domain.rules import refuse

MAX_DIGESTS = 1000


@dataclass(frozen=True, slots=True)
class Blobs:
    store: BlobStore
    max_bytes: int

    def missing(self, sha256: Sequence[str]) -> list[str]:
        """Return the digests that are not stored, each once; at most 1000 may be asked for."""
        if len(sha256) > MAX_DIGESTS:
            raise InvalidRequestError(
                f"The request names {len(sha256)} digests; at most {MAX_DIGESTS} are allowed.",
                violations=[Violation("sha256", f"must be at most {MAX_DIGESTS}")],
            )
        refuse(
            Violation(f"sha256[{index}]", "must be 64 lower-case hex digits")
            for index, digest in enumerate(sha256)
            if not is_sha256(digest)
        )
        return self.store.missing(sha256)

    def upload(self, sha256: str, size_bytes: int) -> BlobUpload:
        """Begin to store a blob.

        Raises:
            UploadTooLargeError: it is announced larger than this deployment takes.
        """
        _check_sha256(sha256)
        if size_bytes < 0:
            refuse([Violation("size_bytes", "must not be negative")])
        if size_bytes > self.max_bytes:
            raise UploadTooLargeError(
                f"The blob has {size_bytes} bytes; this registry takes at most {self.max_bytes}.",
                violations=[Violation("size_bytes", f"must be at most {self.max_bytes}")],
                limit_bytes=str(self.max_bytes),
            )
        return self.store.upload(sha256, size_bytes)

    def download(self, sha256: str) -> BlobDownload:
        _check_sha256(sha256)
        return self.store.download(sha256)


def _check_sha256(sha256: str) -> None:
    if not is_sha256(sha256):
        refuse([Violation("sha256", "must be 64 lower-case hex digits")])


def read_whole(store: BlobStore, sha256: str) -> bytes:
    """Return a blob's content, verified; for small ones."""
    parts = []
    with closing(store.download(sha256)) as download:
        while part := download.read():
            parts.append(part)
    return b"".join(parts)
