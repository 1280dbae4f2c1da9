"""A real scorer beside a registry that a test scripts, over the real wire."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from gnomon.convert import instance_to_proto
from gnomon.errors import GnomonError, NotFoundError
from gnomon.instances import text_span
from gnomon.status import from_status
from gnomon.tokens import Tokens
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import registry_service_pb2_grpc, resources_pb2, scorer_service_pb2_grpc
from gnomon.v1 import scorer_service_pb2 as scorer
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings
from gnomon_scorer.adapters.onnx_runtime import OnnxRuntime
from gnomon_scorer.adapters.runtimes import Runtimes
from gnomon_scorer.domain.ports import Bundle, Opened
from gnomon_scorer.settings import ScorerSettings
from gnomon_scorer.wiring import App
from tests.scorer.evaluators import MadeBundle
from tests.scorer.fakes import FakeTunings

_Kind = registry.WatchCatalogResponse.Kind


class FakeRegistry(registry_service_pb2_grpc.RegistryServiceServicer):
    """The three methods that a scorer calls. It can be stopped, and started at the same address."""

    def __init__(self) -> None:
        self.versions: dict[str, MadeBundle] = {}
        self.aliases: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.is_mute = False  # tells watchers nothing of what happens
        self.address = "127.0.0.1:0"
        self._watchers: set[asyncio.Queue[registry.WatchCatalogResponse]] = set()
        self._server: Server | None = None

    async def start(self) -> None:
        settings = ServerSettings(listen=self.address, grace_s=0.0)
        add = registry_service_pb2_grpc.add_RegistryServiceServicer_to_server
        self._server = Server(settings, [Service("gnomon.v1.RegistryService", add, self)])
        await self._server.start()
        self.address = self._server.address

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
            self._server = None

    def register(self, name: str, made: MadeBundle) -> None:
        """Add a version, such as `toxicity/3`."""
        name = _version(name)
        self.versions[name] = made
        for content in made.contents.values():
            self.blobs[hashlib.sha256(content).hexdigest()] = content
        self._tell(_Kind.VERSION_CREATED, name)

    def delete(self, name: str) -> None:
        del self.versions[_version(name)]
        self._tell(_Kind.VERSION_DELETED, _version(name))

    def set_alias(self, alias: str, name: str) -> None:
        """Point an alias, such as `toxicity/production`, at a version."""
        self.aliases[_alias(alias)] = _version(name)
        self._tell(_Kind.ALIAS_SET, _version(name), _alias(alias))

    def delete_alias(self, alias: str) -> None:
        self._tell(_Kind.ALIAS_DELETED, self.aliases.pop(_alias(alias)), _alias(alias))

    def _tell(self, kind: Any, version: str, alias: str = "") -> None:
        if not self.is_mute:
            for watcher in self._watchers:
                watcher.put_nowait(
                    registry.WatchCatalogResponse(kind=kind, metric_version=version, alias=alias)
                )

    async def WatchCatalog(self, request: Any, context: Any) -> AsyncIterator[Any]:
        queue: asyncio.Queue[registry.WatchCatalogResponse] = asyncio.Queue()
        for name in self.versions:
            queue.put_nowait(registry.WatchCatalogResponse(kind=_Kind.VERSION_CREATED, metric_version=name))
        for alias, name in self.aliases.items():
            queue.put_nowait(
                registry.WatchCatalogResponse(kind=_Kind.ALIAS_SET, metric_version=name, alias=alias)
            )
        queue.put_nowait(registry.WatchCatalogResponse(kind=_Kind.SNAPSHOT_COMPLETE))
        self._watchers.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    async def GetMetricVersion(self, request: Any, context: Any) -> resources_pb2.MetricVersion:
        name = self.aliases.get(request.name.replace("/versions/", "/aliases/"), request.name)
        made = self.versions.get(name)
        if made is None:
            raise NotFoundError(f"There is no {request.name}.", resource=request.name)
        files = [
            resources_pb2.BundleFile(path=f.path, sha256=f.sha256, size_bytes=f.size_bytes)
            for f in made.files
        ]
        return resources_pb2.MetricVersion(
            name=name, bundle=resources_pb2.Bundle(digest=made.digest, files=files)
        )

    async def DownloadBlob(self, request: Any, context: Any) -> AsyncIterator[Any]:
        content = self.blobs.get(request.sha256)
        if content is None:
            raise NotFoundError(f"The blob {request.sha256} is not stored.")
        for start in range(0, max(1, len(content)), 65_536):
            yield registry.DownloadBlobResponse(content=content[start : start + 65_536])


def _version(name: str) -> str:
    metric, _, number = name.partition("/")
    return f"metrics/{metric}/versions/{number}"


def _alias(name: str) -> str:
    metric, _, alias = name.partition("/")
    return f"metrics/{metric}/aliases/{alias}"


def onnx_runtime(cores: int = 2) -> Runtimes:
    """ONNX Runtime alone; nothing is measured or kept."""
    return Runtimes([OnnxRuntime()], cores, FakeTunings(), tuning_s=0)


class HeldRuntime(Runtimes):
    """ONNX Runtime; `hold`, if set, is called in the thread of every batch before it runs."""

    def __init__(self, threads: int = 1) -> None:
        super().__init__([OnnxRuntime()], threads, FakeTunings(), tuning_s=0)
        self.hold: Any = None
        self.batches: list[int] = []

    def load(self, bundle: Bundle, known: Tokens) -> Opened:
        opened = super().load(bundle, known)
        backend: Any = opened.backend
        run = backend.run

        def held(batch: Any) -> Any:
            if self.hold is not None:
                self.hold(batch)
            self.batches.append(len(batch))
            return run(batch)

        backend.run = backend.run_in_background = held
        return opened


class Caller:
    """Speaks with one scorer; errors of a call are those of `gnomon.errors`."""

    def __init__(self, app: App, channel: Any) -> None:
        self.app = app
        self.stub = scorer_service_pb2_grpc.ScorerServiceStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)

    async def score(
        self, names: str | Sequence[str], *outputs: Any, timeout_s: float | None = 20.0
    ) -> scorer.ScoreResponse:
        """Score texts, or messages of instances, with versions such as `toxicity/3`."""
        names = [names] if isinstance(names, str) else names
        instances = [
            instance_to_proto(text_span(output=one)) if isinstance(one, str) else one for one in outputs
        ]
        request = scorer.ScoreRequest(metric_versions=map(_version, names), instances=instances)
        return await self.call(self.stub.Score, request, timeout_s)

    async def call(self, method: Any, request: Any, timeout_s: float | None = 20.0) -> Any:
        try:
            return await method(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            status = rpc_status.from_call(error)
            if status is None:
                raise
            raise from_status(status) from error

    async def loaded(self) -> dict[str, scorer.LoadedVersion]:
        response = await self.stub.ListLoadedVersions(scorer.ListLoadedVersionsRequest())
        return {
            one.metric_version.removeprefix("metrics/").replace("/versions", ""): one
            for one in response.loaded_versions
        }

    async def is_healthy(self, name: str = "gnomon.v1.ScorerService") -> bool:
        try:
            answer = await self._health.Check(health_pb2.HealthCheckRequest(service=name))
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def until_healthy(self, name: str = "gnomon.v1.ScorerService", seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while not await self.is_healthy(name):
                await asyncio.sleep(0.01)

    async def until_serving(self, alias: str, number: int, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while number_of((await self.score(alias, "good")).results[0].outcomes[0]) != number:
                await asyncio.sleep(0.01)


def number_of(outcome: scorer.ScoreOutcome) -> int:
    assert outcome.WhichOneof("outcome") == "score", outcome.error
    return int(outcome.score.metric_version.rpartition("/")[2])


def error_of(outcome: scorer.ScoreOutcome) -> GnomonError:
    assert outcome.WhichOneof("outcome") == "error", outcome.score
    return from_status(outcome.error)


def logits_of(outcome: scorer.ScoreOutcome) -> list[float]:
    assert outcome.WhichOneof("outcome") == "score", outcome.error
    return [one.logit for one in outcome.score.classes]


@contextlib.asynccontextmanager
async def scoring(
    fake: FakeRegistry,
    cache: Path,
    runtime: Runtimes | None = None,
    make_app: Callable[[ScorerSettings, Runtimes], App] = App,
    **settings: Any,
) -> AsyncIterator[Caller]:
    """Serve a scorer of a registry; yield who calls it."""
    settings = {"cache_bytes": 0} | settings  # who repeats a text here wants it run again
    made = ScorerSettings(
        listen="127.0.0.1:0", registry_address=fake.address, cache_dir=cache, grace_s=0.2, **settings
    )
    app = make_app(made, runtime or onnx_runtime())
    await app.start()
    try:
        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(app.server.address, options) as channel:
            yield Caller(app, channel)
    finally:
        await app.stop()
