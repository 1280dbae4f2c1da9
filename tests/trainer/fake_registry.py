"""A registry on a real wire that holds its data in memory, and can go away."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from gnomon.errors import BundleInvalidError, NotFoundError, RequestIdReusedError
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import registry_service_pb2_grpc as rpc
from gnomon.v1 import resources_pb2 as resources
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings

TOXICITY = resources.Metric(
    name="metrics/toxicity",
    output_type="BOOLEAN",
    step="LLM_SPAN",
    input_shape="INPUT_OUTPUT",
    classes=[
        resources.Metric.LabelClass(label="false"),
        resources.Metric.LabelClass(label="true", flagged=True),
    ],
)
TOPIC = resources.Metric(
    name="metrics/topic",
    output_type="CATEGORICAL",
    step="LLM_SPAN",
    input_shape="INPUT",
    classes=[resources.Metric.LabelClass(label=label) for label in ("billing", "delivery", "other")],
)


class FakeRegistry(rpc.RegistryServiceServicer):
    """Knows the project `demo` and two metrics; registers what it is given, once a request ID."""

    def __init__(self) -> None:
        self.metrics = {metric.name: metric for metric in (TOXICITY, TOPIC)}
        self.projects = {"projects/demo", "projects/other"}
        self.blobs: set[str] = set()
        self.versions: list[resources.MetricVersion] = []
        self.made_by: dict[str, str] = {}  # from a version to the run that made it
        self.aliases: dict[str, str] = {}  # from metrics/{metric}/versions/{alias} to a version
        self.refuses = False
        self.address = "127.0.0.1:0"
        self._by_request: dict[str, tuple[bytes, resources.MetricVersion]] = {}
        self._server: Server | None = None

    async def start(self) -> None:
        """Listen; at the same address as before, if there was one."""
        settings = ServerSettings(listen=self.address, grace_s=0.1)
        add = rpc.add_RegistryServiceServicer_to_server
        self._server = Server(settings, [Service("gnomon.v1.RegistryService", add, self)])
        await self._server.start()
        self.address = self._server.address

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
            self._server = None

    async def GetMetric(self, request: Any, context: Any) -> Any:
        if request.name not in self.metrics:
            raise NotFoundError(f"There is no {request.name}.", resource=request.name)
        return self.metrics[request.name]

    async def GetProject(self, request: Any, context: Any) -> Any:
        if request.name not in self.projects:
            raise NotFoundError(f"There is no {request.name}.", resource=request.name)
        return resources.Project(name=request.name)

    async def GetMetricVersion(self, request: Any, context: Any) -> Any:
        name = self.aliases.get(request.name, request.name)
        if name not in self.made_by:
            raise NotFoundError(f"There is no {request.name}.", resource=request.name)
        return resources.MetricVersion(name=name, lineage=resources.Lineage(run=self.made_by[name]))

    async def FindMissingBlobs(self, request: Any, context: Any) -> Any:
        missing = [sha256 for sha256 in request.sha256 if sha256 not in self.blobs]
        return pb.FindMissingBlobsResponse(missing_sha256=missing)

    async def UploadBlob(self, request_iterator: Any, context: Any) -> Any:
        digest, announced = hashlib.sha256(), ""
        async for request in request_iterator:
            announced = announced or request.sha256
            digest.update(request.content)
        assert digest.hexdigest() == announced
        self.blobs.add(announced)
        return pb.UploadBlobResponse()

    async def CreateMetricVersion(self, request: Any, context: Any) -> Any:
        if self.refuses:
            raise BundleInvalidError("The bundle does not fit its metric.")
        body = request.metric_version.SerializeToString(deterministic=True)
        if known := self._by_request.get(request.request_id):
            if known[0] != body:
                raise RequestIdReusedError("Another body.", request_id=request.request_id)
            return known[1]
        version = resources.MetricVersion(
            name=f"{request.parent}/versions/{len(self.versions) + 1}", bundle=request.metric_version.bundle
        )
        self.versions.append(version)
        self._by_request[request.request_id] = body, version
        return version


@contextlib.asynccontextmanager
async def fake_registry() -> AsyncIterator[FakeRegistry]:
    registry = FakeRegistry()
    await registry.start()
    try:
        yield registry
    finally:
        await registry.stop()
