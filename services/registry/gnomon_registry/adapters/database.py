"""The registry's database: the catalog."""

from pathlib import Path

from gnomon_registry.adapters.schema import metadata
from gnomon_storage.database import SqlDatabase
from gnomon_storage.migrating import Migrations

MIGRATIONS = Migrations(Path(__file__).parent / "migrations", metadata)


class Database(SqlDatabase):
    """Opens transactions on the catalog; what was answered survives a power cut."""

    def __init__(self, url: str, busy_timeout_s: float = 5.0, password_file: Path | None = None) -> None:
        super().__init__(
            url,
            owner="registry",
            migrations=MIGRATIONS,
            busy_timeout_s=busy_timeout_s,
            password_file=password_file,
        )
