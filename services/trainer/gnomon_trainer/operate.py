"""`python -m gnomon_trainer.operate`: upgrade, backup, restore, garbage collection; see `gnomon db`."""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from gnomon_rpc.environment import explain
from gnomon_storage import operating
from gnomon_storage.operating import Removable
from gnomon_trainer.adapters import backup
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.garbage import Garbage
from gnomon_trainer.adapters.tables import dataset_versions, runs
from gnomon_trainer.settings import TrainerSettings


@dataclass(frozen=True, slots=True)
class TrainerData:
    """The trainer's database and data folder."""

    database: Database
    data_dir: Path

    def backup(self, folder: Path) -> dict[str, Any]:
        return backup.backup(self.database, self.data_dir, folder)

    def restore(self, folder: Path) -> dict[str, Any]:
        return backup.restore(self.database, self.data_dir, folder)

    def garbage(self, min_age: timedelta, retention: timedelta, delete: bool) -> Iterable[Removable]:
        self.database.prepare(migrate=False)
        garbage = Garbage(
            database=self.database,
            data_dir=self.data_dir,
            now=time.time(),
            min_age_s=min_age.total_seconds(),
            retention_s=retention.total_seconds(),
        )
        found = garbage.find()
        return garbage.remove(found) if delete else map(garbage.removable, found)

    def names_nothing(self) -> bool:
        with self.database.read() as connection:
            ids = (dataset_versions.c.digest, runs.c.uid)
            return all(connection.execute(select(each).limit(1)).first() is None for each in ids)


def main(arguments: list[str] | None = None) -> int:
    try:
        settings = TrainerSettings()
    except ValidationError as error:
        print(f"trainer: wrong settings\n{explain(error, 'GNOMON_TRAINER_')}", file=sys.stderr)  # noqa: T201
        return 2
    return operating.main("trainer", lambda: _data(settings), arguments)


def _data(settings: TrainerSettings) -> TrainerData:
    database = Database(settings.database_url, password_file=settings.database_password_file)
    return TrainerData(database, settings.data_dir)


if __name__ == "__main__":
    sys.exit(main())
