"""Puts the registry together: the only file that knows which class fills which port."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

from fsspec.utils import get_protocol

from gnomon.v1 import registry_service_pb2_grpc
from gnomon_registry.adapters.blobs import FileBlobStore
from gnomon_registry.adapters.catalog import SqlCatalog
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.feed import PolledFeed
from gnomon_registry.adapters.reports import parse_report
from gnomon_registry.api.servicer import RegistryServicer
from gnomon_registry.domain.aliases import Aliases
from gnomon_registry.domain.blobs import Blobs
from gnomon_registry.domain.garbage import Garbage
from gnomon_registry.domain.metrics import Metrics
from gnomon_registry.domain.ports import BlobStore
from gnomon_registry.domain.projects import Projects
from gnomon_registry.domain.versions import Versions
from gnomon_registry.domain.watching import Watching
from gnomon_registry.settings import RegistrySettings
from gnomon_rpc.server import Server, Service
from gnomon_rpc.telemetry import Telemetry

NAME = "gnomon.v1.RegistryService"


class App:
    """A built registry."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._database, self._blobs = stores(settings)
        self._feed = PolledFeed(settings.poll_s)
        self._catalog = SqlCatalog(self._database, on_commit=self._feed.wake)
        self._server = Server(settings, [self._service(settings)], telemetry=Telemetry("registry", settings))

    def _service(self, settings: RegistrySettings) -> Service:
        catalog, blobs = self._catalog, self._blobs
        servicer = RegistryServicer(
            projects=Projects(catalog, _now, _new_etag),
            metrics=Metrics(catalog, _now, _new_etag),
            versions=Versions(catalog, blobs, parse_report, _now),
            aliases=Aliases(catalog, _now, _new_etag),
            blobs=Blobs(blobs, settings.max_blob_bytes),
            watching=Watching(catalog, self._feed, settings.heartbeat_s),
        )
        return Service(NAME, registry_service_pb2_grpc.add_RegistryServiceServicer_to_server, servicer)

    @property
    def address(self) -> str:
        return self._server.address

    async def start(self) -> None:
        """Bring the database up to date, clean up after a crash, and accept calls."""
        await asyncio.to_thread(self._database.prepare, migrate=self._settings.migrate_on_start)
        await asyncio.to_thread(self._blobs.clean)
        self._feed.start(self._catalog.last_change)
        await self._server.start()

    async def stop(self) -> None:
        """End the watches, which never end by themselves, then the other calls."""
        await self._feed.close()
        await self._server.stop()
        await asyncio.to_thread(self._database.close)


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
