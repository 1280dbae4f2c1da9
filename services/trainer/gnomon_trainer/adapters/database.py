"""The trainer's database: one that the service and its workers share."""

from pathlib import Path

from gnomon_storage.database import SqlDatabase
from gnomon_storage.migrating import Migrations
from gnomon_trainer.adapters.tables import metadata

MIGRATIONS = Migrations(Path(__file__).parent / "migrations", metadata)


class Database(SqlDatabase):
    """Opens transactions on datasets, runs and what else the trainer keeps.

    `synchronous` is SQLite's pragma: with `NORMAL` a power cut may take the last
    moment, which runs repeat from their checkpoints; with `FULL` it takes nothing.
    """

    def __init__(
        self,
        url: str,
        busy_timeout_s: float = 15.0,
        password_file: Path | None = None,
        *,
        synchronous: str = "NORMAL",
    ) -> None:
        super().__init__(
            url,
            owner="trainer",
            migrations=MIGRATIONS,
            busy_timeout_s=busy_timeout_s,
            synchronous=synchronous,
            password_file=password_file,
        )
