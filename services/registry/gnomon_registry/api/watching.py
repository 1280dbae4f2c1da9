"""The RPC that follows the catalog."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from gnomon.v1 import registry_service_pb2 as rpc
from gnomon_registry.api.messages import alias_name, version_name
from gnomon_registry.domain.entities import Alias, ChangeKind
from gnomon_registry.domain.watching import Event, LiveVersion, Mark, Watching


class WatchRpcs:
    watching: Watching

    async def WatchCatalog(
        self, request: rpc.WatchCatalogRequest, context: Any
    ) -> AsyncIterator[rpc.WatchCatalogResponse]:
        async with aclosing(self.watching.events()) as events:
            async for event in events:
                yield _response(event)


def _response(event: Event) -> rpc.WatchCatalogResponse:
    match event:
        case Mark():
            return rpc.WatchCatalogResponse(kind=event.name)
        case LiveVersion():
            name = version_name(event.metric, event.number)
            return rpc.WatchCatalogResponse(kind="VERSION_CREATED", metric_version=name)
        case Alias():
            return rpc.WatchCatalogResponse(
                kind="ALIAS_SET", metric_version=str(event.version), alias=str(event.name)
            )
        case change:
            # For a watcher a restored version is one that is there, as any other.
            restored = change.kind is ChangeKind.VERSION_RESTORED
            return rpc.WatchCatalogResponse(
                kind="VERSION_CREATED" if restored else change.kind.name,
                metric_version=version_name(change.metric, change.number),
                alias=alias_name(change.metric, change.alias),
            )
