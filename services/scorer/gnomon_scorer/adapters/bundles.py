"""Bundles on this machine: one folder a digest, checked at every load.

A folder appears whole or not at all. What was altered on this disk is fetched
again; what is wrong at the registry is an error. Those that were loaded least
recently leave when the folder is full.
"""

import asyncio
import collections
import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import structlog

from gnomon.bundle import (
    REPORT_FILE,
    TOKENIZER_FILE,
    BundleFile,
    check_files,
    digest,
)
from gnomon.bundle_checks import Policy, check_contents, folder_opener
from gnomon.errors import (
    ArtifactCorruptError,
    BlobDigestMismatchError,
    BlobMissingError,
    GnomonError,
    NotFoundError,
    StorageFullError,
)
from gnomon.folders import is_full
from gnomon.names import MetricVersionName
from gnomon_scorer.domain.objective import Objective, objective_of
from gnomon_scorer.domain.ports import Bundle

log = structlog.get_logger(__name__)

_PART = ".part-"
_DIGEST = re.compile("[0-9a-f]{64}")
_STALE_S = 3600.0  # a partial download of a process that was killed
_IN_USE_S = 3600.0  # who fetched a bundle opens it sooner than that

_PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # of the process or the machine, not of a file


class Origin(Protocol):
    """Where bundles come from: the registry."""

    async def files(self, name: MetricVersionName) -> tuple[BundleFile, ...]: ...

    async def download(self, name: MetricVersionName, folder: Path) -> None: ...


class BundleCache:
    """Fetches bundles and keeps about `most_bytes` of them. Several processes may share the folder."""

    def __init__(
        self, folder: Path, origin: Origin, policy: Policy | None = None, most_bytes: float = math.inf
    ) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._policy = policy or Policy()
        self._origin = origin
        self._files: dict[MetricVersionName, tuple[BundleFile, ...]] = {}  # as the registry told last
        self._locks: dict[str, asyncio.Lock] = collections.defaultdict(asyncio.Lock)

    async def fetch(self, version: MetricVersionName) -> Bundle:
        """Return the bundle of a version; see the port."""
        files = await self._files_of(version)
        folder = self._folder / digest(files)
        async with self._locks[folder.name]:
            if await asyncio.to_thread(folder.is_dir):
                problem = await asyncio.to_thread(_problem, folder, files)
                if problem is None:
                    await asyncio.to_thread(os.utime, folder)
                    return await asyncio.to_thread(_read, folder, files, self._policy)
                log.warning("a cached bundle is altered", version=str(version), problem=problem)
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            await self._download(version, files, folder)
            if problem := await asyncio.to_thread(_problem, folder, files):  # what could not be removed
                raise _corrupt(version, f"{problem} in {folder}, which cannot be replaced")
            return await asyncio.to_thread(_read, folder, files, self._policy)

    async def _files_of(self, version: MetricVersionName) -> tuple[BundleFile, ...]:
        """Return the files of a version, by what was told before where the registry does not tell now.

        A version never changes, but a registry that was restored from an older backup gives its number anew.
        """
        try:
            told = await self._origin.files(version)
        except NotFoundError:
            raise
        except GnomonError:
            if version not in self._files:
                raise
        else:
            self._files[version] = check_files(told)
        return self._files[version]

    async def _download(
        self, version: MetricVersionName, files: tuple[BundleFile, ...], folder: Path
    ) -> None:
        """Bring a bundle into its folder; where the disk is full, others make room for it once."""
        try:
            await self._download_once(version, files, folder)
        except StorageFullError:
            size_bytes = sum(file.size_bytes for file in files)  # enough, however little was free
            if not await asyncio.to_thread(self._remove_others, folder, size_bytes):
                raise
            await self._download_once(version, files, folder)

    async def _download_once(
        self, version: MetricVersionName, files: tuple[BundleFile, ...], folder: Path
    ) -> None:
        part = self._folder / f"{_PART}{uuid.uuid4().hex}"
        try:
            with self._full_disk_in_words():
                await asyncio.to_thread(self._prepare)
                await self._origin.download(version, part)
                if problem := await asyncio.to_thread(_problem, part, files):
                    raise _corrupt(version, problem)
                await asyncio.to_thread(_publish, part, folder)
            await asyncio.to_thread(self._make_room, folder)
        except (NotFoundError, BlobMissingError, BlobDigestMismatchError) as error:
            raise _corrupt(version, error.message) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for part in self._folder.glob(f"*{_PART}*"):  # what the client fills has a name about this one
            if _written_at(part) < time.time() - _STALE_S:
                shutil.rmtree(part, ignore_errors=True)

    def _make_room(self, newest: Path) -> None:
        kept = sum(_size(path) for path in self._bundles())
        self._remove_others(newest, kept - self._most_bytes)

    def _remove_others(self, newest: Path, size_bytes: float) -> bool:
        """Remove what was loaded least recently until so much is free; tell whether anything was."""
        left = size_bytes
        for path in sorted(self._bundles() - {newest}, key=_changed_at):
            if left <= 0 or _changed_at(path) > time.time() - _IN_USE_S:
                break
            size = _size(path)
            log.info("a cached bundle leaves the disk", digest=path.name, size_bytes=size)
            shutil.rmtree(path, ignore_errors=True)
            left -= size
        return left < size_bytes

    def _bundles(self) -> set[Path]:
        return {path for path in self._folder.glob("*") if _DIGEST.fullmatch(path.name)}

    @contextlib.contextmanager
    def _full_disk_in_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not is_full(error):
                raise
            raise StorageFullError(
                f"The scorer's disk is full below {self._folder}. Free some space; the bundle is fetched "
                "again after a while."
            ) from error


