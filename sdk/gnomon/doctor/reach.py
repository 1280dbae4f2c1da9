"""Checks over the network: services, their versions and clocks, what a call answers, telemetry."""

import importlib.metadata
import importlib.util
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from gnomon import local
from gnomon.doctor.site import BROKEN, OK, WARNING, Finding, Site
from gnomon.errors import GnomonError

_MOST_SKEW_S = 2.0
_CONNECT_S = 3.0


def services(site: Site) -> Iterator[Finding]:
    for service in site.services:
        answer, address = site.ask(service), site.address(service)
        if answer.is_serving:
            yield Finding(service, OK, f"It can do its job, at {address}.")
        elif answer.state == "UNREACHABLE":
            do = f"Start it, or say where it is: GNOMON_{service.upper()}_ADDRESS. TLS needs GNOMON_CA_FILE."
            yield Finding(service, BROKEN, f"Nobody answers at {address}: {answer.reason}", do)
        else:
            do = "Its log says why: look for `cannot do its job`."
            if service == "scorer":
                do = "`gnomon status` says what it cannot load, its log whether it reaches the registry."
            yield Finding(
                service, BROKEN, f"It answers at {address} and cannot do its job: {answer.state}.", do
            )
    if "trainer" in site.services and site.ask("trainer", "registry").state == "NOT_SERVING":
        do = "Check GNOMON_TRAINER_REGISTRY_ADDRESS, and its key and certificate."
        yield Finding("trainer", BROKEN, "The trainer does not reach the registry.", do)


def versions(site: Site) -> Iterator[Finding]:
    own = importlib.metadata.version("gnomon")
    found = {service: site.ask(service, "live").version for service in site.services}
    others = {service: version for service, version in found.items() if version and version != own}
    for service, version in others.items():
        do = "Bring all to one version; see docs/operations/upgrade.md for the order."
        yield Finding(service, WARNING, f"It is version {version}, this is {own}.", do)
    if any(found.values()) and not others:
        yield Finding("", OK, f"Services are version {own}, as this is.")


def clocks(site: Site) -> Iterator[Finding]:
    for service in site.services:
        answer = site.ask(service, "live")
        if answer.time_s is None:
            continue
        skew_s = answer.time_s - site.clock()
        if abs(skew_s) > _MOST_SKEW_S:
            said = f"Its clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} this one."
            yield Finding(service, WARNING, said, "Have both machines take the time over NTP.")
        else:
            yield Finding(service, OK, "Its clock agrees with this one.")


def calls(site: Site) -> Iterator[Finding]:
    if site.calls is None or not all(site.ask(service).is_serving for service in local.HEALTH_SERVICES):
        return
    try:
        site.calls()
    except GnomonError as error:
        yield Finding("client", BROKEN, error.message, "Check GNOMON_API_KEY, and the scopes of that key.")
    else:
        yield Finding("client", OK, "Each service answers a call of this client.")


def telemetry(site: Site) -> Iterator[Finding]:
    endpoint = site.environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint:
        return
    if importlib.util.find_spec("opentelemetry") is None:
        do = "pip install 'gnomon[otel]', or unset OTEL_EXPORTER_OTLP_ENDPOINT."
        yield Finding("", BROKEN, "OpenTelemetry is asked for and not installed.", do)
        return
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 4317), timeout=_CONNECT_S):
            yield Finding("", OK, f"Something listens at {parts.hostname}:{parts.port or 4317}.")
    except (OSError, ValueError):
        said = f"Nobody listens at {parts.hostname}, where spans are sent."
        yield Finding("", WARNING, said, "Start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT.")
