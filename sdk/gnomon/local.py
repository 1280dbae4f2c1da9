"""Gnomon on one machine: the three services as child processes with embedded defaults.

`gnomon up`, `gnomon demo` and the end-to-end tests run this. Nothing here is
imported by `import gnomon`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import grpc

from gnomon.errors import ServiceUnavailableError

HEALTH_SERVICES = {
    "registry": "gnomon.v1.RegistryService",
    "trainer": "gnomon.v1.TrainerService",
    "scorer": "gnomon.v1.ScorerService",
}


@dataclass(slots=True)
class ServiceProcess:
    """One service in a process of its own. `start` again after `kill` takes the same port."""

    service: str  # registry, trainer or scorer
    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    listen: str = "127.0.0.1:0"
    process: subprocess.Popen[bytes] | None = None
    address: str = ""
    _log: IO[bytes] | None = None

    @property
    def log_path(self) -> Path:
        return self.home / "logs" / f"{self.service}.log"

    def start(self, timeout_s: float = 60.0) -> str:
        """Start the service and wait until it accepts calls; return its address.

        Raises:
            ServiceUnavailableError: it ended, or did not come up in time.
        """
        self.spawn()
        return self.wait_until_listening(timeout_s)

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.log_path.parent.mkdir(exist_ok=True)
        self._address_file.unlink(missing_ok=True)
        prefix = f"GNOMON_{self.service.upper()}_"
        settings = {
            "LISTEN": self.address or self.listen,
            "ADDRESS_FILE": str(self._address_file),
            "PARENT_PID": str(os.getpid()),
        }
        environment = {f"{prefix}{key}": value for key, value in settings.items()} | dict(self.environment)
        self._log = self.log_path.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"gnomon_{self.service}"],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which stops its children in order
        )

    def wait_until_listening(self, timeout_s: float = 60.0) -> str:
        """Return the address once the service accepts calls."""
        assert self.process is not None
        deadline = time.monotonic() + timeout_s
        while not self._address_file.exists():
            if self.process.poll() is not None:
                raise ServiceUnavailableError(
                    f"The {self.service} ended with status {self.process.returncode}. "
                    f"Its log, {self.log_path}, ends with:\n{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise ServiceUnavailableError(
                    f"The {self.service} did not come up in {timeout_s:.0f} s. See {self.log_path}."
                )
            time.sleep(0.02)
        self.address = self._address_file.read_text()
        return self.address

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the service's own health check says that it can do its job."""
        deadline = time.monotonic() + timeout_s
        while not is_ready(self.address, HEALTH_SERVICES[self.service]):
            if time.monotonic() > deadline or not self.is_running:
                raise ServiceUnavailableError(f"The {self.service} is not ready. See {self.log_path}.")
            time.sleep(0.05)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def _address_file(self) -> Path:
        return self.home / f"{self.service}.address"

    def log_tail(self, lines: int = 5) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self._end(signal.SIGKILL, 10.0)

    def stop(self, timeout_s: float = 20.0) -> None:
        """Let the service drain and end; kill it if it does not."""
        self._end(signal.SIGTERM, timeout_s)

    def _end(self, number: signal.Signals, timeout_s: float) -> None:
        if self.process is None:
            return
        if self.is_running:
            self.process.send_signal(number)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._log is not None:
            self._log.close()


def is_ready(address: str, service: str) -> bool:
    """Ask a service's standard health check; False also when it cannot be reached."""
    with grpc.insecure_channel(address) as channel:
        # The messages of grpc.health.v1 are one text field and one enum field; written out, they
        # spare the SDK a dependency.
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        request = b"\x0a" + bytes([len(service)]) + service.encode()
        try:
            return bool(check(request, timeout=2.0) == b"\x08\x01")
        except grpc.RpcError:
            return False


def deployment(home: Path, ports: Mapping[str, int] | None = None) -> dict[str, ServiceProcess]:
    """Return the three services, not started, with their data below `home`.

    `ports` fixes ports by service; those not named, or 0, are free ones.
    `start` tells the trainer and the scorer where the registry is.
    """
    ports = ports or {}
    return {
        service: ServiceProcess(service, home, _embedded(service, home), f"127.0.0.1:{ports.get(service, 0)}")
        for service in HEALTH_SERVICES
    }


def _embedded(service: str, home: Path) -> dict[str, str]:
    data = home / service
    return {
        "registry": {
            "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{data / 'registry.db'}",
            "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{data / 'artifacts'}",
        },
        "trainer": {
            "GNOMON_TRAINER_DATABASE_URL": f"sqlite:///{data / 'trainer.db'}",
            "GNOMON_TRAINER_DATA_DIR": str(data / "data"),
        },
        "scorer": {"GNOMON_SCORER_CACHE_DIR": str(data / "bundles")},
    }[service]


def start(services: Mapping[str, ServiceProcess], timeout_s: float = 60.0) -> None:
    """Start the registry, then the other two beside each other, and wait until all are ready."""
    registry = services["registry"]
    registry.start(timeout_s)
    others = [services["trainer"], services["scorer"]]
    for service in others:
        prefix = f"GNOMON_{service.service.upper()}_REGISTRY_ADDRESS"
        service.environment = dict(service.environment) | {prefix: registry.address}
        service.spawn()
    for service in others:
        service.wait_until_listening(timeout_s)
    for service in services.values():
        service.wait_until_ready(timeout_s)


def stop(services: Mapping[str, ServiceProcess]) -> None:
    """Stop the services in the reverse order: whoever calls goes before whom it calls."""
    for service in reversed(list(services.values())):
        service.stop()