def _publish(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster, with the same content
            raise


def _written_at(part: Path) -> float:
    """Return when a download last got anywhere: a file that grows for hours leaves its folder as it is."""
    return max(_changed_at(path) for path in (part, *_files_below(part)))


def _files_below(folder: Path) -> list[Path]:
    """Return them as far as they can be listed: another process may remove the folder meanwhile."""
    return [Path(inner, name) for inner, _, names in os.walk(folder) for name in names]


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process made room
        return 0.0


def _size(folder: Path) -> int:
    total = 0
    for path in _files_below(folder):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


def _problem(folder: Path, files: Iterable[BundleFile]) -> str | None:
    """Return what is wrong with a bundle's folder; None if every file has its digest.

    Raises:
        OSError: the machine has no file or memory left for a look, which is no word against the bundle.
    """
    for file in files:
        path = folder / file.path
        try:
            with path.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return f"{file.path} is missing"
        except OSError as error:
            if error.errno in _PASSING:
                raise
            return f"{file.path} cannot be read: {error.strerror}"
        if sha256 != file.sha256:
            return f"{file.path} does not have its digest"
    return None


def _read(folder: Path, files: Iterable[BundleFile], policy: Policy) -> Bundle:
    """Return a bundle whose files keep to the rules: the registry checks that as well, and is not trusted."""
    evaluator = check_contents(files, folder_opener(folder), policy)
    tokenizer_sha256 = next(file.sha256 for file in files if file.path == TOKENIZER_FILE)
    return Bundle(folder, evaluator, folder / TOKENIZER_FILE, tokenizer_sha256, _objective(folder))


def _objective(folder: Path) -> Objective | None:
    try:
        return objective_of(json.loads((folder / REPORT_FILE).read_bytes()))
    except (OSError, ValueError, RecursionError):  # a bundle need not have a report
        return None


def _corrupt(version: MetricVersionName, problem: str) -> ArtifactCorruptError:
    return ArtifactCorruptError(
        f"The bundle of {version} is not what was registered: {problem}. Register the version again.",
        metric_version=str(version),
    )
