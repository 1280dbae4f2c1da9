"""Work folders of runs: `{run}/{fence}`, one for each lease."""

import hashlib
import os
import shutil
from collections.abc import Set
from pathlib import Path

from gnomon import bundle
from gnomon_trainer.domain.runs import Run


class LocalWorkFolders:
    """`WorkFolders` on a local disk.

    A new lease renames the folder of the one before. A worker that was stopped
    and comes back writes to a path that is no longer there: the rename is to
    files what the fence is to rows.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, run: Run) -> Path:
        home = self._folder / run.uid
        home.mkdir(parents=True, exist_ok=True)
        mine = home / str(run.fence)
        earlier = [int(path.name) for path in home.iterdir() if path.name.isdecimal()]
        before = max((fence for fence in earlier if fence < run.fence), default=None)
        if before is not None and not mine.exists():
            (home / str(before)).rename(mine)
        mine.mkdir(exist_ok=True)
        for fence in earlier:
            if fence < run.fence:  # renamed just now, or made again by a worker that was stopped
                shutil.rmtree(home / str(fence), ignore_errors=True)
        return mine

    def path(self, relative: str) -> Path:
        return self._folder / relative

    def relative(self, folder: Path) -> str:
        return str(folder.relative_to(self._folder))

    def tidy(self, run: Run) -> None:
        mine = self.path(run.work_folder)
        _remove_all_but({mine.name}, self._folder / run.uid)
        _remove_all_but({Path(run.bundle_folder).parts[0], Path(run.predictions_file).parts[0]}, mine)

    def seal(self, bundle_folder: Path) -> str:
        files = [
            _sealed(path, str(path.relative_to(bundle_folder)))
            for path in sorted(bundle_folder.rglob("*"))
            if path.is_file()
        ]
        return bundle.digest(files)


def _remove_all_but(kept: Set[str], folder: Path) -> None:
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if path.name in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _sealed(path: Path, name: str) -> bundle.BundleFile:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return bundle.BundleFile(name, sha256, path.stat().st_size)
