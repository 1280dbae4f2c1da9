"""What is looked over: the environment of services, a `gnomon up` home, and the world around them."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gnomon import local, places
from gnomon.addresses import address_of
from gnomon.health import Answer, Tls, ask

OK, NOTE, WARNING, BROKEN = "ok", "note", "warning", "BROKEN"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: about whom, how bad, in a sentence, and what to do about it."""

    about: str
    state: str
    said: str
    do: str = ""
    check: str = ""

    def of(self, check: str) -> "Finding":
        return replace(self, check=check)


@dataclass(frozen=True)
class Site:
    """An installation. Settings come from the environment and from `home`, by the rule of `gnomon.places`."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    home: Path = Path("~/.gnomon")
    home_is_named: bool = False
    """Whether the home was asked for, so that it goes before the variables that say where data are."""
    services: Sequence[str] = tuple(local.HEALTH_SERVICES)
    addresses: Mapping[str, str | None] = field(default_factory=dict)
    calls: Callable[[], object] | None = None
    """Makes one call of each service; raises what went wrong. None: no calls are made."""
    clock: Callable[[], float] = time.time
    question: Callable[[str, str, Tls | None], Answer] = ask

    def setting(self, service: str, name: str) -> str | None:
        """Return what a service is told by a variable, or by the home of `gnomon up` if that is in use."""
        variable = f"GNOMON_{service.upper()}_{name}"
        given = self.environment.get(variable)
        if self.has_home(service) and (given is None or variable in places.variables(service)):
            return local.embedded(service, self.home).get(variable, given)
        return given

    def has_home(self, service: str) -> bool:
        """Tell whether the service's data are in the home."""
        if not self.home_is_named and places.named(service, self.environment):
            return False
        return (self.home / service).is_dir()

    def address(self, service: str) -> str:
        return address_of(service, self.addresses.get(service), self.environment)

    def tls(self) -> Tls | None:
        """Return how the clients of this environment trust services; None for plain text."""
        trust = Tls(self._path("CA_FILE"), self._path("CERTIFICATE_FILE"), self._path("CERTIFICATE_KEY_FILE"))
        return trust if trust != Tls() or self.environment.get("GNOMON_TLS") else None

    def _path(self, name: str) -> Path | None:
        value = self.environment.get(f"GNOMON_{name}")
        return Path(value) if value else None

    def ask(self, service: str, what: str | None = None) -> Answer:
        """Ask a service's health check, about itself if nothing else is named."""
        name = local.HEALTH_SERVICES[service] if what is None else what
        return self.question(self.address(service), name, self.tls())
