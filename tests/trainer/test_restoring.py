"""A trainer that is restored while another process of it starts."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gnomon_trainer.adapters import backup
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.garbage import Garbage
from gnomon_trainer.adapters.row_files import RowFiles
from gnomon_trainer.adapters.sql_datasets import SqlDatasetStore
from gnomon_trainer.domain import runs as rules
from tests.trainer.test_stores_contract import FIRST, SqlStores, sqlite_stores
from tests.trainer.things import draft, new_run

HOUR_S = 3600.0
RUN = {"work_folder": "r/1", "bundle_folder": "bundle", "predictions_file": "predictions.jsonl"}


def rows_in(data_dir: Path) -> RowFiles:
    return RowFiles(data_dir / "datasets", data_dir / "tmp")


def filled(stores: SqlStores, data_dir: Path) -> str:
    """Store a dataset and a run that has ended; return the digest of the rows."""
    sink = rows_in(data_dir).sink()
    sink.write({"output": "Hello."})
    digest, _ = sink.keep()
    stores.datasets.add([draft("train", digest), draft("test", digest)], None, 1.0)
    stores.runs.create(new_run(), None)
    stores.runs.change(
        FIRST, lambda run: rules.fine_tuned(run, bundle_digest="d" * 64, report={"formats": []}, **RUN)
    )
    work = data_dir / "runs" / RUN["work_folder"]
    (work / "bundle").mkdir(parents=True)
    (work / "bundle" / "evaluator.json").write_text("{}")
    (work / "predictions.jsonl").write_text("{}")
    return digest


def age(folder: Path) -> None:
    """Make a folder one of yesterday."""
    yesterday = time.time() - 24 * HOUR_S
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (yesterday, yesterday))


def swept(database: Database, data_dir: Path) -> None:
    """Do what a trainer that starts does, and what its operator may do."""
    now = time.time()
    rows_in(data_dir).sweep(SqlDatasetStore(database).digests(), now - HOUR_S)
    garbage = Garbage(database, data_dir, now, min_age_s=HOUR_S, retention_s=0.0)
    list(garbage.remove(garbage.find()))


def test_what_is_restored_is_not_taken_for_what_was_left_before_the_database_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, target = (sqlite_stores(tmp_path / f"{name}.db") for name in ("source", "target"))
    digest = filled(stores, tmp_path / "source")
    backup.backup(stores.database, tmp_path / "source", tmp_path / "backup")
    age(tmp_path / "backup")
    data_dir, restore = tmp_path / "target", Database.restore

    def restored(database: Database, revision: str, files: Sequence[Path]) -> None:
        swept(database, data_dir)
        restore(database, revision, files)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "restore", restored)
        backup.restore(target.database, data_dir, tmp_path / "backup")

    assert list(rows_in(data_dir).read(digest)) == [{"output": "Hello."}]
    found = {str(path.relative_to(data_dir)) for path in data_dir.rglob("*") if path.is_file()}
    assert found == {
        f"datasets/{digest}.jsonl",
        "runs/r/1/bundle/evaluator.json",
        "runs/r/1/predictions.jsonl",
    }
    stores.database.close()
    target.database.close()
