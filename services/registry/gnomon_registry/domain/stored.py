"""What API keys have stored here."""

from dataclasses import dataclass

from gnomon.names import ApiKeyName
from gnomon.quotas import Quotas, Usage, check_storage
from gnomon_registry.domain.entities import BlobOwner
from gnomon_registry.domain.ports import BlobStore, BlobUpload, CatalogReader, CatalogStore


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """A blob is counted for the first key that stores it; one that comes again counts nothing.

    It takes its place in the transaction that counts it, as the only writer: either both are there or
    neither is. A process that is killed between the two leaves a blob that is nobody's, never a count
    without a blob. Garbage leaves in such a transaction as well, so that a count without a blob (of a
    process that was killed while it removed one) is known to be void.
    """

    store: CatalogStore
    blobs: BlobStore

    def check_room(self, sha256: str, size_bytes: int, api_key: str, quotas: Quotas) -> None:
        """Refuse a blob that is too much before it is sent.

        Raises:
            QuotaExceededError: it is more than the key may store.
        """
        if quotas.storage_bytes and self.blobs.size(sha256) is None:
            with self.store.reading() as catalog:
                _check_room(catalog, sha256, size_bytes, api_key, quotas)

    def put(self, upload: BlobUpload, sha256: str, size_bytes: int, api_key: str, quotas: Quotas) -> None:
        """Finish an upload and count it.

        Raises:
            BlobDigestMismatchError: it is not what was announced.
            QuotaExceededError: it is more than the key may store.
        """
        upload.seal()  # before: others who write do not wait for a disk
        with self.store.writing() as catalog:
            if self.blobs.size(sha256) is None:
                _check_room(catalog, sha256, size_bytes, api_key, quotas)
                catalog.put_blob_owner(sha256, BlobOwner(api_key, size_bytes))
            upload.finish()

    def of(self, key: ApiKeyName) -> Usage:
        with self.store.reading() as catalog:
            return Usage(storage_bytes=catalog.stored_bytes(str(key)))


def _check_room(catalog: CatalogReader, sha256: str, size_bytes: int, api_key: str, quotas: Quotas) -> None:
    """Check a blob that is not stored, so that a count of it is void."""
    owner = catalog.blob_owner(sha256)
    void = owner.size_bytes if owner is not None and owner.api_key == api_key else 0
    check_storage(quotas, catalog.stored_bytes(api_key) - void, size_bytes, api_key)
