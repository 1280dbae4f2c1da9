"""Blobs and manifests that no version needs."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gnomon_registry.domain.ports import BlobStore, CatalogReader, CatalogStore, Clock, StoredFile

# What is removed while nobody else may write. One removal in a store far away may take long itself.
_AT_ONCE = 50
_LONGEST_S = 1.0
_REST_S = 0.2  # so that writers who wait for their turn by sleeping get it


@dataclass(frozen=True, slots=True)
class Garbage:
    """Finds what no version needs, and removes it.

    Files younger than `min_age` are left: an upload is stored before the version
    that needs it. That alone would not keep a file which was stored long ago and
    which a new version names again, without uploading it. So files are removed
    while this is the only writer of the catalog, and a version is added by a
    writer that has just seen all its files. Either the version is there first,
    and its files stay, or the files are gone first, and the client, told so,
    uploads them.

    A server may end the transaction of a writer who waits for a slow store, and
    let others write. Therefore the last thing before a file is removed is to look
    whether this still is the only writer. What remains is the one call that
    removes it: docs/storage.md.
    """

    store: CatalogStore
    blobs: BlobStore
    clock: Clock
    min_age: timedelta
    retention: timedelta  # versions that were deleted longer ago than this need nothing

    def find(self) -> list[StoredFile]:
        """Return what no version needs."""
        with self.store.reading() as catalog:
            needed = self._needed(catalog)
        young = self.clock() - self.min_age
        return [file for file in self.blobs.stored() if file.digest not in needed and file.modified < young]

    def remove(self, files: Sequence[StoredFile]) -> Iterator[StoredFile]:
        """Remove those of the files that are still not needed; yield each one that was."""
        left = deque(files)
        while left:
            yield from self._remove_some(left)
            if left:
                time.sleep(_REST_S)
        self._uncount_what_is_not_stored()

    def _remove_some(self, left: deque[StoredFile]) -> list[StoredFile]:
        """Take files from those that are left, and return what was removed of them."""
        removed = []
        with self.store.writing() as catalog:
            needed, end = self._needed(catalog), time.monotonic() + _LONGEST_S
            for _ in range(min(_AT_ONCE, len(left))):
                file = left.popleft()
                if file.digest not in needed and self.blobs.remove(file, catalog.check_alone):
                    removed.append(file)
                    if not file.is_manifest:
                        catalog.remove_blob_owner(file.digest)  # nobody is charged for what is gone
                if time.monotonic() >= end:
                    break
        return removed

    def _uncount_what_is_not_stored(self) -> None:
        """Charge nobody for a blob that was lost; see `StoredBytes`."""
        with self.store.reading() as catalog:
            owned = set(catalog.owned_blobs())
        lost = sorted(owned.difference(file.digest for file in self.blobs.stored()))
        for start in range(0, len(lost), _AT_ONCE):
            with self.store.writing() as catalog:
                for sha256 in lost[start : start + _AT_ONCE]:
                    if self.blobs.size(sha256) is None:
                        catalog.remove_blob_owner(sha256)

    def _needed(self, catalog: CatalogReader) -> set[str]:
        return catalog.needed(self.clock() - self.retention)
