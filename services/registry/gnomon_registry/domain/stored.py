"""What API keys have stored here."""

from dataclasses import dataclass

from gnomon.names import ApiKeyName
from gnomon.quotas import Quotas, Usage, check_storage
from gnomon_registry.domain.entities import BlobOwner
from gnomon_registry.domain.ports import BlobStore, CatalogStore


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """A blob is counted for the first key that stores it, before it has its place: there is never more
    in the store than was counted. One that comes again counts nothing.
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
                check_storage(quotas, catalog.stored_bytes(api_key), size_bytes, api_key)

    def charge(self, sha256: str, size_bytes: int, api_key: str, quotas: Quotas) -> bool:
        """Count a blob; return whether it was not counted before.

        Raises:
            QuotaExceededError: it is more than the key may store.
        """
        is_stored = self.blobs.size(sha256) is not None
        with self.store.writing() as catalog:
            owner = catalog.blob_owner(sha256)
            if is_stored or (owner is not None and owner.api_key == api_key):
                return False
            check_storage(quotas, catalog.stored_bytes(api_key), size_bytes, api_key)
            catalog.put_blob_owner(sha256, BlobOwner(api_key, size_bytes))
        return True

    def give_back(self, sha256: str) -> None:
        """Take back a count whose blob was not stored, unless somebody else has stored it meanwhile."""
        if self.blobs.size(sha256) is None:
            with self.store.writing() as catalog:
                catalog.remove_blob_owner(sha256)

    def of(self, key: ApiKeyName) -> Usage:
        with self.store.reading() as catalog:
            return Usage(storage_bytes=catalog.stored_bytes(str(key)))
