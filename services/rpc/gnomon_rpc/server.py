"""A service's life: bind, serve, drain, stop."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gnomon.addresses import is_loopback
from gnomon.errors import GnomonError, QuotaExceededError
from gnomon_rpc.access import KeySource
from gnomon_rpc.audit_interceptor import AuditInterceptor
from gnomon_rpc.audit_refusals import Refusals
from gnomon_rpc.audit_writer import AuditWriter
from gnomon_rpc.draining import CallsUnderWay
from gnomon_rpc.exposure import check_exposure
from gnomon_rpc.gate import Gate, KeyGate, OpenGate
from gnomon_rpc.interceptor import CallInterceptor
from gnomon_rpc.key_cache import KeyCache
from gnomon_rpc.limits import Limits
from gnomon_rpc.settings import ServerSettings
from gnomon_rpc.telemetry import Telemetry, Watch
from gnomon_rpc.tls import server_credentials

log = structlog.get_logger(__name__)

LIVE = "live"
"""The health of the process itself: it answers, whether or not it can do its job. For liveness probes."""

_SLACK_S = 5.0
_PING_EVERY_MS = 30_000
_PING_ANSWER_MS = 20_000  # it may stand behind data on a slow line

_AGED_CONNECTION_GRACE_MS = 3_600_000  # for what is under way on a connection that takes no new calls


@dataclass(frozen=True, slots=True)
class Service:
    """One gRPC service: its full name, generated `add_…_to_server`, and servicer."""

    full_name: str
    add: Callable[[Any, Any], None]
    servicer: Any
    ready: bool = True  # False: not ready until `Server.set_ready` says so


class ListenError(Exception):
    """The address cannot be listened at; the message says why."""


@cache
def _version() -> str:
    try:
        return version("gnomon")
    except PackageNotFoundError:  # run from its sources
        return ""


class _Health(health.aio.HealthServicer):  # type: ignore[misc]  # it has no types
    """Says with every answer which version the service is and what time it has, for `gnomon doctor`."""

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        told = (("gnomon-version", _version()), ("gnomon-time", f"{time.time():.3f}"))
        context.set_trailing_metadata(told)
        return await super().Check(request, context)


class Server:
    """Serves gRPC services with health, reflection, checks and error mapping.

    `keys` says which API keys are valid, where the settings want keys. `audit`
    writes down what changes something, before it begins. `limits` are of what API
    keys may use at a time.

    Raises:
        SettingError: the service would be reachable from elsewhere without protection.
    """

    def __init__(
        self,
        settings: ServerSettings,
        services: list[Service],
        per_item: dict[str, frozenset[str]] | None = None,
        telemetry: Telemetry | None = None,
        keys: KeySource | None = None,
        *,
        audit: AuditWriter | None = None,
        limits: Limits | None = None,
    ) -> None:
        check_exposure(settings)
        self._settings = settings
        self.limits = limits or Limits()
        self._gate = _gate(settings, keys, self.limits)
        self._audit = audit
        self._telemetry = telemetry
        self._services = services
        self._health = _Health()
        self._under_way = CallsUnderWay()
        watches = [self._under_way, *(telemetry.watches if telemetry else ())]
        self._server = grpc.aio.server(
            interceptors=_interceptors(
                per_item, watches, self._gate, audit=audit, telemetry=telemetry, limits=self.limits
            ),
            options=[
                # Unless asked for, a taken port is an error, not a second server behind it.
                ("grpc.so_reuseport", int(settings.reuse_port)),
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                # Streams that are opened and reset at once would keep everybody else waiting: each is a
                # call that was begun. Clients hold further calls of a connection back themselves.
                ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
                # Else gRPC counts calls that have ended in the client's eyes a while longer, and refuses
                # some of a client that has as many under way as it may: UNAVAILABLE, for no fault of its.
                ("grpc.http.overload_protection", 0),
                ("grpc.keepalive_permit_without_calls", 1),
                # A client that vanished without a word would hold its place for hours: its calls count for
                # its key, and what they use stays. Pings go on while a long call says nothing. The limit of
                # an answer is there twice: gRPC documents the first, and heeds the second, else a minute.
                ("grpc.keepalive_time_ms", _PING_EVERY_MS),
                ("grpc.keepalive_timeout_ms", _PING_ANSWER_MS),
                ("grpc.http2.ping_timeout_ms", _PING_ANSWER_MS),
                ("grpc.http2.max_pings_without_data", 0),
                # Clients ask every 10 s whether a service that works for minutes is still there.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                *_age_options(settings.max_connection_age_s),
            ],
        )
        self.address = ""

    async def start(self) -> None:
        """Accept calls from now on; `address` holds the port that was bound.

        Raises:
            ListenError: the address is taken or malformed.
            SettingError: that of the metrics is, or a file of the certificate.
        """
        credentials = server_credentials(self._settings)
        if self._telemetry is not None:
            await self._telemetry.start()
        for service in self._services:
            service.add(service.servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [*(s.full_name for s in self._services), health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        for service in self._services:
            await self.set_ready(service.full_name, service.ready)
        await self._set("", all(service.ready for service in self._services))
        await self._set(LIVE, True)
        try:
            listen = self._settings.listen
            port = (
                self._server.add_insecure_port(listen)
                if credentials is None
                else self._server.add_secure_port(listen, credentials)
            )
        except RuntimeError as error:
            raise ListenError(f"Cannot listen at {self._settings.listen}: it is taken or wrong.") from error
        await self._server.start()
        self.address = f"{self._settings.listen.rpartition(':')[0]}:{port}"
        if self._settings.address_file:
            _write_whole(self._settings.address_file, self.address)
        log.info(
            "listening",
            address=self.address,
            access=self._settings.access,
            tls="off" if credentials is None else "mutual" if self._settings.tls_client_ca_file else "on",
        )
        _warn_of_open_metrics(self._settings)

    async def set_ready(self, full_name: str, ready: bool) -> None:
        """Tell health checks whether a service can do its job; the overall state follows."""
        await self._set(full_name, ready)
        await self._set("", ready)

    async def set_health(self, name: str, ready: bool) -> None:
        """Tell health checks about a part of a service, such as one metric version."""
        await self._set(name, ready)

    async def _set(self, full_name: str, ready: bool) -> None:
        states = health_pb2.HealthCheckResponse
        await self._health.set(full_name, states.SERVING if ready else states.NOT_SERVING)

    async def stop(self) -> None:
        """Turn new calls away, let running ones end within the grace, and say which did not."""
        await self._health.enter_graceful_shutdown()
        if under_way := self._under_way.by_method():
            log.info("draining", calls=under_way, grace_s=self._settings.grace_s)
        # gRPC would cancel what is left at the end of its grace, and with that the count of it.
        stopping = asyncio.create_task(self._server.stop(self._settings.grace_s + _SLACK_S))
        await asyncio.wait({stopping}, timeout=self._settings.grace_s)
        if not stopping.done():
            if abandoned := self._under_way.by_method():
                log.warning("abandoned calls", calls=abandoned, grace_s=self._settings.grace_s)
            await self._server.stop(None)
        await stopping
        await self._gate.close()
        if self._audit is not None:
            await self._audit.stop()
        if self._telemetry is not None:
            await self._telemetry.stop()
        if self._settings.address_file:
            self._settings.address_file.unlink(missing_ok=True)
        log.info("stopped")


def _age_options(age_s: float | None) -> list[tuple[str, int]]:
    """Return what ends connections at an age, spread by gRPC so that clients do not all come at once.

    A client asks for the addresses of a name when a connection ends, and only then.
    """
    if age_s is None:
        return []
    return [
        ("grpc.max_connection_age_ms", round(age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", _AGED_CONNECTION_GRACE_MS),
    ]


def _interceptors(
    per_item: dict[str, frozenset[str]] | None,
    watches: Sequence[Watch],
    gate: Gate,
    *,
    audit: AuditWriter | None,
    telemetry: Telemetry | None,
    limits: Limits,
) -> list[Any]:
    """Return what stands around every handler, from the outermost to the innermost."""
    refusals = Refusals(audit) if audit is not None else None

    def refused(method: str, error: GnomonError) -> None:
        if isinstance(error, QuotaExceededError):
            if telemetry is not None:
                telemetry.over_quota(error.metadata.get("quota", ""))
        elif refusals is not None:
            refusals.note(method, error)

    calls = CallInterceptor(per_item, watches, gate, refused=refused, limits=limits)
    return [calls] if audit is None else [calls, AuditInterceptor(audit)]


def _gate(settings: ServerSettings, keys: KeySource | None, limits: Limits) -> Gate:
    if settings.access == "off":
        return OpenGate()
    assert keys is not None, "the wiring gives a source of keys where the settings want keys"
    return KeyGate(KeyCache(keys, settings.access_stale_s), limits.learn)


def _warn_of_open_metrics(settings: ServerSettings) -> None:
    if settings.metrics_listen and not is_loopback(settings.metrics_listen):
        log.warning(
            "the Prometheus metrics can be read from other machines: they have no keys and no TLS",
            address=settings.metrics_listen,
        )


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets; call it before anything is started.

    A second one ends the process at once, with the status that a shell gives it.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("ended at once by a second signal", signal=number.name)
            os._exit(128 + number)  # the default action would not: the kernel spares process 1 of a container
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


async def until_stopped(stop: asyncio.Event, parent_pid: int | None = None) -> None:
    """Return once the event is set or, where a parent is given, once it is gone.

    A service that `gnomon up` started must not outlive it, even when it is
    killed; being handed to another parent is how a process can tell.
    """
    while not stop.is_set() and (parent_pid is None or os.getppid() == parent_pid):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), None if parent_pid is None else 0.5)
