"""When a service is started again. Its process and the clock are the test's."""

import errno
import itertools
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from gnomon.cli.supervisor import FIRST_DELAY_S, LONGEST_DELAY_S, STEADY_S, Supervisor


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeService:
    """Has the face of a ServiceProcess; dies when it is told, and at once while `is_broken`."""

    service, address, log_path = "trainer", "127.0.0.1:7411", Path("trainer.log")

    def __init__(self):
        self.is_running = True
        self.is_broken = False
        self.refusals: list[OSError] = []
        self.spawned = 0
        self.process = SimpleNamespace(returncode=None)

    def die(self, status):
        self.is_running = False
        self.process.returncode = status

    def spawn(self):
        if self.refusals:
            raise self.refusals.pop()
        self.spawned += 1
        self.is_running = not self.is_broken
        self.process.returncode = 2 if self.is_broken else None

    def kill_group(self):
        pass

    def is_listening(self):
        return self.is_running


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def service():
    return FakeService()


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(service, said, clock):
    return Supervisor({"trainer": service}, said.append, clock)


def test_a_running_service_is_left_alone(supervisor, service, said):
    for _ in range(5):
        supervisor.look()

    assert (service.spawned, said) == (0, [])


def test_a_dead_service_is_started_once_its_delay_is_over_and_said_so(supervisor, service, said, clock):
    service.die(-signal.SIGKILL)
    supervisor.look()
    clock.now += FIRST_DELAY_S / 2
    supervisor.look()
    assert service.spawned == 0

    clock.now += FIRST_DELAY_S
    supervisor.look()
    supervisor.look()

    assert service.spawned == 1
    assert said == [
        "The trainer was ended by SIGKILL; it is started again in 0.5 s. Its log is trainer.log.",
        "The trainer is back at 127.0.0.1:7411.",
    ]


def test_one_that_keeps_dying_is_started_ever_more_rarely(supervisor, service, clock):
    service.is_broken = True
    service.die(2)
    starts = []
    while len(starts) < 10:
        before = service.spawned
        supervisor.look()
        if service.spawned > before:
            starts.append(clock.now)
        clock.now += 0.25

    delays = [late - early for early, late in itertools.pairwise(starts)]
    assert delays == sorted(delays)
    assert delays[0] <= 2 * FIRST_DELAY_S + 0.5
    assert LONGEST_DELAY_S <= delays[-1] <= LONGEST_DELAY_S + 0.5


def test_one_that_was_steady_for_long_starts_with_the_first_delay_again(supervisor, service, said, clock):
    for _ in range(3):
        clock.now += STEADY_S + 1
        service.die(1)
        supervisor.look()
        clock.now += FIRST_DELAY_S
        supervisor.look()

    assert service.spawned == 3
    assert all("0.5 s" in sentence for sentence in said if "started again" in sentence)


def test_one_that_could_not_be_started_is_started_later_and_said_so(supervisor, service, said, clock):
    service.die(1)
    service.refusals = [OSError(errno.EAGAIN, "Resource temporarily unavailable"), OSError("no memory")]
    for _ in range(20):
        supervisor.look()
        clock.now += FIRST_DELAY_S

    assert service.spawned == 1
    assert said[1:] == [
        "The trainer could not be started: no memory; it is started again in 1 s. Its log is trainer.log.",
        "The trainer could not be started: [Errno 11] Resource temporarily unavailable; it is started again "
        "in 2 s. Its log is trainer.log.",
        "The trainer is back at 127.0.0.1:7411.",
    ]
