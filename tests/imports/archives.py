"""Malicious archives, made by code, each with the rule that must refuse it."""

import gzip
import io
import json
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from gnomon.bundle import manifest
from tests.imports.good import Contents, good, listed


def whole(contents: Contents | None = None) -> Contents:
    """Return a bundle with its manifest."""
    contents = contents or good()
    return contents | {"manifest.json": manifest(listed(contents))}


def zipped(
    contents: Contents, *more: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in (*contents.items(), *more):
            archive.writestr(name, content)
    return file.getvalue()


def tarred(contents: Contents, *more: tarfile.TarInfo, packed: bool = False) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz" if packed else "w") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info, io.BytesIO(b"\0" * info.size))
    return file.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def tar_with(kind: bytes, target: str) -> bytes:
    return tarred(whole(), entry("l", kind, target))


def packed_bomb() -> bytes:
    return tarred(whole(), entry("z.txt", size=300 << 20), packed=True)


def zip_link() -> bytes:
    info = zipfile.ZipInfo("model2.onnx")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped(whole(), (info, b"/etc/passwd"))


def zip_bomb() -> bytes:
    return zipped(whole(), ("zeros.txt", b"\0" * (300 << 20)))


def zip_twice(name: str) -> bytes:
    info = zipfile.ZipInfo(name)
    return zipped(whole(), (info, b"{}"))


def lying_zip() -> bytes:
    """The directory at the end says that a file is small; its content is not."""
    archive = bytearray(zipped(whole(), ("zeros.txt", b"\0" * (300 << 20))))
    at = archive.rindex(b"PK\x01\x02")
    archive[at + 24 : at + 28] = struct.pack("<I", 10)
    return bytes(archive)


def huge_directory() -> bytes:
    """An end of directory that announces three gigabytes of it."""
    return b"PK\x03\x04" + b"\0" * 100 + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 3 << 30, 0, 0)


def huge_header() -> bytes:
    """A header of a tar file that is itself 300 MB long, in a small gzip file."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 300 << 20
    return gzip.compress(info.tobuf() + b"\0" * (300 << 20), 9)


def many_headers() -> bytes:
    """Headers of headers: the library reads each inside of the one before."""
    header = entry("x", tarfile.XHDTYPE).tobuf(tarfile.USTAR_FORMAT)
    return header * 5_000 + tarred(whole())


def changed(**contents: bytes) -> bytes:
    names = {name.replace("_", "."): content for name, content in contents.items()}
    return zipped(whole() | names)


def listing(**changes: object) -> bytes:
    contents = whole()
    listed_ = json.loads(contents["manifest.json"])
    listed_["files"][0] |= changes
    return zipped(contents | {"manifest.json": json.dumps(listed_).encode()})


def without(name: str) -> bytes:
    return zipped({path: content for path, content in whole().items() if path != name})


Make = Callable[[], bytes]

ARCHIVES: dict[str, tuple[str, Make]] = {
    "a zip that climbs out": ("archive-path", lambda: zipped(whole(), ("../../evil.txt", b"x"))),
    "a zip with an absolute path": ("archive-path", lambda: zipped(whole(), ("/tmp/evil.txt", b"x"))),
    "a zip with a backslash": ("archive-path", lambda: zipped(whole(), ("..\\evil.txt", b"x"))),
    "a zip with a control character": ("archive-path", lambda: zipped(whole(), ("a\nb.txt", b"x"))),
    "a zip with a NUL in a name": (
        "archive-path",
        lambda: zipped(whole()).replace(b"MODEL_CARD", b"MODEL\0CARD"),
    ),
    "a zip with a name of another script": ("archive-path", lambda: zipped(whole(), ("\uff45vil.txt", b"x"))),
    "a zip with a link": ("archive-link", zip_link),
    "a zip with a name twice in other case": ("archive-duplicate", lambda: zip_twice("MODEL.onnx")),
    "a zip with a file below a file": ("archive-duplicate", lambda: zip_twice("model.onnx/x.txt")),
    "a zip that unpacks to 300 MB": ("archive-size", zip_bomb),
    "a zip that lies about a size": ("archive-form", lying_zip),
    "a zip with a huge directory": ("archive-form", huge_directory),
    "a zip that is cut off": ("archive-form", lambda: zipped(whole())[:-30]),
    "a zip packed by another method": ("archive-form", lambda: zipped(whole(), method=zipfile.ZIP_LZMA)),
    "a zip of a thousand files": (
        "archive-count",
        lambda: zipped(whole(), *((f"f{n}.txt", b"x") for n in range(1000))),
    ),
    "a zip in a zip": ("manifest", lambda: zipped(whole(), ("more.txt", zipped(whole())))),
    "a zip in a zip that is listed": (
        "file-kind",
        lambda: zipped(whole(good() | {"more.txt": zipped(good())})),
    ),
    "a tar that climbs out": ("archive-path", lambda: tarred(whole(), entry("../evil.txt"))),
    "a tar with a symbolic link": (
        "archive-link",
        lambda: tar_with(tarfile.SYMTYPE, "/etc"),
    ),
    "a tar with a hard link": (
        "archive-link",
        lambda: tar_with(tarfile.LNKTYPE, "/etc/passwd"),
    ),
    "a tar with a device": ("archive-link", lambda: tarred(whole(), entry("d", tarfile.CHRTYPE))),
    "a tar with a pipe": ("archive-link", lambda: tarred(whole(), entry("p", tarfile.FIFOTYPE))),
    "a tar with a name twice": ("archive-duplicate", lambda: tarred(whole(), entry("Model.onnx"))),
    "a packed tar of 300 MB": (
        "archive-size",
        packed_bomb,
    ),
    "a tar with a huge header": ("archive-size", huge_header),
    "a tar with headers of headers": ("archive-form", many_headers),
    "a packed tar that is cut off": ("archive-form", lambda: tarred(whole(), packed=True)[:-50]),
    "no archive": ("archive-form", lambda: b"hello, world" * 100),
    "a file that is not listed": ("manifest", lambda: zipped(whole(), ("extra.txt", b"x"))),
    "a file that is missing": ("manifest", lambda: without("model.onnx")),
    "a file that differs": ("manifest", lambda: zipped(whole() | {"MODEL_CARD.md": b"# Other\n"})),
    "a file of another length": ("manifest", lambda: changed(report_json=b"{}")),
    "no manifest": ("manifest", lambda: without("manifest.json")),
    "a manifest with a path upwards": ("manifest", lambda: listing(path="../x")),
    "a manifest without a digest": ("manifest", lambda: listing(sha256="0")),
    "a manifest with a size that is no number": ("manifest", lambda: listing(size_bytes="1")),
    "no report": ("report", lambda: zipped(whole({k: v for k, v in good().items() if k != "report.json"}))),
}


def write_all(folder: Path) -> None:
    folder.mkdir()
    for number, (_, make) in enumerate(ARCHIVES.values()):
        (folder / f"{number:02}.bundle").write_bytes(make())
