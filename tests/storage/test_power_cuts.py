"""What was answered to be stored is there after a power cut, with the names that find it."""

import hashlib
from pathlib import Path

import pytest

from gnomon import folders
from gnomon_registry.adapters.blobs import FileBlobStore
from gnomon_trainer.adapters.row_files import RowFiles
from tests.power_cuts import Disk


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_rows_survive_a_power_cut_also_the_first_in_a_new_folder(tmp_path: Path, disk: Disk) -> None:
    data = tmp_path / "new" / "data"
    files = RowFiles(data / "datasets", data / "tmp")
    files.check()

    for count in range(1, 4):
        sink = files.sink()
        sink.write({"output": f"of {count}"})
        sink.keep()

        stored = files_below(data)
        assert len(stored) == count
        assert all(map(disk.keeps, stored))


def test_blobs_survive_a_power_cut_also_the_first_in_a_new_folder(tmp_path: Path, disk: Disk) -> None:
    root = tmp_path / "new" / "artifacts"
    store = FileBlobStore(f"file://{root}")

    for count in range(1, 6):
        content = f"blob {count}".encode()
        upload = store.upload(hashlib.sha256(content).hexdigest(), len(content))
        upload.write(content)
        upload.finish()
        store.put_manifest(hashlib.sha256(content).hexdigest(), content)

        stored = files_below(root)
        assert len(stored) == 2 * count
        assert all(map(disk.keeps, stored))


def test_a_folder_that_is_there_is_made_without_a_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.make_folder(tmp_path / "a" / "b")

    def refuse(_: int) -> None:
        raise AssertionError("nothing is new")

    monkeypatch.setattr("os.fsync", refuse)
    folders.make_folder(tmp_path / "a" / "b")
