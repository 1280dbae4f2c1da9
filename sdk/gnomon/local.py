"""Gnomon on one machine: the three services as child processes with embedded defaults.

`gnomon up`, `gnomon demo` and the end-to-end tests run this. Nothing here is
imported by `import gnomon`.
"""

import contextlib
import dataclasses
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnomon import health, master_key
from gnomon._security import Security
from gnomon.errors import BY_REASON, CancelledError, GnomonError, InternalError, ServiceUnavailableError

HEALTH_SERVICES = {
    "registry": "gnomon.v1.RegistryService",
    "trainer": "gnomon.v1.TrainerService",
    "scorer": "gnomon.v1.ScorerService",
}

# One package of each extra that the services are installed with.
_NEEDED = ("structlog", "sqlalchemy", "torch", "onnxruntime")

Cancelled = Callable[[], bool]


def _never() -> bool:
    return False


@dataclass(slots=True)
class ServiceProcess:
    """One service in a process of its own. `start` again after `kill` takes the same port."""

    service: str  # registry, trainer or scorer
    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    listen: str = "127.0.0.1:0"
    keep_open: tuple[int, ...] = ()  # file descriptors that the process inherits, such as a lock
    process: subprocess.Popen[bytes] | None = None
    address: str = ""

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
        master_key.make(self.environment)
        prefix = f"GNOMON_{self.service.upper()}_"
        settings = {
            "LISTEN": self.address or self.listen,
            "ADDRESS_FILE": str(self._address_file),
            "PARENT_PID": str(os.getpid()),
        }
        environment = {f"{prefix}{key}": value for key, value in settings.items()} | dict(self.environment)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"gnomon_{self.service}"],
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self.keep_open,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which stops its children in order
            )

    def wait_until_listening(self, timeout_s: float = 60.0, cancelled: Cancelled = _never) -> str:
        """Return the address once the service accepts calls."""
        self._wait(self._address_file.exists, timeout_s, cancelled, "accept calls")
        self.address = self._address_file.read_text()
        return self.address

    def wait_until_ready(self, timeout_s: float = 60.0, cancelled: Cancelled = _never) -> None:
        """Wait until the service's own health check says that it can do its job."""
        self._wait(self.is_ready, timeout_s, cancelled, "get ready")

    def _wait(self, reached: Callable[[], bool], timeout_s: float, cancelled: Cancelled, what: str) -> None:
        assert self.process is not None
        deadline = time.monotonic() + timeout_s
        while not reached():
            if cancelled():
                raise CancelledError(f"Stopped before the {self.service} did {what}.")
            if not self.is_running:
                problem = f"ended with status {self.process.returncode}"
            elif time.monotonic() > deadline:
                problem = f"did not {what} in {timeout_s:.0f} s"
            else:
                time.sleep(0.02)
                continue
            raise ServiceUnavailableError(
                f"The {self.service} {problem}. Its log, {self.log_path}, ends with:\n{self.log_tail()}"
            )

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        """Ask the service's health check."""
        return is_ready(self.address, HEALTH_SERVICES[self.service])

    def is_listening(self) -> bool:
        """Tell whether a process that was spawned accepts calls by now."""
        return self.is_running and self._address_file.exists()

    @property
    def _address_file(self) -> Path:
        return self.home / f"{self.service}.address"

    def log_tail(self, lines: int = 5) -> str:
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def kill(self) -> None:
        """End the process at once, as a crash would. Its own children are left to notice."""
        self._end(signal.SIGKILL, 10.0)

    def stop(self, timeout_s: float = 20.0) -> None:
        """Let the service drain and end; kill it if it does not. Nothing that it started is left."""
        self._end(signal.SIGTERM, timeout_s)
        self.kill_group()

    def kill_group(self) -> None:
        """End the process and all that it started, at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # spawned as the leader of its group

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


def is_ready(address: str, service: str, security: Security | None = None) -> bool:
    """Ask a service's standard health check; False also when it cannot be reached.

    Health is told without a key; `security` says with whom TLS is spoken, and how.
    """
    security = dataclasses.replace(security or Security(), api_key="")
    target = security.target(address)
    trust = health.Tls(security.ca_file, security.certificate_file, security.certificate_key_file)
    return health.ask(target.address, service, trust if target.tls else None).is_serving


def deployment(home: Path, ports: Mapping[str, int] | None = None) -> dict[str, ServiceProcess]:
    """Return the three services, not started, with their data below `home`.

    `ports` fixes ports by service; those not named, or 0, are free ones.
    `start` tells the trainer and the scorer where the registry is.
    """
    ports = ports or {}
    return {
        service: ServiceProcess(service, home, embedded(service, home), f"127.0.0.1:{ports.get(service, 0)}")
        for service in HEALTH_SERVICES
    }


def embedded(service: str, home: Path) -> dict[str, str]:
    """Return the variables that tell a service of `gnomon up` where its data is."""
    data = home / service
    return {
        "registry": {
            "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{data / 'registry.db'}",
            "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{data / 'artifacts'}",
            **master_key.setting("registry", home),
        },
        "trainer": {
            "GNOMON_TRAINER_DATABASE_URL": f"sqlite:///{data / 'trainer.db'}",
            "GNOMON_TRAINER_DATA_DIR": str(data / "data"),
            **master_key.setting("trainer", home),
        },
        "scorer": {"GNOMON_SCORER_CACHE_DIR": str(data / "bundles")},
    }[service]


def operate(service: str, action: Sequence[str], environment: Mapping[str, str]) -> Any:
    """Do something to the data of the registry or the trainer, which may run; return what it tells.

    The data are those that the service's variables name; `environment` goes
    before those of this process. See `gnomon.places`.

    Nothing goes on where the caller is interrupted.

    Raises:
        GnomonError: it could not be done; the error is the service's own.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", f"gnomon_{service}.operate", *action],
        env=os.environ | dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            answer, said = child.communicate()
        finally:
            child.kill()  # where we are interrupted, else it has ended
            child.wait()  # so that nobody writes any more: `run` does not wait after Ctrl-C
    if child.returncode:
        raise _told(service, said.strip())
    return json.loads(answer)


