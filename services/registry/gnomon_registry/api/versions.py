"""The RPCs of metric versions."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

import asyncio
from typing import Any

from gnomon.bundle import BundleFile
from gnomon.names import MetricName, MetricVersionName
from gnomon.threads import in_thread
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import resources_pb2 as pb
from gnomon_registry.api import messages
from gnomon_registry.api.paging import number, page
from gnomon_registry.domain.entities import ImportSource, MetricVersion
from gnomon_registry.domain.versions import Versions
from gnomon_rpc.caller import current
from gnomon_rpc.request_ids import request_key


class VersionRpcs:
    versions: Versions
    checks: asyncio.Semaphore

    async def CreateMetricVersion(
        self, request: rpc.CreateMetricVersionRequest, context: Any
    ) -> pb.MetricVersion:
        draft = request.metric_version
        files = [BundleFile(file.path, file.sha256, file.size_bytes) for file in draft.bundle.files]
        metric = MetricName.parse(request.parent, "parent")
        create, key = self.versions.create, request_key(request)
        async with self.checks:
            made = await in_thread(create, metric, draft.description, files, key, _import_source(request))
        return messages.version(made)

    async def GetMetricVersion(self, request: rpc.GetMetricVersionRequest, context: Any) -> pb.MetricVersion:
        return messages.version(await in_thread(self.versions.get, MetricVersionName.parse(request.name)))

    async def ListMetricVersions(
        self, request: rpc.ListMetricVersionsRequest, context: Any
    ) -> rpc.ListMetricVersionsResponse:
        metric = MetricName.parse(request.parent, "parent")

        def read(key: str, limit: int) -> list[MetricVersion]:
            return self.versions.page(metric, number(key), limit, request.show_deleted)

        found = await page(request, read, lambda version: str(version.number), messages.version)
        return rpc.ListMetricVersionsResponse(
            metric_versions=found.items, next_page_token=found.next_page_token
        )

    async def DeleteMetricVersion(
        self, request: rpc.DeleteMetricVersionRequest, context: Any
    ) -> pb.MetricVersion:
        name = MetricVersionName.parse(request.name)
        return messages.version(await in_thread(self.versions.delete, name))

    async def UndeleteMetricVersion(
        self, request: rpc.UndeleteMetricVersionRequest, context: Any
    ) -> pb.MetricVersion:
        name = MetricVersionName.parse(request.name)
        return messages.version(await in_thread(self.versions.undelete, name))


def _import_source(request: rpc.CreateMetricVersionRequest) -> ImportSource | None:
    if not request.HasField("import_source"):
        return None
    # Whoever shows a key does not choose a name.
    return ImportSource(request.import_source.origin, current().name or request.import_source.importer)
