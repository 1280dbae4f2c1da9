"""What the domain needs of the world. Every port has a contract suite in `tests/registry`."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Protocol

from gnomon.names import AliasName, MetricName, ProjectName
from gnomon_registry.domain.api_key import ApiKey
from gnomon_registry.domain.entities import Alias, Answered, BlobOwner, Change, Metric, MetricVersion, Project

Clock = Callable[[], datetime]
"""Returns the time now, in UTC."""

NewEtag = Callable[[], str]
"""Returns a text that was never returned before."""

ReportParser = Callable[[bytes, Sequence[str]], bytes]
"""From the content of `report.json` to a serialised `gnomon.v1.EvaluationReport`.

The warnings given are put before those of the report.

Raises BundleInvalidError if it is not one.
"""


@dataclass(frozen=True, slots=True)
class CatalogSizes:
    """How much the catalog holds. `versions_published` counts deleted ones, `versions` does not."""

    projects: int = 0
    metrics: int = 0
    versions: int = 0
    versions_published: int = 0
    aliases: int = 0
    last_change: int = 0
    paused_webhooks: int = 0
    waiting_deliveries: int = 0


class CatalogReader(Protocol):
    """The catalog as it was when the transaction began.

    Lists start after a key, exclusive, in the order that their name tells, and
    return at most `limit` items.
    """

    def project(self, name: ProjectName) -> Project | None: ...

    def projects(self, after: str, limit: int) -> list[Project]: ...

    def metric(self, name: MetricName) -> Metric | None: ...

    def metrics(self, after: str, limit: int) -> list[Metric]: ...

    def version(self, metric: str, number: int) -> MetricVersion | None:
        """Return the version, deleted or not."""
        ...

    def versions_newest_first(
        self, metric: str, before: int | None, limit: int, show_deleted: bool
    ) -> list[MetricVersion]: ...

    def live_versions(self) -> list[tuple[str, int]]:
        """Return (metric, number) of every version that is not deleted, in this order."""
        ...

    def needed(self, deleted_after: datetime) -> set[str]:
        """Return the digests of all blobs and manifests of versions, but those deleted before a time."""
        ...

    def last_number(self, metric: str) -> int:
        """Return the highest number that was given, deleted versions included; 0 if none was."""
        ...

    def alias(self, name: AliasName) -> Alias | None: ...

    def aliases(self, metric: str | None, after: str, limit: int | None) -> list[Alias]:
        """Return aliases by name; of all metrics if `metric` is None."""
        ...

    def changes(self, after: int, limit: int) -> list[Change]:
        """Return the log from an entry on, oldest first."""
        ...

    def last_change(self) -> int:
        """Return the ID of the newest entry of the log; 0 if there is none."""
        ...

    def alias_changes_newest_first(self, name: AliasName, before: int | None, limit: int) -> list[Change]: ...

    def answered(self, request_id: str) -> Answered | None: ...

    def api_key(self, key_id: str) -> ApiKey | None:
        """Return the key, revoked or not."""
        ...

    def api_keys(self, after: str, limit: int) -> list[ApiKey]: ...

    def blob_owner(self, sha256: str) -> BlobOwner | None:
        """Return who stored a blob; None if nobody with a key did."""
        ...

    def owned_blobs(self) -> list[str]:
        """Return the SHA-256 of all blobs that are somebody's."""
        ...

    def stored_bytes(self, api_key: str) -> int:
        """Return how many bytes a key has stored."""
        ...

    def sizes(self) -> CatalogSizes:
        """Count what there is, without reading it."""
        ...


