"""Puts the scorer together. The only file that knows concrete classes."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import structlog

from gnomon.bundle_checks import Policy, read_policy
from gnomon.v1.scorer_service_pb2_grpc import add_ScorerServiceServicer_to_server
from gnomon_rpc.limits import Limits
from gnomon_rpc.registry_keys import registry_keys, registry_options
from gnomon_rpc.server import Server, Service
from gnomon_rpc.telemetry import Telemetry
from gnomon_scorer.adapters import priority
from gnomon_scorer.adapters.bundles import BundleCache
from gnomon_scorer.adapters.engines import Engine
from gnomon_scorer.adapters.onnx_runtime import ConflictError, OnnxRuntime
from gnomon_scorer.adapters.openvino_runtime import OpenVinoRuntime
from gnomon_scorer.adapters.quarantine import ProcessQuarantine
from gnomon_scorer.adapters.registry import Registry
from gnomon_scorer.adapters.runtimes import Runtimes
from gnomon_scorer.adapters.tokenizers import TokenizerFiles
from gnomon_scorer.adapters.tunings import TuningFiles
from gnomon_scorer.api import PER_ITEM, SERVICE
from gnomon_scorer.api_stream import StreamingScorerApi
from gnomon_scorer.domain.following import Follower
from gnomon_scorer.domain.observing import Observer, Silent
from gnomon_scorer.domain.ports import Quarantine, Runtime
from gnomon_scorer.domain.response_cache import ResponseCache
from gnomon_scorer.domain.scheduler import Scheduler
from gnomon_scorer.domain.scoring import ScoringService, Tracer
from gnomon_scorer.domain.stations import Cores
from gnomon_scorer.domain.streaming import Streams
from gnomon_scorer.domain.versions import Loader, State, Versions
from gnomon_scorer.settings import ScorerSettings

log = structlog.get_logger(__name__)


class App:
    """A built scorer. `server.address` is known once it is started."""

    def __init__(
        self,
        settings: ScorerSettings,
        runtime: Runtime,
        telemetry: Telemetry | None = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        self.telemetry = telemetry or Telemetry("scorer", settings)
        self._runtime = runtime
        if runtime.problem is not None:
            log.error("this scorer will not be ready", reason=runtime.problem)
        self.registry = Registry(registry_options(settings))
        policy = read_policy(settings.bundle_policy_file) if settings.bundle_policy_file else Policy()
        bundles = BundleCache(settings.cache_dir, self.registry, policy, settings.cache_dir_bytes)
        self._load = priority.pool(1, settings.inference_nice, "load")
        loader = Loader(bundles, TokenizerFiles(), runtime, self._load, quarantine)
        tracer = self._tracer(settings)
        self.versions = Versions(
            loader, settings.memory_budget_bytes, loading=tracer.loading if tracer else None
        )
        self.follower = Follower(self.registry, self.versions, settings.registry_silence_s)
        observer = self._observer()
        # What holds the interpreter's lock has an ordinary priority; only what computes gives way.
        self._quick = ThreadPoolExecutor(max(2, settings.threads), "tokenize")
        self._slow = ThreadPoolExecutor(1, "tokenize-large")
        self._bulk = ThreadPoolExecutor(1, "tokenize-bulk")
        self._inference = ThreadPoolExecutor(runtime.cores, "inference")
        self._background = ThreadPoolExecutor(runtime.cores, "background")
        self.scheduler = Scheduler(
            Cores(runtime.cores, self._inference),
            settings.max_queued_tokens,
            self.versions.fail,
            background=Cores(runtime.cores, self._background, background=True) if runtime.gives_way else None,
            observer=observer,
        )
        limits = Limits()
        scoring = ScoringService(
            self.follower,
            self.versions,
            self.scheduler,
            quick=self._quick,
            slow=self._slow,
            bulk=self._bulk,
            load_wait_s=settings.load_wait_s,
            cache=ResponseCache(settings.cache_bytes) if settings.cache_bytes else None,
            observer=observer,
            tracer=tracer,
            meter=limits,
        )
        self.streams = Streams(scoring)
        api = StreamingScorerApi(scoring, self.versions, self.streams)
        service = Service(SERVICE, add_ScorerServiceServicer_to_server, api, ready=False)
        self._keys = registry_keys(settings)
        self.server = Server(settings, [service], PER_ITEM, self.telemetry, keys=self._keys, limits=limits)
        self._shares_port = settings.reuse_port
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self.follower.changed = self._changed.set
        self._tasks: list[asyncio.Task[None]] = []

    def _observer(self) -> Observer:
        if self.telemetry.registry is None or self.telemetry.page is None:
            return Silent()
        from gnomon_scorer.adapters.prometheus import PrometheusObserver

        observer = PrometheusObserver(self.telemetry.registry)
        self.telemetry.page.refresh = lambda: observer.refresh(
            self.scheduler, self.versions.slots(), self.versions.memory_bytes()
        )
        return observer

    def _tracer(self, settings: ScorerSettings) -> Tracer | None:
        if self.telemetry.spans is None:
            return None
        from gnomon_scorer.adapters.tracing import OpenTelemetryTracer

        tells = {"all": True, "none": False}.get(settings.evaluation_events)
        return OpenTelemetryTracer(self.telemetry.spans.tracer, self.telemetry.spans.events, tells=tells)

    async def start(self) -> None:
        """Listen at once; at a shared port only when ready, as callers cannot choose the process there."""
        if not self._shares_port:
            await self.server.start()
        self._tasks = [
            asyncio.create_task(self.follower.run(), name="follow the catalog"),
            asyncio.create_task(self._tell_health(), name="tell health"),
        ]
        if self._shares_port:
            await self._ready.wait()
            await self.server.start()
            await self.server.set_ready(SERVICE, True)

    async def stop(self) -> None:
        self.streams.stop()
        await self.server.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.scheduler.stop()
        await self.versions.stop()
        await self.registry.close()
        if self._keys is not None:
            await self._keys.close()
        for pool in (self._quick, self._slow, self._bulk, self._inference, self._background, self._load):
            await asyncio.to_thread(pool.shutdown)

    async def _tell_health(self) -> None:
        """Keep the health service in line: the scorer's own state, and each version's by its name."""
        told: set[str] = set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            states = {str(name): slot.state is State.READY for name, slot in self.versions.slots().items()}
            for name in told - states.keys():
                await self.server.set_health(name, False)
            for name, ready in states.items():
                await self.server.set_health(name, ready)
            told |= states.keys()
            if not self._ready.is_set() and self.follower.is_ready and self._runtime.problem is None:
                await self.server.set_ready(SERVICE, True)
                self._ready.set()


def build(settings: ScorerSettings) -> App:
    """Return the scorer, not started; call it where a loop runs."""
    try:
        engines: list[Engine] = [OpenVinoRuntime(), OnnxRuntime()]  # the fastest first, as a rule
    except ConflictError as error:
        sys.exit(f"gnomon scorer: {error}")
    runtime = Runtimes(
        engines,
        settings.threads,
        TuningFiles(settings.cache_dir / "tunings"),
        asked=settings.format,
        most_batch_tokens=settings.batch_tokens,
        tuning_s=settings.tuning_s,
        nice=settings.inference_nice,
    )
    proved = settings.cache_dir / "proved"
    quarantine = ProcessQuarantine(proved, engines, settings.format, settings.quarantine_s)
    return App(settings, runtime, quarantine=quarantine if settings.quarantine_s else None)
