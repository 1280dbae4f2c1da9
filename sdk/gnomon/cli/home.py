"""The folder of `gnomon up`: who holds it, and where its services are reached."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

from gnomon.addresses import up_file
from gnomon.errors import ResourceInUseError, ServiceUnavailableError


def default_home() -> Path:
    """Return GNOMON_HOME, or `~/.gnomon`: where clients look for the addresses."""
    return up_file().parent


class Home:
    """The folder, held while entered, so that no two `gnomon up` write one database.

    There are two locks. The first is that of `gnomon up` itself. The second is
    inherited by the services: after a kill -9 of `gnomon up` it is free once the
    last of them has noticed and ended, and the next `gnomon up` waits for that.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], patience_s: float = 30.0) -> None:
        self.folder = folder.expanduser().absolute()
        self.services_lock = -1  # a file descriptor, while entered
        self._say = say
        self._patience_s = patience_s
        self._open = ExitStack()

    @property
    def up_file(self) -> Path:
        return self.folder / up_file().name

    def __enter__(self) -> "Home":
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            own = opened.enter_context((self.folder / "up.lock").open("a+", encoding="utf-8"))
            self._take_own(own)
            services = opened.enter_context((self.folder / "services.lock").open("a", encoding="utf-8"))
            self._take_from_services(services)
            self.services_lock = services.fileno()
            self._open = opened.pop_all()
        return self

    def _take_own(self, lock: IO[str]) -> None:
        if not _try_lock(lock):
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise ResourceInUseError(
                f"`gnomon up` runs with {self.folder} already, as process {owner}. Stop it, or name "
                "another folder with --home.",
                resource=str(self.folder),
                used_by=owner,
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    def _take_from_services(self, lock: IO[str]) -> None:
        deadline = time.monotonic() + self._patience_s
        told = False
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                raise ServiceUnavailableError(
                    f"Services of an earlier `gnomon up` in {self.folder} do not end. Look for processes "
                    "of gnomon_registry, gnomon_trainer and gnomon_scorer and end them."
                )
            if not told:
                self._say("The services of an earlier `gnomon up` are ending; waiting for them.")
                told = True
            time.sleep(0.1)

    def publish(self, addresses: Mapping[str, str]) -> None:
        """Write where the services are reached, so that clients find them; whole or not at all."""
        part = self.up_file.with_suffix(".part")
        part.write_text(json.dumps({"pid": os.getpid(), **addresses}, indent=2) + "\n", encoding="utf-8")
        part.replace(self.up_file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.up_file.unlink(missing_ok=True)
        self._open.close()


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
