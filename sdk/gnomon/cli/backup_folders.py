"""The folder that a backup fills: one command's at a time, and filled to the end or left as it was."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gnomon.cli.interrupts import Interrupts
from gnomon.errors import ResourceInUseError

BACKUP = "backup.json"


@contextlib.contextmanager
def filled_or_left(folder: Path, services: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Make a folder, or take an empty one, for the halves of services.

    What is put into the dictionary becomes the folder's `backup.json`, which says that it is whole.
    Where it does not come to that, after Ctrl-C and SIGTERM as well, things are left as they were.

    Raises:
        ResourceInUseError: it is not empty, or another backup has it.
    """
    _check_empty(folder)
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    claim = folder / f"{BACKUP}.part"
    ours: list[Path] = []
    about: dict[str, Any] = {}
    with Interrupts({}, raising=True) as interrupts:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _claim(claim)
            ours.append(claim)
            _check_empty(folder, but=claim)  # again: another may have had it, and filled it meanwhile
            ours[:0] = [folder / service for service in services]  # the claim goes last
            yield about
            claim.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
            interrupts.requested.set()  # so that no signal takes back what is whole
            claim.replace(folder / BACKUP)
        except BaseException:
            interrupts.requested.set()  # so that a second signal does not cut this short
            _remove(ours, missing)
            raise


def _check_empty(folder: Path, but: Path | None = None) -> None:
    if folder.exists() and (not folder.is_dir() or any(path != but for path in folder.iterdir())):
        raise ResourceInUseError(
            f"{folder} is not empty. Name a new folder.", resource=str(folder), used_by="what it holds"
        )


def _claim(claim: Path) -> None:
    """Make the file that becomes `backup.json`, which one alone can: a folder is empty to many at once."""
    try:
        claim.touch(exist_ok=False)
    except FileExistsError as error:
        raise ResourceInUseError(
            f"Another backup is being written into {claim.parent}. Name a new folder.",
            resource=str(claim.parent),
            used_by="another backup",
        ) from error


def _remove(ours: Sequence[Path], made: Sequence[Path]) -> None:
    """Remove what is ours, and of the folders that were made those that are empty then."""
    for path in ours:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    for folder in made:
        with contextlib.suppress(OSError):
            folder.rmdir()
