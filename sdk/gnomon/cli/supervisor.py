"""Keeps the services of `gnomon up` running: one that ends is started again at its address."""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gnomon.local import ServiceProcess

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_S = 60.0  # a service that ran this long starts with the first delay again


@dataclass(slots=True)
class _Watched:
    service: ServiceProcess
    started: float
    failures: int = 0
    due: float | None = None  # when to start it again
    is_coming_up: bool = False


class Supervisor:
    """Looks after services that run already. `say` tells a person what happened."""

    def __init__(
        self,
        services: Mapping[str, ServiceProcess],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watched = [_Watched(service, clock()) for service in services.values()]
        self._say = say
        self._clock = clock

    def run(self, until: threading.Event, every_s: float = 0.1) -> None:
        """Look after them until the event is set."""
        while not until.wait(every_s):
            self.look()

    def look(self) -> None:
        """Look once at every service and do what is due."""
        for watched in self._watched:
            if watched.due is not None:
                self._start_if_due(watched)
            elif not watched.service.is_running:
                self._plan_restart(watched, _how_it_ended(watched.service))
            elif watched.is_coming_up and watched.service.is_listening():
                watched.is_coming_up = False
                self._say(f"The {watched.service.service} is back at {watched.service.address}.")

    def _plan_restart(self, watched: _Watched, why: str) -> None:
        now = self._clock()
        if now - watched.started > STEADY_S:
            watched.failures = 0
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**watched.failures)
        watched.failures += 1
        watched.due = now + delay_s
        service = watched.service
        self._say(
            f"The {service.service} {why}; it is started again in {delay_s:g} s. "
            f"Its log is {service.log_path}."
        )

    def _start_if_due(self, watched: _Watched) -> None:
        if watched.due is not None and self._clock() >= watched.due:
            watched.due = None
            watched.started = self._clock()
            watched.service.kill_group()  # what the dead one had started must not work beside the new one
            try:
                watched.service.spawn()
            except OSError as error:  # no memory, process or file is left; the other services run on
                self._plan_restart(watched, f"could not be started: {error}")
            else:
                watched.is_coming_up = True


def _how_it_ended(service: ServiceProcess) -> str:
    status = service.process.returncode if service.process else None
    if status is not None and status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
