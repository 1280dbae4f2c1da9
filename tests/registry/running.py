"""A real registry around a temporary folder, and what a caller does with it."""

import asyncio
import contextlib
import uuid

import grpc

from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import registry_service_pb2_grpc, resources_pb2
from gnomon_registry.settings import RegistrySettings
from gnomon_registry.wiring import build
from tests.registry import bundles
from tests.rpc.serving import refused

__all__ = ["Caller", "error_of", "registry", "settings", "until", "upload_messages", "version_request"]

BOOLEAN = {"output_type": "BOOLEAN", "step": "LLM_SPAN", "input_shape": "OUTPUT"}


def settings(folder, **changes):
    return RegistrySettings(
        **{
            "listen": "127.0.0.1:0",
            "database_url": f"sqlite:///{folder / 'registry.db'}",
            "artifact_url": f"file://{folder / 'artifacts'}",
            "grace_s": 1.0,
            "heartbeat_s": 60.0,
            **changes,
        }
    )


@contextlib.asynccontextmanager
async def registry(folder, **changes):
    """Run a registry in this process; yield a caller of it."""
    app = build(settings(folder, **changes))
    await app.start()
    try:
        async with grpc.aio.insecure_channel(app.address) as channel:
            yield Caller(channel, app)
    finally:
        await app.stop()


def upload_messages(content, sha256=None, size=None, part=64 * 1024):
    """Return the messages that upload a blob."""
    digest = sha256 or bundles.sha256(content)
    parts = [content[i : i + part] for i in range(0, len(content), part)] or [b""]
    messages = [rpc.UploadBlobRequest(content=each) for each in parts]
    messages[0].sha256 = digest
    messages[0].size_bytes = len(content) if size is None else size
    return messages


def version_request(contents, metric="tox", request_id=None, description="", sizes=True):
    files = [
        resources_pb2.BundleFile(path=f.path, sha256=f.sha256, size_bytes=f.size_bytes if sizes else 0)
        for f in bundles.listed(contents)
    ]
    return rpc.CreateMetricVersionRequest(
        parent=f"metrics/{metric}",
        metric_version=resources_pb2.MetricVersion(
            description=description, bundle=resources_pb2.Bundle(files=files)
        ),
        request_id=request_id or "",
    )


async def until(condition):
    """Wait until the condition holds; for what no event tells."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def error_of(call):
    """Return the GnomonError of a call, or of a stream, that must fail."""

    async def whole():
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call

    _, error = await refused(whole())
    return error


class Caller:
    def __init__(self, channel, app=None):
        self.stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
        self.app = app

    def __getattr__(self, name):
        return getattr(self.stub, name)

    async def metric(self, metric_id="tox", **fields):
        fields = {**BOOLEAN, **fields}
        request = rpc.CreateMetricRequest(metric_id=metric_id, metric=resources_pb2.Metric(**fields))
        return await self.stub.CreateMetric(request)

    async def upload(self, content, **how):
        while True:
            try:
                return await self.stub.UploadBlob(iter(upload_messages(content, **how)))
            except grpc.aio.AioRpcError as error:
                # gRPC can lose the status of a call that is ended while it uploads; see gnomon._failures.
                if error.details() != "Internal error from Core":
                    raise

    async def upload_all(self, contents):
        by_digest = {bundles.sha256(content): content for content in contents.values()}
        answer = await self.stub.FindMissingBlobs(rpc.FindMissingBlobsRequest(sha256=by_digest))
        for digest in answer.missing_sha256:
            await self.upload(by_digest[digest])

    async def version(self, metric="tox", salt=None, **changes):
        """Upload a bundle and register it."""
        contents = bundles.files(metric, salt=salt or uuid.uuid4().hex, **changes)
        await self.upload_all(contents)
        return await self.stub.CreateMetricVersion(version_request(contents, metric))

    async def alias(self, alias, number, metric="tox", allow_protected=False, **fields):
        message = resources_pb2.Alias(
            name=f"metrics/{metric}/aliases/{alias}",
            metric_version=f"metrics/{metric}/versions/{number}",
            **fields,
        )
        return await self.stub.SetAlias(rpc.SetAliasRequest(alias=message, allow_protected=allow_protected))

    async def get_version(self, number, metric="tox"):
        name = f"metrics/{metric}/versions/{number}"
        return await self.stub.GetMetricVersion(rpc.GetMetricVersionRequest(name=name))

    async def versions(self, metric="tox", **fields):
        request = rpc.ListMetricVersionsRequest(parent=f"metrics/{metric}", **fields)
        return (await self.stub.ListMetricVersions(request)).metric_versions
