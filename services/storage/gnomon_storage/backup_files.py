"""The files of a backup: what there is, with its digest, written last; and whether it is whole.

Only what the index lists is restored. What else lies in the folder, such as an
operating system's own files or the rest of another backup, is told and left.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from gnomon.errors import ArtifactCorruptError

INDEX = "index.json"


def seal(folder: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Write the index of a folder: `about`, and every file with size and SHA-256; return it."""
    files = [
        {"path": _name(path, folder), "size_bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in _files(folder)
    ]
    index = {**about, "files": files}
    part = folder / f"{INDEX}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump(index, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / INDEX)
    return index


def checked(folder: Path) -> dict[str, Any]:
    """Return the index of a backup whose files are all there and unaltered.

    Raises:
        ArtifactCorruptError: they are not; nothing was restored.
    """
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(folder, INDEX, "is missing or unreadable: the backup was not finished") from error
    try:
        str(index["revision"])
        files = [(entry["path"], entry["size_bytes"], entry["sha256"]) for entry in index["files"]]
        places = [folder / name for name, _, _ in files]
    except (LookupError, TypeError) as error:
        raise _broken(folder, INDEX, "is altered") from error
    for place, (name, size_bytes, sha256) in zip(places, files, strict=True):
        if not place.is_file():
            raise _broken(folder, name, "is missing")
        if place.stat().st_size != size_bytes or sha256_of(place) != sha256:
            raise _broken(folder, name, "is altered")
    return index


def listed(folder: Path, index: dict[str, Any], part: str) -> list[Path]:
    """Return the files below a part of a backup that its index lists."""
    names = {entry["path"] for entry in index["files"]}
    return [path for path in _files(folder / part) if _name(path, folder) in names]


def unlisted(folder: Path, index: dict[str, Any]) -> list[str]:
    """Return what lies in the folder of a backup and is not of it."""
    names = {INDEX, *(entry["path"] for entry in index["files"])}
    return [name for path in _files(folder) if (name := _name(path, folder)) not in names]


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder))


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _broken(folder: Path, path: str, problem: str) -> ArtifactCorruptError:
    return ArtifactCorruptError(
        f"{path} of the backup {folder} {problem}. Nothing was restored; take another backup.",
        resource=str(folder),
        path=path,
    )
