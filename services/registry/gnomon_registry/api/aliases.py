"""The RPCs of aliases."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

from typing import Any

from google.protobuf import empty_pb2

from gnomon.names import AliasName, MetricName, MetricVersionName
from gnomon.threads import in_thread
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import resources_pb2 as pb
from gnomon_registry.api import messages
from gnomon_registry.api.paging import number, page
from gnomon_registry.domain.aliases import Aliases
from gnomon_registry.domain.entities import Alias, Change
from gnomon_rpc.request_ids import request_key


class AliasRpcs:
    aliases: Aliases

    async def SetAlias(self, request: rpc.SetAliasRequest, context: Any) -> pb.Alias:
        wanted = request.alias
        alias = await in_thread(
            self.aliases.set,
            AliasName.parse(wanted.name, "alias.name"),
            MetricVersionName.parse(wanted.metric_version, "alias.metric_version"),
            protected=wanted.protected,
            allow_protected=request.allow_protected,
            etag=wanted.etag,
            must_be_new=request.must_be_new,
            key=request_key(request),
        )
        return messages.alias(alias)

    async def GetAlias(self, request: rpc.GetAliasRequest, context: Any) -> pb.Alias:
        return messages.alias(await in_thread(self.aliases.get, AliasName.parse(request.name)))

    async def ListAliases(self, request: rpc.ListAliasesRequest, context: Any) -> rpc.ListAliasesResponse:
        metric = MetricName.parse(request.parent, "parent")

        def read(after: str, limit: int) -> list[Alias]:
            return self.aliases.page(metric, after, limit)

        found = await page(request, read, lambda alias: alias.name.alias, messages.alias)
        return rpc.ListAliasesResponse(aliases=found.items, next_page_token=found.next_page_token)

    async def DeleteAlias(self, request: rpc.DeleteAliasRequest, context: Any) -> empty_pb2.Empty:
        name = AliasName.parse(request.name)
        await in_thread(self.aliases.delete, name, allow_protected=request.allow_protected)
        return empty_pb2.Empty()

    async def ListAliasEvents(
        self, request: rpc.ListAliasEventsRequest, context: Any
    ) -> rpc.ListAliasEventsResponse:
        name = AliasName.parse(request.parent, "parent")

        def read(key: str, limit: int) -> list[Change]:
            return self.aliases.history(name, number(key), limit)

        found = await page(request, read, lambda change: str(change.id), messages.alias_event)
        return rpc.ListAliasEventsResponse(alias_events=found.items, next_page_token=found.next_page_token)
