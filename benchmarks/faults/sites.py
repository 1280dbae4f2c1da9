"""Real processes to be hurt: a registry, a trainer, a scorer, and workers that are started by hand."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gnomon
from gnomon import local
from gnomon.local import ServiceProcess

INSIDE = Path(__file__).parent / "inside"
ROOT = Path(__file__).parents[2]


@dataclass
class Site:
    """A deployment below `home`. `databases` gives a service another database than a file of SQLite."""

    home: Path
    services: dict[str, ServiceProcess]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def client(self, timeout_s: float = 60.0) -> gnomon.Client:
        return gnomon.Client(**self.addresses, timeout_s=timeout_s)

    @property
    def addresses(self) -> dict[str, str]:
        return {name: service.address for name, service in self.services.items() if service.address}

    def set(self, service: str, **variables: str) -> None:
        """Give a service variables for its next start."""
        process = self.services[service]
        process.environment = dict(process.environment) | variables

    def start_worker(self, module: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker beside the trainer's own."""
        trainer = self.services["trainer"]
        environment = os.environ | dict(trainer.environment) | variables
        environment |= {"GNOMON_TRAINER_PARENT_PID": str(os.getpid())}
        with (self.home / "logs" / "workers.log").open("ab") as log:
            worker = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=log, stderr=log)
        self.workers.append(worker)
        return worker

    @property
    def artifacts(self) -> Path:
        return self.home / "registry" / "artifacts"


@contextlib.contextmanager
def site(
    home: Path,
    services: tuple[str, ...] = ("registry", "trainer"),
    databases: Mapping[str, str] | None = None,
    environment: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[Site]:
    """Run services; stop them, and the workers that were started beside them, at the end."""
    every = local.deployment(home)
    made = Site(home, {name: every[name] for name in services})
    for name, url in (databases or {}).items():
        made.set(name, **{f"GNOMON_{name.upper()}_DATABASE_URL": url})
    for name, variables in (environment or {}).items():
        made.set(name, **variables)
    try:
        for name in services:
            if name != "registry":
                address = made.services["registry"].address
                made.set(name, **{f"GNOMON_{name.upper()}_REGISTRY_ADDRESS": address})
            made.services[name].start()
        yield made
    finally:
        for worker in made.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait()
        local.stop(made.services)


def inside(**faults: object) -> dict[str, str]:
    """Return the environment that has faults happen inside a process; see `inside/sitecustomize.py`."""
    path = os.pathsep.join([str(INSIDE), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    values = {
        f"FAULTS_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in faults.items()
    }
    return {"PYTHONPATH": path} | values


def until(reached: Callable[[], bool], timeout_s: float = 120.0, every_s: float = 0.05) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not come.
    """
    deadline = time.monotonic() + timeout_s
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came")
        time.sleep(every_s)