class CatalogWriter(CatalogReader, Protocol):
    """The only writer at this time. What it wrote is there as a whole, or not at all."""

    def check_alone(self) -> None:
        """Look whether this still is the only writer: a server may have ended what paused for long.

        Raises:
            ServiceUnavailableError: it may not be. Nothing is written.
        """
        ...

    def put_project(self, project: Project) -> None: ...

    def remove_project(self, name: ProjectName) -> None: ...

    def put_metric(self, metric: Metric) -> None: ...

    def remove_metric(self, name: MetricName) -> None: ...

    def add_version(self, version: MetricVersion) -> None: ...

    def set_delete_time(self, metric: str, number: int, delete_time: datetime | None) -> None: ...

    def put_alias(self, alias: Alias) -> None: ...

    def remove_alias(self, name: AliasName) -> None: ...

    def log(self, change: Change) -> None:
        """Append to the log; the store gives the ID."""
        ...

    def remember(self, answered: Answered) -> None: ...

    def put_api_key(self, key: ApiKey) -> None: ...

    def put_blob_owner(self, sha256: str, owner: BlobOwner) -> None: ...

    def remove_blob_owner(self, sha256: str) -> None: ...


class CatalogStore(Protocol):
    """Transactions on the catalog. An exception inside one undoes it.

    Raises:
        StorageFullError: the disk is full; nothing was written.
        ServiceUnavailableError: another writer held the store for too long.
    """

    def reading(self) -> AbstractContextManager[CatalogReader]: ...

    def writing(self) -> AbstractContextManager[CatalogWriter]: ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A blob or a manifest in the store."""

    digest: str  # its name: a blob's SHA-256, a manifest's bundle digest
    is_manifest: bool
    size_bytes: int
    modified: datetime  # when it was stored last


class BlobUpload(Protocol):
    """A blob on its way in. It is stored by `finish` and not before."""

    def write(self, content: bytes) -> None:
        """Append; raise BlobDigestMismatchError as soon as there are more bytes than announced."""
        ...

    def seal(self) -> None:
        """Look whether all is there, and make it durable: the slow part of `finish`.

        Raises:
            BlobDigestMismatchError: it is not what was announced.
        """
        ...

    def finish(self) -> None:
        """Store the blob, durably; raise BlobDigestMismatchError if it is not what was announced."""
        ...

    def abort(self) -> None:
        """Leave nothing behind. After `finish` it does nothing."""
        ...


class BlobDownload(Protocol):
    """A stored blob on its way out."""

    def read(self) -> bytes:
        """Return the next part; empty at the end.

        Raises:
            ArtifactCorruptError: the content is not what the digest says. No
                part that makes the content whole is returned before this is known.
        """
        ...

    def close(self) -> None: ...


class BlobStore(Protocol):
    """Contents by their SHA-256, and the manifests of bundles.

    Raises:
        StorageFullError: the disk is full; nothing was stored.
    """

    def size(self, sha256: str) -> int | None:
        """Return the size in bytes; None if the blob is not stored."""
        ...

    def upload(self, sha256: str, size_bytes: int) -> BlobUpload: ...

    def download(self, sha256: str) -> BlobDownload:
        """Open a blob; raise NotFoundError if it is not stored."""
        ...

    def open(self, sha256: str) -> IO[bytes]:
        """Open a blob to read anywhere in it, unverified; raise NotFoundError if it is not stored."""
        ...

    def put_manifest(self, digest: str, content: bytes) -> None:
        """Store a bundle's manifest, durably."""
        ...

    def missing(self, sha256: Iterable[str]) -> list[str]:
        """Return those that are not stored whole, each once, in the order given."""
        ...

    def stored(self) -> Iterable[StoredFile]:
        """Return everything that is stored, in no order."""
        ...

    def remove(self, file: StoredFile, last_look: Callable[[], None]) -> bool:
        """Remove a file, unless it was stored again since it was listed; tell whether it was removed.

        `last_look` is called right before the one call that removes it; what it raises keeps the file.
        """
        ...


class ChangeFeed(Protocol):
    """Tells that the catalog's log grew, whoever wrote to it."""

    async def newest_beyond(self, seen: int, timeout_s: float) -> int:
        """Return the ID of the newest entry once it is beyond `seen`, or after the timeout.

        Raises:
            ServiceUnavailableError: the service is going away.
        """
        ...
