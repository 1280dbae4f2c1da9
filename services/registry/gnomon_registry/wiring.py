"""Puts the registry together: the only file that knows which class fills which port."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fsspec.utils import get_protocol

from gnomon.api_keys import new_key
from gnomon.bundle_checks import Policy, read_policy
from gnomon.v1 import access_service_pb2_grpc, registry_service_pb2_grpc
from gnomon_registry.adapters.blobs import FileBlobStore
from gnomon_registry.adapters.catalog import SqlCatalog
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.feed import PolledFeed
from gnomon_registry.adapters.key_source import OwnKeys
from gnomon_registry.adapters.operator_keys import operator_keys
from gnomon_registry.adapters.reports import parse_report
from gnomon_registry.api import access
from gnomon_registry.api.servicer import RegistryServicer
from gnomon_registry.domain.aliases import Aliases
from gnomon_registry.domain.api_key import ApiKey
from gnomon_registry.domain.api_keys import ApiKeys
from gnomon_registry.domain.blobs import Blobs
from gnomon_registry.domain.garbage import Garbage
from gnomon_registry.domain.metrics import Metrics
from gnomon_registry.domain.observing import ObservedBlobs, ObservedCatalog, Observer
from gnomon_registry.domain.ports import BlobStore, CatalogStore
from gnomon_registry.domain.projects import Projects
from gnomon_registry.domain.stored import StoredBytes
from gnomon_registry.domain.versions import Versions
from gnomon_registry.domain.watching import Watching
from gnomon_registry.settings import RegistrySettings
from gnomon_registry.webhook_wiring import telling
from gnomon_rpc import audit_service, usage_service
from gnomon_rpc.audit_writer import AuditWriter
from gnomon_rpc.readiness import Readiness
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import secret_of
from gnomon_rpc.telemetry import Telemetry
from gnomon_storage.audit_log import SqlAuditLog
from gnomon_storage.urls import sqlite_file

NAME = "gnomon.v1.RegistryService"


class App:
    """A built registry."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._database, self._blobs = stores(settings)
        self._policy = read_policy(settings.bundle_policy_file) if settings.bundle_policy_file else Policy()
        self._feed = PolledFeed(settings.poll_s)
        self._catalog = SqlCatalog(self._database, on_commit=self._feed.wake)
        keys = ApiKeys(self._catalog, _now, _new_etag, new_key, _operators(settings))
        self._telemetry = Telemetry("registry", settings)
        self._observer = self._counting()
        self._telling = telling(settings, self._database, self._feed, _now, self._observer)
        audit_log = SqlAuditLog(self._database.write, self._database.read)
        audit = AuditWriter(audit_log)
        self._server = Server(
            settings,
            [
                self._service(settings),
                _access(keys),
                audit_service.service(audit_log, audit),
                usage_service.service(StoredBytes(self._catalog, self._blobs)),
            ],
            telemetry=self._telemetry,
            keys=OwnKeys(keys),
            audit=audit,
        )
        self._readiness = Readiness(
            {
                "database": lambda: asyncio.to_thread(self._database.check),
                "artifacts": lambda: asyncio.to_thread(self._blobs.check),
            },
            lambda ready: self._server.set_ready(NAME, ready),
            settings.health_every_s,
        )

    def _service(self, settings: RegistrySettings) -> Service:
        catalog, blobs = self._observed()
        servicer = RegistryServicer(
            projects=Projects(catalog, _now, _new_etag),
            metrics=Metrics(catalog, _now, _new_etag),
            versions=Versions(catalog, blobs, parse_report, _now, self._policy),
            aliases=Aliases(catalog, _now, _new_etag),
            blobs=Blobs(blobs, settings.max_blob_bytes),
            watching=Watching(catalog, self._feed, settings.heartbeat_s),
            stored=StoredBytes(catalog, blobs),
            webhooks=self._telling.webhooks,
            dispatch_now=self._telling.dispatcher.wake,
        )
        return Service(NAME, registry_service_pb2_grpc.add_RegistryServiceServicer_to_server, servicer)

    def _observed(self) -> tuple[CatalogStore, BlobStore]:
        if self._observer is None:
            return self._catalog, self._blobs
        return ObservedCatalog(self._catalog, self._observer), ObservedBlobs(self._blobs, self._observer)

    def _counting(self) -> Observer | None:
        """Return what counts the registry's work, where somebody wants to know."""
        if self._telemetry.registry is None:
            return None
        from gnomon_registry.adapters.prometheus import CatalogNumbers, PrometheusObserver

        folders = {"artifacts": Path(self._blobs.local_folder)} if self._blobs.local_folder else {}
        if file := sqlite_file(self._database.url):
            folders["database"] = file.parent
        numbers = CatalogNumbers(self._catalog.sizes, lambda: self._feed.looked_at, folders)
        self._telemetry.registry.register(numbers)
        return PrometheusObserver(self._telemetry.registry)

    @property
    def address(self) -> str:
        return self._server.address

    async def start(self) -> None:
        """Bring the database up to date, clean up after a crash, and accept calls."""
        await asyncio.to_thread(self._database.prepare, migrate=self._settings.migrate_on_start)
        await asyncio.to_thread(self._blobs.clean)
        self._feed.start(self._catalog.last_change)
        await self._server.start()
        self._readiness.start()
        self._telling.dispatcher.start()

    async def stop(self) -> None:
        """End the watches, which never end by themselves, then the other calls and requests to receivers."""
        await self._readiness.stop()
        await self._feed.close()
        await asyncio.gather(self._server.stop(), self._telling.dispatcher.stop(self._settings.grace_s))
        await self._telling.outbound.close()
        await asyncio.to_thread(self._database.close)


def _operators(settings: RegistrySettings) -> dict[str, ApiKey]:
    prefix = str(settings.model_config["env_prefix"])
    given = {
        "admin": (settings.admin_key, settings.admin_key_file),
        "trainer": (settings.trainer_key, settings.trainer_key_file),
        "scorer": (settings.scorer_key, settings.scorer_key_file),
    }
    texts = {who: secret_of(f"{who}_key", *either, prefix) for who, either in given.items()}
    return operator_keys(texts, settings.access, _now())


def _access(keys: ApiKeys) -> Service:
    add = access_service_pb2_grpc.add_AccessServiceServicer_to_server
    return Service(access.FULL_NAME, add, access.AccessServicer(keys))


def build(settings: RegistrySettings) -> App:
    return App(settings)


def stores(settings: RegistrySettings) -> tuple[Database, FileBlobStore]:
    """Return what the registry's data lie in."""
    database = Database(settings.database_url, settings.busy_timeout_s, settings.database_password_file)
    return database, _blobs(settings)


def _blobs(settings: RegistrySettings) -> FileBlobStore:
    if get_protocol(settings.artifact_url) not in {"s3", "s3a"}:
        return FileBlobStore(settings.artifact_url)
    from gnomon_registry.adapters.s3_blobs import S3BlobStore  # its packages are in an extra

    return S3BlobStore(settings.artifact_url, settings.artifact_endpoint_url)


def garbage(database: Database, blobs: BlobStore, min_age: timedelta, retention: timedelta) -> Garbage:
    return Garbage(SqlCatalog(database, on_commit=lambda: None), blobs, _now, min_age, retention)


def _now() -> datetime:
    return datetime.now(UTC)


def _new_etag() -> str:
    return uuid.uuid4().hex
