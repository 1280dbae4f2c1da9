"""Puts the scorer together. The only file that knows concrete classes."""

import asyncio
import sys

from gnomon.v1.scorer_service_pb2_grpc import add_ScorerServiceServicer_to_server
from gnomon_rpc.server import Server, Service
from gnomon_scorer.adapters import priority
from gnomon_scorer.adapters.bundles import BundleCache
from gnomon_scorer.adapters.onnx_runtime import ConflictError, OnnxRuntime
from gnomon_scorer.adapters.registry import Registry
from gnomon_scorer.adapters.tokenizers import TokenizerFiles
from gnomon_scorer.api import PER_ITEM, SERVICE, ScorerApi
from gnomon_scorer.domain.following import Follower
from gnomon_scorer.domain.ports import Runtime
from gnomon_scorer.domain.scheduler import Cores, Scheduler
from gnomon_scorer.domain.scoring import ScoringService
from gnomon_scorer.domain.versions import Loader, State, Versions
from gnomon_scorer.settings import ScorerSettings


class App:
    """A built scorer. `server.address` is known once it is started."""

    def __init__(self, settings: ScorerSettings, runtime: Runtime) -> None:
        self.registry = Registry(settings.registry_address)
        bundles = BundleCache(settings.cache_dir, self.registry)
        self.versions = Versions(Loader(bundles, TokenizerFiles(), runtime), settings.memory_budget_bytes)
        self.follower = Follower(self.registry, self.versions, settings.registry_silence_s)
        self._quick = priority.pool(max(2, settings.threads), 0, "tokenize")
        self._slow = priority.pool(1, settings.inference_nice, "tokenize-large")
        self._inference = priority.pool(runtime.cores, settings.inference_nice, "inference")
        self._background = priority.pool(runtime.cores, priority.LAST, "background")
        self.scheduler = Scheduler(
            Cores(runtime.cores, self._inference),
            settings.max_queued_tokens,
            self.versions.fail,
            background=Cores(runtime.cores, self._background, background=True) if runtime.gives_way else None,
        )
        scoring = ScoringService(
            self.follower,
            self.versions,
            self.scheduler,
            quick=self._quick,
            slow=self._slow,
            load_wait_s=settings.load_wait_s,
        )
        service = Service(
            SERVICE, add_ScorerServiceServicer_to_server, ScorerApi(scoring, self.versions), ready=False
        )
        self.server = Server(settings, [service], PER_ITEM)
        self._changed = asyncio.Event()
        self.follower.changed = self._changed.set
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.server.start()
        self._tasks = [
            asyncio.create_task(self.follower.run(), name="follow the catalog"),
            asyncio.create_task(self._tell_health(), name="tell health"),
        ]

    async def stop(self) -> None:
        await self.server.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.scheduler.stop()
        await self.versions.stop()
        await self.registry.close()
        for pool in (self._quick, self._slow, self._inference, self._background):
            await asyncio.to_thread(pool.shutdown)

    async def _tell_health(self) -> None:
        """Keep the health service in line: the scorer's own state, and each version's by its name."""
        told: set[str] = set()
        is_ready = False
        while True:
            await self._changed.wait()
            self._changed.clear()
            states = {str(name): slot.state is State.READY for name, slot in self.versions.slots().items()}
            for name in told - states.keys():
                await self.server.set_health(name, False)
            for name, ready in states.items():
                await self.server.set_health(name, ready)
            told |= states.keys()
            if not is_ready and self.follower.is_ready:
                is_ready = True
                await self.server.set_ready(SERVICE, True)


def build(settings: ScorerSettings) -> App:
    """Return the scorer, not started; call it where a loop runs."""
    try:
        runtime = OnnxRuntime(settings.threads, settings.batch_tokens)
    except ConflictError as error:
        sys.exit(f"gnomon scorer: {error}")
    return App(settings, runtime)