def _told(service: str, said: str) -> GnomonError:
    try:
        error = json.loads(said.splitlines()[-1])
        return BY_REASON[error["reason"]](error["message"], **error["metadata"])
    except (LookupError, TypeError, ValueError):
        if "No module named" in said:
            return ServiceUnavailableError(
                f"The {service} is not installed here: pip install 'gnomon[{service}]'."
            )
        if "Traceback (most recent call last)" in said:
            return InternalError(
                f"The {service}'s part failed, which is a defect of Gnomon; please report it: "
                f"{said.splitlines()[-1]}"
            )
        return ServiceUnavailableError(said or f"The {service} said nothing.")


def start(
    services: Mapping[str, ServiceProcess],
    timeout_s: float = 60.0,
    cancelled: Cancelled = _never,
    scorer_timeout_s: float | None = None,
) -> None:
    """Start the registry, then the other two beside each other, and wait until all are ready.

    The scorer is waited for last, and for `scorer_timeout_s` if that is given.

    `cancelled` is asked between the steps; once it says True, CancelledError is
    raised. What was started by then is the caller's to stop, as after any error.
    """
    _check_installed()
    registry = services["registry"]
    registry.spawn()
    registry.wait_until_listening(timeout_s, cancelled)
    others = [services["trainer"], services["scorer"]]
    for service in others:
        prefix = f"GNOMON_{service.service.upper()}_REGISTRY_ADDRESS"
        service.environment = dict(service.environment) | {prefix: registry.address}
        service.spawn()
    for service in others:
        service.wait_until_listening(timeout_s, cancelled)
    for service in (registry, services["trainer"]):
        service.wait_until_ready(timeout_s, cancelled)
    services["scorer"].wait_until_ready(
        timeout_s if scorer_timeout_s is None else scorer_timeout_s, cancelled
    )


def _check_installed() -> None:
    """Refuse where only the SDK is installed: the services need more than it."""
    missing = [package for package in _NEEDED if importlib.util.find_spec(package) is None]
    if missing:
        raise ServiceUnavailableError(
            f"The services need packages that are not installed ({', '.join(missing)}): "
            "pip install 'gnomon[server]'."
        )


def stop(services: Mapping[str, ServiceProcess]) -> None:
    """Stop the services in the reverse order: whoever calls goes before whom it calls."""
    for service in reversed(list(services.values())):
        service.stop()
