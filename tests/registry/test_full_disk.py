"""A disk that runs full: on a small file system of its own where one can be mounted, and simulated."""

import contextlib
import errno
import os
import sqlite3
import subprocess

import pytest
from sqlalchemy.exc import OperationalError

from gnomon.errors import ArtifactCorruptError, ServiceUnavailableError, StorageFullError
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon_registry.adapters.blobs import FileBlobStore
from gnomon_storage import troubles
from tests.registry import bundles
from tests.registry.running import error_of, registry, version_request


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "gnomon-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Write until nothing goes any more; return the file, whose removal makes room again."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return path


async def test_a_full_artifact_store_refuses_a_blob_and_keeps_the_rest(small_disk, tmp_path):
    async with registry(tmp_path, artifact_url=f"file://{small_disk}") as caller:
        await caller.upload(b"kept")
        before = sorted(path for path in small_disk.rglob("*") if path.is_file())
        error = await error_of(caller.upload(b"x" * 3_000_000))
        after = sorted(path for path in small_disk.rglob("*") if path.is_file())
        await caller.upload(b"x" * 300_000)

    assert isinstance(error, StorageFullError)
    assert error.retry_after_s is None
    assert after == before


async def test_a_full_disk_while_the_manifest_is_written_makes_no_version(small_disk, tmp_path):
    contents = bundles.files()
    async with registry(tmp_path, artifact_url=f"file://{small_disk}") as caller:
        await caller.metric()
        await caller.upload_all(contents)
        filler = fill(small_disk)
        error = await error_of(caller.CreateMetricVersion(version_request(contents)))
        listed = list(await caller.versions(show_deleted=True))
        filler.unlink()
        made = await caller.CreateMetricVersion(version_request(contents))

    assert isinstance(error, StorageFullError)
    assert listed == []
    assert made.name == "metrics/tox/versions/1"


@pytest.mark.slow
async def test_a_full_disk_while_a_row_is_written_leaves_the_catalog_whole(small_disk, tmp_path):
    url = f"sqlite:///{small_disk / 'registry.db'}"
    contents = bundles.files()
    async with registry(tmp_path, database_url=url) as caller:
        await caller.metric()
        first = await caller.version()
        await caller.upload_all(contents)
        filler = fill(small_disk)
        errors = [await error_of(_until_refused(caller, contents)) for _ in range(3)]
        readable = await caller.get_version(1)
        before = [version.name for version in await caller.versions()]
        filler.unlink()
        made = await caller.CreateMetricVersion(version_request(contents))
        after = [version.name for version in await caller.versions()]
    async with registry(tmp_path, database_url=url) as caller:
        restarted = [version.name for version in await caller.versions()]

    assert all(isinstance(error, StorageFullError) for error in errors)
    assert readable == first
    assert after == [made.name, *before]
    assert restarted == after
    with contextlib.closing(sqlite3.connect(small_disk / "registry.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def _until_refused(caller, contents):
    """A write-ahead log may have room left in what it occupies already."""
    for _ in range(1000):
        await caller.CreateMetricVersion(version_request(contents, description="x" * 10_000))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("step", ["fsync", "write"])
async def test_a_disk_that_runs_full_at_any_step_leaves_no_part(tmp_path, monkeypatch, step, number):
    def fail(*args):
        raise OSError(number, "full")

    async with registry(tmp_path) as caller:
        with monkeypatch.context() as patch:
            if step == "fsync":
                patch.setattr("gnomon_registry.adapters.blobs.os.fsync", fail)
            else:
                open_file = FileBlobStore.upload

                def upload(self, *args):
                    upload = open_file(self, *args)
                    upload._part._opened().write = fail
                    return upload

                patch.setattr(FileBlobStore, "upload", upload)
            error = await error_of(caller.upload(b"x" * 1000))
        left = [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
        missing = await caller.FindMissingBlobs(
            rpc.FindMissingBlobsRequest(sha256=[bundles.sha256(b"x" * 1000)])
        )
        await caller.upload(b"x" * 1000)

    assert isinstance(error, StorageFullError)
    assert left == []
    assert len(missing.missing_sha256) == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, StorageFullError),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StorageFullError),
        (sqlite3.SQLITE_BUSY, ServiceUnavailableError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, ServiceUnavailableError),
        (sqlite3.SQLITE_LOCKED, ServiceUnavailableError),
        (sqlite3.SQLITE_CORRUPT, ArtifactCorruptError),
        (sqlite3.SQLITE_NOTADB, ArtifactCorruptError),
        (sqlite3.SQLITE_CANTOPEN, ServiceUnavailableError),
        (sqlite3.SQLITE_READONLY_DBMOVED, ServiceUnavailableError),
        (sqlite3.SQLITE_MISUSE, OperationalError),
    ],
)
def test_what_the_database_says_is_put_in_words(code, expected):
    cause = sqlite3.OperationalError("text that may change")
    cause.sqlite_errorcode = code
    with pytest.raises(expected), troubles.in_words("registry"):
        raise OperationalError("INSERT", {}, cause)
