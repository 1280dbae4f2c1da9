"""Files of the trainer that no dataset and no run needs."""

import shutil
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, or_, select

from gnomon_storage.operating import Removable
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.tables import dataset_versions, runs

# What is removed while nobody else may write.
_AT_ONCE = 50
_LONGEST_S = 1.0
_REST_S = 0.2  # so that writers who wait for their turn by sleeping get it


@dataclass(frozen=True, slots=True)
class Garbage:
    """Finds row files, and work folders of runs with what they predicted, that nothing refers to.

    A dataset's rows are written before the dataset is, so files younger than
    `min_age_s` are left; writing rows that are there already makes them young.
    Files are removed while this is the only writer of the database.
    """

    database: Database
    data_dir: Path
    now: float  # seconds since the epoch
    min_age_s: float
    retention_s: float  # datasets that were deleted longer ago than this need nothing

    def find(self) -> list[Path]:
        """Return what nothing needs."""
        with self.database.read() as connection:
            needed = self._needed(connection)
        return [path for path in self._stored() if path.stem not in needed and self._is_old(path)]

    def remove(self, paths: list[Path]) -> Iterator[Removable]:
        """Remove those of the paths that are still not needed; yield each one that was."""
        left = deque(paths)
        while left:
            yield from self._remove_some(left)
            if left:
                time.sleep(_REST_S)

    def _remove_some(self, left: deque[Path]) -> list[Removable]:
        """Take paths from those that are left, and return what was removed of them."""
        removed, folders = [], []
        with self.database.write() as connection:
            needed, end = self._needed(connection), time.monotonic() + _LONGEST_S
            for _ in range(min(_AT_ONCE, len(left))):
                path = left.popleft()
                if path.stem not in needed and self._is_old(path):
                    removed.append(self.removable(path))
                    # A server may have ended this transaction, and let others write.
                    connection.exec_driver_sql("SELECT 1")
                    if path.is_dir():
                        folders.append(_set_aside(path))
                    else:
                        path.unlink(missing_ok=True)
                if time.monotonic() >= end:
                    break
        for folder in folders:  # which takes long, and workers must tell that they are alive
            shutil.rmtree(folder, ignore_errors=True)
        return removed

    def removable(self, path: Path) -> Removable:
        files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
        return Removable(str(path.relative_to(self.data_dir)), sum(file.stat().st_size for file in files))

    def _stored(self) -> Iterator[Path]:
        yield from sorted((self.data_dir / "datasets").glob("*.jsonl"))
        yield from sorted(path for path in (self.data_dir / "runs").glob("*") if path.is_dir())

    def _is_old(self, path: Path) -> bool:
        try:
            return path.stat().st_mtime < self.now - self.min_age_s
        except FileNotFoundError:
            return False

    def _needed(self, connection: Connection) -> set[str]:
        """Return digests of row files, and the IDs of runs."""
        t = dataset_versions.c
        kept = or_(t.delete_time.is_(None), t.delete_time > self.now - self.retention_s)
        needed = {*connection.execute(select(t.digest).where(kept)).scalars()}
        for uid, spec in connection.execute(select(runs.c.uid, runs.c.spec)):
            # Also of runs that have ended: they are compared row by row, and may be resumed.
            needed |= {uid, spec["training_set_digest"], spec["test_set_digest"]}
        return needed


def _set_aside(folder: Path) -> Path:
    """Give a folder a name that no run has, at once; one that stays there is found as any other is."""
    return folder.rename(folder.with_name(f"gone-{uuid.uuid4().hex}"))
