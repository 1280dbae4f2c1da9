"""A service that is only there: it listens, is healthy, and misbehaves as the environment says.

It stands in for the real ones where a test is about their processes.
"""

import os
import signal
import subprocess
import sys
import time

from gnomon_rpc.run import run
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings

FULL_NAMES = {
    "registry": "gnomon.v1.RegistryService",
    "trainer": "gnomon.v1.TrainerService",
    "scorer": "gnomon.v1.ScorerService",
}


class _App:
    def __init__(self, service: str, settings: ServerSettings) -> None:
        self._service = service
        ready = not _told("NEVER_READY", service)
        self._server = Server(settings, [Service(FULL_NAMES[service], lambda *_: None, None, ready)])

        if _told("HAS_WORKER", service):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        if _told("STUBBORN", self._service):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)  # noqa: ASYNC251  it hangs, that is the point
        await self._server.stop()


def _told(what: str, service: str) -> bool:
    return service in os.environ.get(f"STUB_{what}", "").split(",")


def main(service: str) -> int:
    if _told("BROKEN", service):
        sys.stderr.write("the database is not what it was\n")
        return 3

    class Settings(ServerSettings, env_prefix=f"GNOMON_{service.upper()}_", frozen=True):
        pass

    return run(service, Settings, lambda settings: _App(service, settings))
