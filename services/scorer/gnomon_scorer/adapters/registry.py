"""The registry, reached through the SDK as any user reaches it."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gnomon import AsyncClient
from gnomon.bundle import BundleFile
from gnomon.errors import (
    CancelledError,
    DeadlineExceededError,
    NotFoundError,
    RegistryUnavailableError,
    ServiceUnavailableError,
)
from gnomon.names import AliasName, MetricVersionName
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import resources_pb2
from gnomon_scorer.domain.ports import (
    AliasDeleted,
    AliasSet,
    CatalogEvent,
    Heartbeat,
    SnapshotComplete,
    VersionCreated,
    VersionDeleted,
)

_Kind = pb.WatchCatalogResponse.Kind


class Registry:
    """The catalog, and where bundles come from."""

    def __init__(self, reached: Mapping[str, Any], timeout_s: float = 5.0) -> None:
        """`reached` says how, in the words of the SDK's client."""
        self._reached = reached
        self._client = AsyncClient(**reached, timeout_s=timeout_s)

    async def close(self) -> None:
        await self._client.close()

    async def watch(self) -> AsyncGenerator[CatalogEvent, None]:
        """Yield the events of one watch; see the port.

        Each watch has a connection of its own: an old one may be waiting out
        a back-off while the registry is there again.
        """
        async with AsyncClient(**self._reached) as client:
            with _away_is_registry_away():
                async with contextlib.aclosing(client.watch_catalog()) as responses:
                    async for response in responses:
                        if event := _event(response):
                            yield event

    async def find(self, name: MetricVersionName) -> MetricVersionName:
        version = await self._get(name)
        return MetricVersionName.parse(version.name)

    async def files(self, name: MetricVersionName) -> tuple[BundleFile, ...]:
        """Return the files of a version's bundle.

        Raises:
            NotFoundError, RegistryUnavailableError.
        """
        version = await self._get(name)
        return tuple(BundleFile(f.path, f.sha256, f.size_bytes) for f in version.bundle.files)

    async def download(self, name: MetricVersionName, folder: Path) -> None:
        """Put a version's bundle into a new folder: all of it or nothing.

        Raises:
            NotFoundError, RegistryUnavailableError.
            ArtifactCorruptError: a file is missing, cut or altered at the registry.
        """
        with _away_is_registry_away():
            await self._client.versions.download(str(name), folder)

    async def _get(self, name: MetricVersionName) -> resources_pb2.MetricVersion:
        with _away_is_registry_away():
            version = await self._client.versions.get(str(name))
        if version.HasField("delete_time"):
            raise NotFoundError(f"{version.name} was deleted.", resource=version.name)
        return version


@contextlib.contextmanager
def _away_is_registry_away() -> Iterator[None]:
    try:
        yield
    except (ServiceUnavailableError, DeadlineExceededError, CancelledError) as error:
        raise RegistryUnavailableError(error.message, retry_after_s=0.5) from error


def _event(response: pb.WatchCatalogResponse) -> CatalogEvent | None:
    """Return the event; None for a kind of a newer registry."""
    read = _EVENTS.get(response.kind)
    return read(response) if read else None


_EVENTS: dict[int, Callable[[pb.WatchCatalogResponse], CatalogEvent]] = {
    _Kind.VERSION_CREATED: lambda r: VersionCreated(MetricVersionName.parse(r.metric_version)),
    _Kind.VERSION_DELETED: lambda r: VersionDeleted(MetricVersionName.parse(r.metric_version)),
    _Kind.ALIAS_SET: lambda r: AliasSet(AliasName.parse(r.alias), MetricVersionName.parse(r.metric_version)),
    _Kind.ALIAS_DELETED: lambda r: AliasDeleted(AliasName.parse(r.alias)),
    _Kind.SNAPSHOT_COMPLETE: lambda _: SnapshotComplete(),
    _Kind.HEARTBEAT: lambda _: Heartbeat(),
}
