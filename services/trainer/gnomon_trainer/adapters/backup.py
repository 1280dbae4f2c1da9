"""Backups of the trainer: its database, then the rows and bundles that it names."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gnomon.errors import ArtifactCorruptError
from gnomon_storage import backup_files, dumping
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.tables import dataset_versions, metadata, runs
from gnomon_trainer.domain.runs import RunState

_DATABASE = "database"


def backup(database: Database, data_dir: Path, folder: Path) -> dict[str, Any]:
    """Write a backup into a folder that does not exist yet; return its index. The trainer may run.

    The database is copied first, as of one moment. Of a run only what it ended
    with is copied, its bundle and its predictions: one that was under way begins
    anew where the backup is restored.
    """
    revision = database.state().current
    database.prepare(migrate=False)  # a schema of another release cannot be read
    with database.read() as connection:
        dumping.dump(connection, metadata, folder / _DATABASE)
        t = dataset_versions.c
        datasets = connection.execute(select(t.dataset, t.version, t.digest, t.delete_time)).all()
        r = runs.c
        named = (r.state, r.work_folder, r.bundle_folder, r.predictions_file)
        ended = connection.execute(select(*named).where(r.bundle_digest != "")).all()
    for dataset in datasets:
        name = f"datasets/{dataset.dataset}@{dataset.version}"
        _copy_rows(data_dir, folder, dataset.digest, name, deleted=dataset.delete_time is not None)
    left_out = [run.work_folder for run in ended if not _copy_run(data_dir, folder, run._mapping)]
    about = {"revision": revision, "datasets": len(datasets), "runs_without_files": left_out}
    return backup_files.seal(folder, about)


def _copy_rows(data_dir: Path, folder: Path, digest: str, name: str, *, deleted: bool) -> None:
    source, target = data_dir / "datasets" / f"{digest}.jsonl", folder / "datasets" / f"{digest}.jsonl"
    if target.exists() or (deleted and not source.exists()):
        return
    target.parent.mkdir(exist_ok=True)
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)
    if not target.exists() or backup_files.sha256_of(target) != digest:
        raise ArtifactCorruptError(
            f"The rows of {name} are missing or altered on the trainer's disk. Upload the file again, or "
            "delete the dataset, then take the backup.",
            resource=name,
            path=source.name,
        )


def _copy_run(data_dir: Path, folder: Path, run: Mapping[Any, Any]) -> bool:
    """Copy a run's bundle and predictions; return False if they are not there, as after a lost disk."""
    work = data_dir / "runs" / run["work_folder"]
    target = folder / "runs" / run["work_folder"]
    try:
        shutil.copytree(work / run["bundle_folder"], target / run["bundle_folder"])
        (target / run["predictions_file"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work / run["predictions_file"], target / run["predictions_file"])
    except (OSError, shutil.Error):
        shutil.rmtree(target, ignore_errors=True)
        return RunState(run["state"]) not in {RunState.REGISTERED, RunState.FINE_TUNED}
    return True


def restore(database: Database, data_dir: Path, folder: Path) -> dict[str, Any]:
    """Bring back a backup into an empty database and a folder that may hold some of the files already.

    The database comes last, in one transaction: a restore that was cut off can be repeated.

    Raises:
        ArtifactCorruptError: the backup is not whole.
        ResourceInUseError: the database is not empty.
    """
    index = backup_files.checked(folder)
    database.check_empty()
    for part in ("datasets", "runs"):
        for path in backup_files.listed(folder, index, part):
            _bring_back(path, data_dir / path.relative_to(folder))
    of_database = backup_files.listed(folder, index, _DATABASE)
    database.restore(index["revision"], dumping.written(folder / _DATABASE, of_database))
    return index


def _bring_back(source: Path, target: Path) -> None:
    """Copy a file as a new one: a trainer that starts meanwhile removes what is old and has no name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
