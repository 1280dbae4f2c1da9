"""Folders: where a service keeps its data unless told, how names survive a power cut, and when one is full.

A file that is on the disk is lost with the name that finds it.
"""

import contextlib
import errno
import os
from pathlib import Path


def own_folder(service: str) -> Path:
    """Return where a service keeps its data unless told: below the user's home; without one, /var/lib."""
    try:
        return Path.home() / ".gnomon" / service
    except RuntimeError:  # a number without a name or HOME, as containers run under
        return Path("/var/lib/gnomon") / service


def is_full(error: BaseException) -> bool:
    """Tell whether a disk, or the user's share of it, has no room for what was to be written."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and wait until the names of new ones are on the disk."""
    new = [each for each in (folder, *folder.parents) if not each.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in new:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk: a rename changes the folder, not the file."""
    with contextlib.suppress(PermissionError):  # of a folder that may be written but not read
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
