"""Which trainer processes live: each holds a lock on a file of its own."""

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import IO


class PresenceFiles:
    """A `Presence` in a folder that trainers share; who never held anything has no file.

    The operating system lets go of a lock when its process ends, however it
    ends. A file that is not there says nothing: its trainer may have another
    folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.holder = f"t-{secrets.token_hex(8)}"
        self._file: IO[bytes] | None = None

    def announce(self) -> None:
        """Say that this process lives, until it ends. Doing it again changes nothing."""
        if self._file is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = self._path(self.holder).open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._sweep()

    def leave(self) -> None:
        """Say that this process holds nothing any more."""
        if self._file is not None:
            self._path(self.holder).unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def is_gone(self, holder: str) -> bool:
        try:
            file = os.open(self._path(holder), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False  # its process holds it
        else:
            return True
        finally:
            os.close(file)

    def _sweep(self) -> None:
        """Remove the files of processes that have ended; what one of them held waits for its lease."""
        for path in self._folder.glob("t-*"):
            if path.name != self.holder and self.is_gone(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _path(self, holder: str) -> Path:
        return self._folder / holder
