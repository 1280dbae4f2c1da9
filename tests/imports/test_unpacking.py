"""Archives, packed and unpacked where they lie: what may be in one, and what a broken one does."""

import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gnomon.bundle_archives import found_in, pack, unpack
from gnomon.bundle_checks import Policy, policy_from
from gnomon.errors import BundleInvalidError, InvalidRequestError
from tests.imports import archives
from tests.imports.good import good

_FOLDER = tarfile.DIRTYPE


def unpacked(folder: Path, content: bytes) -> dict[str, bytes]:
    """Return the files of an archive by their paths."""
    (folder / "a.bundle").write_bytes(content)
    unpack(folder / "a.bundle", folder / "out", Policy())
    files = [one for one in (folder / "out").rglob("*") if one.is_file()]
    return {str(one.relative_to(folder / "out")): one.read_bytes() for one in files}


def encrypted() -> bytes:
    """Return an archive whose directory says that its first file is encrypted."""
    content = bytearray(archives.zipped(archives.whole()))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def before_its_beginning() -> bytes:
    """Return an archive whose directory says that it begins 50 bytes later than it does."""
    content = bytearray(archives.zipped(archives.whole()))
    end = content.rindex(b"PK\x05\x06")
    start = struct.unpack_from("<I", content, end + 16)[0]
    struct.pack_into("<I", content, end + 16, start + 50)
    return bytes(content)


def negative() -> bytes:
    """Return a tar file whose file has a negative size, which the format can write."""
    header = bytearray(archives.entry("a.txt").tobuf())
    header[124:136] = tarfile.itn(-(1 << 62), 12, tarfile.GNU_FORMAT)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1_024)


def long_header() -> bytes:
    """Return a tar file that is not packed, with a header of three megabytes."""
    info = archives.entry("x", tarfile.XHDTYPE, size=3 << 20)
    return info.tobuf() + bytes(3 << 20)


def zip_of_folder() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("onnx/", b"")
        archive.writestr("onnx/model.onnx", b"x")
    return file.getvalue()


def test_folders_in_an_archive_need_no_entry_and_may_have_one(tmp_path: Path) -> None:
    folders = (archives.entry("./", _FOLDER), archives.entry("./onnx/", _FOLDER))
    tar = archives.tarred({}, *folders, archives.entry("./onnx/model.onnx", size=1))
    for number, content in enumerate((tar, zip_of_folder())):
        (tmp_path / str(number)).mkdir()
        assert list(unpacked(tmp_path / str(number), content)) == ["onnx/model.onnx"]


@pytest.mark.parametrize(
    ("make", "rule", "words"),
    [
        (encrypted, "archive-form", "evaluator.json is encrypted"),
        (before_its_beginning, "archive-form", "refers to a place before its beginning"),
        (negative, "archive-form", "refers to a place before its beginning"),
        (long_header, "archive-form", "has a header or a directory of more than 2097152 bytes"),
        (
            lambda: archives.tarred({}, archives.entry("a/../../b", _FOLDER)),
            "archive-path",
            "has a name that no file of a bundle may have",
        ),
    ],
)
def test_an_archive_that_no_tool_makes_is_refused(
    tmp_path: Path, make: Callable[[], bytes], rule: str, words: str
) -> None:
    with pytest.raises(BundleInvalidError, match=words) as caught:
        unpacked(tmp_path, make())
    assert caught.value.metadata["rule"] == rule


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "bundle"
    (place / "onnx").mkdir(parents=True)
    for path, content in good().items():
        (place / path).write_bytes(content)
    (place / "onnx" / "NOTES.md").write_text("notes")
    return place


def test_a_folder_has_the_files_of_its_folders(folder: Path) -> None:
    assert set(found_in(folder, Policy())) == {*good(), "onnx/NOTES.md"}


def test_a_folder_with_more_than_the_policy_allows_is_refused(folder: Path) -> None:
    with pytest.raises(BundleInvalidError, match="is one of more than 2 files") as caught:
        list(found_in(folder, policy_from({"max_files": 2})))
    assert caught.value.metadata["rule"] == "archive-count"


@pytest.mark.parametrize("name", [".hidden", "a b.txt", "\udcff.txt"])
def test_a_folder_with_a_name_that_no_bundle_may_have_is_refused(folder: Path, name: str) -> None:
    (folder / "onnx" / name).write_text("x")
    with pytest.raises(BundleInvalidError, match="has a name that no file of a bundle may have") as caught:
        list(found_in(folder, Policy()))
    assert caught.value.metadata["rule"] == "archive-path"


def test_a_file_that_has_a_second_name_elsewhere_is_refused(folder: Path, tmp_path: Path) -> None:
    os.link(folder / "model.onnx", tmp_path / "other.onnx")
    with pytest.raises(BundleInvalidError, match=r"model\.onnx is a link, a device, or has a second name"):
        list(found_in(folder, Policy()))


def test_an_archive_is_not_written_over_another_nor_under_a_name_of_no_kind(folder: Path) -> None:
    target = folder.parent / "bundle.zip"
    pack(folder, target)
    before = target.read_bytes()
    with pytest.raises(FileExistsError, match=r"bundle\.zip exists already"):
        pack(folder, target)
    with pytest.raises(InvalidRequestError, match=r"must end with one of \.zip, \.tar"):
        pack(folder, folder.parent / "bundle.rar")
    assert target.read_bytes() == before
    assert {one.name for one in folder.parent.iterdir()} == {"bundle", "bundle.zip"}
