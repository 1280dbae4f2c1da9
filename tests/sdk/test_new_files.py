"""What is written beside its place is as open to others as the umask of who writes it says."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon import bundle_archives
from gnomon._files import NewFile, NewFolder


@pytest.fixture(params=[0o022, 0o027, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_published_file_is_as_open_as_the_umask_says(tmp_path: Path, umask: int) -> None:
    file = NewFile(tmp_path / "rows.jsonl")
    file.write(b"{}\n")
    file.publish()
    file.discard()

    assert _mode(tmp_path / "rows.jsonl") == 0o666 & ~umask


def test_a_published_folder_is_as_open_as_the_umask_says(tmp_path: Path, umask: int) -> None:
    folder = NewFolder(tmp_path / "bundle")
    folder.write("evaluator.json", b"{}")
    folder.publish()

    assert _mode(tmp_path / "bundle") == 0o777 & ~umask
    assert _mode(tmp_path / "bundle/evaluator.json") == 0o666 & ~umask


def test_a_packed_bundle_is_as_open_as_the_umask_says(tmp_path: Path, umask: int) -> None:
    (tmp_path / "bundle").mkdir()
    for name in ("evaluator.json", "tokenizer.json", "model.onnx"):
        (tmp_path / "bundle" / name).write_bytes(b"{}")
    bundle_archives.pack(tmp_path / "bundle", tmp_path / "bundle.zip")

    assert _mode(tmp_path / "bundle.zip") == 0o666 & ~umask


def test_two_that_write_one_place_write_apart_and_leave_nothing_behind(tmp_path: Path) -> None:
    place = tmp_path / "rows.jsonl"
    one, other = NewFile(place), NewFile(place)
    one.write(b"one")
    other.write(b"other")
    one.publish()
    other.discard()
    one.discard()

    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("rows.jsonl", b"one")]
