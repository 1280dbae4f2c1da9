"""`gnomon up` as a real process. Its services are stubs that listen and are healthy."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gnomon import local
from gnomon.cli import up as up_command
from gnomon.errors import ServiceUnavailableError

STUBS = Path(__file__).parent / "stubs"
ENTRY_POINT = "import sys; from gnomon.cli.main import main; sys.exit(main())"
FREE_PORTS = ("--registry-port", "0", "--trainer-port", "0", "--scorer-port", "0")


class Up:
    """One `gnomon up`."""

    def __init__(self, home: Path, *options: str, real: bool = False, **told: str) -> None:
        self.home = home
        self.stderr_path = home.parent / f"{home.name}.{time.monotonic_ns()}.stderr"
        stubs = {} if real else {"PYTHONPATH": str(STUBS)}
        environment = os.environ | stubs | {f"STUB_{key}": value for key, value in told.items()}
        with self.stderr_path.open("wb") as stderr:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    ENTRY_POINT,
                    "up",
                    "--json",
                    "--home",
                    str(home),
                    *(options or FREE_PORTS),
                ],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    def addresses(self) -> dict[str, str]:
        """Wait until it is up; return what it printed."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line == b"}\n":
                break
        assert lines, self.stderr
        return json.loads(b"".join(lines))

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text()

    def children(self) -> dict[str, psutil.Process]:
        """Return the services' processes by name."""
        found = psutil.Process(self.process.pid).children()
        return {child.cmdline()[-1].removeprefix("gnomon_"): child for child in found}

    def everything(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ended(self, timeout_s: float = 20.0) -> int:
        return self.process.wait(timeout_s)


def ready(addresses: dict[str, str]) -> bool:
    return all(local.is_ready(addresses[name], full) for name, full in local.HEALTH_SERVICES.items())


def eventually(holds: Callable[[], bool], timeout_s: float = 15.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


def gone(processes: list[psutil.Process]) -> Callable[[], bool]:
    return lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def begin(*options: str, home: str = "home", **told: Any) -> Up:
        started.append(Up(tmp_path / home, *options, **told))
        return started[-1]

    yield begin
    for up in started:
        if up.process.poll() is None:
            everything = up.everything()
            for process in (*everything, up.process):
                process.kill()
        up.process.wait(10)
        assert up.process.stdout is not None
        up.process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_all_and_leaves_nothing_behind(start, number):
    up = start(HAS_WORKER="trainer")
    addresses = up.addresses()
    everything = up.everything()

    assert ready(addresses)
    assert len(everything) == 4
    assert json.loads((up.home / "up.json").read_text()) == {"pid": up.process.pid, **addresses}

    up.process.send_signal(number)

    assert up.ended() == 0
    assert gone(everything)()
    assert not (up.home / "up.json").exists()


def test_variables_of_data_are_not_used_and_that_is_said(start, monkeypatch):
    monkeypatch.setenv("GNOMON_REGISTRY_DATABASE_URL", "postgresql://elsewhere/registry")
    up = start()
    up.addresses()

    assert f"Not used: GNOMON_REGISTRY_DATABASE_URL. All data are below {up.home}." in up.stderr


@pytest.mark.slow
def test_the_real_services_come_up_and_go_with_their_worker(start):
    up = start(real=True)
    addresses = up.addresses()
    assert eventually(lambda: len(up.everything()) >= 4)
    everything = up.everything()

    assert ready(addresses)
    key_file = up.home / "master.key"
    assert (key_file.stat().st_mode & 0o777, len(key_file.read_bytes())) == (0o600, 45)
    up.process.send_signal(signal.SIGINT)

    assert up.ended(40.0) == 0
    assert gone(everything)()


@pytest.mark.slow
def test_children_do_not_outlive_a_killed_up_and_the_next_one_waits_for_them(start):
    up = start()
    up.addresses()
    everything = up.everything()

    up.process.kill()
    following = start()

    assert ready(following.addresses())
    assert eventually(gone(everything))
    following.process.send_signal(signal.SIGINT)
    assert following.ended() == 0


def test_a_killed_service_comes_back_at_its_address(start):
    up = start()
    addresses = up.addresses()
    before = up.children()["trainer"]

    before.kill()

    assert eventually(lambda: f"The trainer is back at {addresses['trainer']}." in up.stderr)
    assert "The trainer was ended by SIGKILL" in up.stderr
    assert eventually(lambda: ready(addresses))
    assert up.children()["trainer"].pid != before.pid
    up.process.send_signal(signal.SIGINT)
    assert up.ended() == 0


def test_two_do_not_share_a_home(start):
    first = start()
    first.addresses()

    second = start()

    assert second.ended() == 1
    assert f"as process {first.process.pid}" in second.stderr
    assert ready(json.loads((first.home / "up.json").read_text()))


def test_a_taken_port_is_told_with_the_option_to_change(start):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        up = start("--registry-port", "0", "--trainer-port", str(port), "--scorer-port", "0")
        status = up.ended()

    assert status == 1
    assert f"Port {port} is taken. Name another with --trainer-port" in up.stderr


def test_a_port_named_twice_is_refused(start):
    up = start("--registry-port", "7999", "--trainer-port", "7999", "--scorer-port", "0")

    assert up.ended() == 1
    assert "--registry-port and --trainer-port" in up.stderr


def test_a_service_that_cannot_start_ends_all_and_shows_its_log(start):
    up = start(BROKEN="scorer")

    assert up.ended() == 1
    assert "The scorer ended with status 3" in up.stderr
    assert "the database is not what it was" in up.stderr
    assert not (up.home / "up.json").exists()


class Standing:
    """A service that was started, as far as it came."""

    def __init__(self, *, listens: bool = True, ready: bool = True) -> None:
        self.is_listening = lambda: listens
        self.is_ready = lambda: listens and ready


@pytest.mark.parametrize(
    ("late", "goes_on"),
    [
        ({"scorer": Standing(ready=False)}, True),
        ({"scorer": Standing(listens=False)}, False),
        ({"trainer": Standing(ready=False)}, False),
        ({"registry": Standing(ready=False), "scorer": Standing(ready=False)}, False),
    ],
)
def test_only_a_scorer_that_runs_may_be_late_in_getting_ready(late, goes_on, monkeypatch):
    def start(_services, all_s, _cancelled, scorer_s):
        assert scorer_s < all_s  # meanwhile nobody is told where the registry is
        raise ServiceUnavailableError("It did not get ready.")

    monkeypatch.setattr(local, "start", start)
    services, said = {name: Standing() for name in local.HEALTH_SERVICES} | late, []
    with contextlib.nullcontext() if goes_on else pytest.raises(ServiceUnavailableError):
        up_command._start(services, lambda: False, said.append)

    assert ["The scorer is not ready yet" in one for one in said] == [True] * goes_on


def test_a_second_signal_kills_what_does_not_stop(start):
    up = start(STUBBORN="registry", HAS_WORKER="registry")
    up.addresses()
    services, everything = up.children(), up.everything()

    up.process.send_signal(signal.SIGINT)
    assert eventually(lambda: "Stopping" in up.stderr)
    assert eventually(gone([services["scorer"], services["trainer"]]))
    up.process.send_signal(signal.SIGINT)

    assert up.ended(15) == 0
    assert gone(everything)()


def test_a_signal_while_starting_stops_what_was_started(start):
    up = start(NEVER_READY="scorer")
    assert eventually(lambda: len(up.everything()) == 3)
    everything = up.everything()

    up.process.send_signal(signal.SIGINT)

    assert up.ended() == 130
    assert gone(everything)()
