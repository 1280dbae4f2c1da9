"""Backups of the registry: the catalog, then the blobs that it names."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gnomon import bundle
from gnomon.bundle import BundleFile
from gnomon.errors import GnomonError, NotFoundError
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.schema import metadata, metric_versions
from gnomon_registry.domain.ports import BlobStore
from gnomon_storage import backup_files, dumping

_DATABASE = "database"


def backup(database: Database, blobs: BlobStore, folder: Path) -> dict[str, Any]:
    """Write a backup into a folder that does not exist yet; return its index. The registry may run.

    The catalog is copied first, as of one moment. Blobs never change, so that
    copying them after it finds all that it names.
    """
    revision = database.state().current
    database.prepare(migrate=False)  # a schema of another release cannot be read
    with database.read() as connection:
        dumping.dump(connection, metadata, folder / _DATABASE)
        t = metric_versions.c
        versions = connection.execute(select(t.metric, t.number, t.digest, t.files, t.delete_time)).all()
    for row in versions:
        files = tuple(BundleFile(*each) for each in row.files)
        try:
            for file in files:
                _copy(blobs, file.sha256, folder / "blobs" / file.sha256)
        except NotFoundError:
            if row.delete_time is not None:
                continue  # its files were removed as garbage
            raise
        manifest = folder / "manifests" / row.digest
        manifest.parent.mkdir(exist_ok=True)
        manifest.write_bytes(bundle.manifest(files))
    return backup_files.seal(folder, {"revision": revision, "versions": len(versions)})


def _copy(blobs: BlobStore, sha256: str, path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    with closing(blobs.download(sha256)) as download, part.open("wb") as file:
        while content := download.read():  # raises before the end if it is not what the digest says
            file.write(content)
    part.replace(path)


def restore(database: Database, blobs: BlobStore, folder: Path) -> dict[str, Any]:
    """Bring back a backup into an empty database, and a store that may hold some of the blobs already.

    The database comes last, in one transaction: a restore that was cut off can be repeated.

    Raises:
        ArtifactCorruptError: the backup is not whole.
        ResourceInUseError: the database is not empty.
    """
    index = backup_files.checked(folder)
    database.check_empty()
    listed = partial(backup_files.listed, folder, index)
    present = {path.name: path.stat().st_size for path in listed("blobs")}
    for sha256 in blobs.missing(present):
        _upload(blobs, sha256, folder / "blobs" / sha256)
    for manifest in listed("manifests"):
        blobs.put_manifest(manifest.name, manifest.read_bytes())
    database.restore(index["revision"], dumping.written(folder / _DATABASE, listed(_DATABASE)))
    return index


def _upload(blobs: BlobStore, sha256: str, path: Path) -> None:
    upload = blobs.upload(sha256, path.stat().st_size)
    try:
        with path.open("rb") as file:
            while content := file.read(1024 * 1024):
                upload.write(content)
        upload.finish()
    except GnomonError:
        upload.abort()
        raise
