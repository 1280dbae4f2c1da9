"""`python -m gnomon_registry.operate`: upgrade, backup, restore, garbage collection; see `gnomon db`."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from gnomon_registry.adapters import backup
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.schema import metric_versions
from gnomon_registry.domain.garbage import Garbage
from gnomon_registry.domain.ports import BlobStore, StoredFile
from gnomon_registry.settings import RegistrySettings
from gnomon_registry.wiring import garbage, stores
from gnomon_rpc.environment import explain
from gnomon_storage import operating
from gnomon_storage.operating import Removable


@dataclass(frozen=True, slots=True)
class RegistryData:
    """The registry's catalog and artifacts."""

    database: Database
    blobs: BlobStore

    def backup(self, folder: Path) -> dict[str, Any]:
        return backup.backup(self.database, self.blobs, folder)

    def restore(self, folder: Path) -> dict[str, Any]:
        return backup.restore(self.database, self.blobs, folder)

    def garbage(self, min_age: timedelta, retention: timedelta, delete: bool) -> Iterable[Removable]:
        self.database.prepare(migrate=False)
        finds: Garbage = garbage(self.database, self.blobs, min_age, retention)
        found = finds.find()
        return map(_removable, finds.remove(found) if delete else found)

    def names_nothing(self) -> bool:
        with self.database.read() as connection:
            return connection.execute(select(metric_versions.c.digest).limit(1)).first() is None


def _removable(file: StoredFile) -> Removable:
    folder = "manifests" if file.is_manifest else "blobs"
    return Removable(f"{folder}/{file.digest}", file.size_bytes)


def main(arguments: list[str] | None = None) -> int:
    try:
        settings = RegistrySettings()
    except ValidationError as error:
        print(f"registry: wrong settings\n{explain(error, 'GNOMON_REGISTRY_')}", file=sys.stderr)  # noqa: T201
        return 2
    return operating.main("registry", lambda: RegistryData(*stores(settings)), arguments)


if __name__ == "__main__":
    sys.exit(main())
