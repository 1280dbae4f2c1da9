"""What is done with a bundle from outside before it is sent."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gnomon._files import sha256_of
from gnomon.bundle import MANIFEST_FILE, REPORT_FILE, BundleFile, is_sha256
from gnomon.bundle_archives import found_in, unpack
from gnomon.bundle_checks import Policy, check_contents, folder_opener
from gnomon.bundle_checks.json_text import read_json
from gnomon.bundle_checks.refusing import quoted, refuse

_MOST_MANIFEST_BYTES = 1024 * 1024


@contextmanager
def staged(source: Path, policy: Policy | None = None) -> Iterator[tuple[Path, tuple[BundleFile, ...]]]:
    """Give the folder of a bundle from outside, checked, and its files; what was unpacked is removed again.

    Raises:
        BundleInvalidError: it breaks a rule, or is not what its manifest says.
        FileNotFoundError: there is no such file or folder.
    """
    if not source.exists():
        raise FileNotFoundError(f"There is no {source}. Give a bundle's folder, or an archive of it.")
    policy = policy or Policy()
    with tempfile.TemporaryDirectory(prefix="gnomon-import-") as place:
        folder = source
        if not source.is_dir():
            folder = Path(place) / "bundle"
            unpack(source, folder, policy)
        yield folder, _checked(folder, policy)


def _checked(folder: Path, policy: Policy) -> tuple[BundleFile, ...]:
    sizes = {path: (folder / path).stat().st_size for path in found_in(folder, policy)}
    if MANIFEST_FILE not in sizes:
        refuse(MANIFEST_FILE, "manifest", "is missing; `gnomon versions export` and `download` write it")
    listed = {file.path: file for file in _manifest(folder, sizes.pop(MANIFEST_FILE))}
    for path in sorted(listed.keys() ^ sizes.keys()):
        refuse(path, "manifest", "is missing" if path in listed else "is not in the manifest")
    if REPORT_FILE not in listed:
        refuse(REPORT_FILE, "report", "is missing; what was made elsewhere must say how good it is")
    for path, file in listed.items():
        if sizes[path] != file.size_bytes:
            refuse(path, "manifest", f"has {sizes[path]} bytes; the manifest says {file.size_bytes}")
    files = tuple(sorted(listed.values()))
    check_contents(files, folder_opener(folder), policy)
    for file in files:
        if sha256_of(folder / file.path) != file.sha256:
            refuse(file.path, "manifest", "does not have the digest that the manifest says")
    return files


def _manifest(folder: Path, size: int) -> list[BundleFile]:
    if size > _MOST_MANIFEST_BYTES:
        refuse(MANIFEST_FILE, "manifest", f"has {size} bytes; at most {_MOST_MANIFEST_BYTES} are allowed")
    with folder_opener(folder)(MANIFEST_FILE) as file:
        read = read_json(MANIFEST_FILE, file.read(_MOST_MANIFEST_BYTES))
    entries = read.get("files") if isinstance(read, dict) else None
    if not isinstance(entries, list):
        refuse(MANIFEST_FILE, "manifest", "has no list of files")
    files = [_entry(entry) for entry in entries]
    if len({file.path for file in files}) < len(files):
        refuse(MANIFEST_FILE, "manifest", "lists a file twice")
    return files


def _entry(entry: Any) -> BundleFile:
    known = entry if isinstance(entry, dict) and entry.keys() == {"path", "sha256", "size_bytes"} else {}
    path, sha256, size = known.get("path"), known.get("sha256"), known.get("size_bytes")
    if not (isinstance(path, str) and isinstance(sha256, str) and is_sha256(sha256) and type(size) is int):
        refuse(MANIFEST_FILE, "manifest", f"lists {quoted(entry)}; an entry has path, sha256 and size_bytes")
    return BundleFile(path, sha256, size)
