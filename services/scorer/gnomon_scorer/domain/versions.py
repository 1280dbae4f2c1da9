"""The versions in memory: loaded once for all who ask, retried, unloaded, forgotten.

Each version has a slot from the moment someone wants it. Concurrent callers
share its one load. What no alias points at leaves when memory is short, the
least recently used first, but nothing that is in use: its memory would stay,
and who asks for it next would load it beside.
"""

import asyncio
import contextlib
import contextvars
import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from gnomon.errors import (
    ArtifactCorruptError,
    BundleInvalidError,
    GnomonError,
    NotFoundError,
    RegistryUnavailableError,
    StorageFullError,
    VersionLoadingError,
    VersionUnloadableError,
)
from gnomon.names import MetricVersionName
from gnomon_scorer.domain.loaded import LoadedVersion, first_line
from gnomon_scorer.domain.ports import Bundles, Quarantine, Runtime, Tokenizers
from gnomon_scorer.domain.probing import known_text

log = structlog.get_logger(__name__)

Loads = Callable[[MetricVersionName], contextlib.AbstractContextManager[None]]

_MAY_PASS = (RegistryUnavailableError, StorageFullError)  # waiting helps; a bad bundle stays bad
PATIENCE = 10  # failures that may pass before they settle a version: some three minutes of back-off
_AS_THEY_ARE = (ArtifactCorruptError, NotFoundError, RegistryUnavailableError, StorageFullError)


class State(StrEnum):
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait after the n-th failure in a row, counted from 1."""

    first_s: float = 0.5
    most_s: float = 60.0

    def after(self, failures: int) -> float:
        return float(min(self.most_s, self.first_s * 2 ** min(failures - 1, 20)) * random.uniform(0.75, 1.0))  # noqa: S311


class Loader:
    """Brings a version into memory: fetch, open, warm.

    `threads`: where it is opened and warmed; threads that a runtime starts
    there inherit their priority. `quarantine`: where it is opened first.
    """

    def __init__(
        self,
        bundles: Bundles,
        tokenizers: Tokenizers,
        runtime: Runtime,
        threads: Executor | None = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._bundles = bundles
        self._tokenizers = tokenizers
        self._runtime = runtime
        self._threads = threads
        self._quarantine = quarantine
        self._one_at_a_time = asyncio.Semaphore(1)  # opening and warming compete with scoring

    async def load(self, name: MetricVersionName) -> LoadedVersion:
        """Return the version, proven by real forward passes.

        Raises:
            NotFoundError, ArtifactCorruptError, RegistryUnavailableError,
            StorageFullError: its bundle cannot be had.
            VersionUnloadableError: it cannot be opened, or does not score.
        """
        bundle = await self._bundles.fetch(name)

        def open_and_warm() -> LoadedVersion:
            tokenizer = self._tokenizers.load(bundle.tokenizer_file)
            known = known_text(tokenizer, bundle.evaluator.max_tokens)
            version = LoadedVersion(name, bundle, tokenizer, self._runtime.load(bundle, known))
            try:
                version.warm()
            except BaseException:
                version.close()
                raise
            return version

        async with self._one_at_a_time:
            if self._quarantine is not None:
                await self._quarantine.check(bundle)
            opening = asyncio.get_running_loop().run_in_executor(self._threads, open_and_warm)
            try:
                return await asyncio.shield(opening)
            except asyncio.CancelledError:
                opening.add_done_callback(_close_opened)  # a thread cannot be stopped
                raise


def _close_opened(opening: asyncio.Future[LoadedVersion]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


@dataclass(slots=True, eq=False)
class Slot:
    """What is known of one version here."""

    state: State = State.LOADING
    loaded: LoadedVersion | None = None
    error: GnomonError | None = None
    failures: int = 0
    retry_at: float = 0.0
    used_at: float = 0.0
    is_pinned: bool = False  # somebody asked for it by its number
    task: asyncio.Task[None] | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)  # not LOADING


class Versions:
    """All versions of this process. `changed` is called after every change of a state."""

    def __init__(
        self,
        loader: Loader,
        memory_budget_bytes: int,
        back_off: BackOff | None = None,
        clock: Callable[[], float] = time.monotonic,
        loading: Loads | None = None,
    ) -> None:
        """`loading` is entered while a version is loaded: what happens within belongs to that."""
        self._loading = loading or (lambda _: contextlib.nullcontext())
        self._loader = loader
        self._budget = memory_budget_bytes
        self._back_off = back_off or BackOff()
        self._clock = clock
        self._slots: dict[MetricVersionName, Slot] = {}
        self._aliased: frozenset[MetricVersionName] = frozenset()
        self._leaving: set[LoadedVersion] = set()  # have no slot any more, but users
        self._newest: MetricVersionName | None = None
        self._is_short = False  # memory is over the budget, for what is in use
        self.changed: Callable[[], None] = lambda: None

    def slots(self) -> dict[MetricVersionName, Slot]:
        """Return every version that is loaded, being loaded, or failed."""
        return dict(self._slots)

    def memory_bytes(self) -> dict[MetricVersionName, int]:
        """Return about what each version takes, a copy that is only finished with included."""
        taken: dict[MetricVersionName, int] = {}
        for loaded in (*self._loaded().values(), *self._leaving):
            taken[loaded.name] = taken.get(loaded.name, 0) + loaded.memory_bytes
        return taken

    def is_ready(self, name: MetricVersionName) -> bool:
        slot = self._slots.get(name)
        return slot is not None and slot.state is State.READY

    def is_settled(self, name: MetricVersionName) -> bool:
        """Tell whether it need not be waited for: it was loaded, or its failure is likely to stay.

        A failure that may pass by itself is no answer yet: the registry restarts while a bundle
        is fetched. But what keeps on failing, for a disk that is too small, must not keep a
        scorer from those who ask for other versions: `PATIENCE` failures in a row settle it, too.
        """
        slot = self._slots.get(name)
        if slot is None or slot.state is State.READY:
            return True
        return slot.failures >= PATIENCE or (slot.failures > 0 and not isinstance(slot.error, _MAY_PASS))

    async def get(self, name: MetricVersionName, wait_s: float, *, pinned: bool) -> LoadedVersion:
        """Return the version; load it if need be, and wait at most so long.

        Raises:
            VersionLoadingError: it takes longer; it goes on loading.
            GnomonError: what the load raised; a new load is tried after its `retry_after_s`.
        """
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    slot = self._slots.get(name) or self._open(name)  # anew if it left memory meanwhile
                    slot.is_pinned |= pinned
                    slot.used_at = self._clock()
                    if slot.loaded is not None:
                        return slot.loaded
                    if slot.error is not None and slot.state is State.FAILED:
                        if slot.retry_at > self._clock():
                            raise self._again(slot, slot.error)
                        self._begin(name, slot)
                    await slot.settled.wait()
        except TimeoutError:
            raise VersionLoadingError(
                f"{name} is being loaded. Retry after the given delay.",
                retry_after_s=1.0,
                metric_version=str(name),
            ) from None

    def _again(self, slot: Slot, error: GnomonError) -> GnomonError:
        """Return the error for one more caller, with the time that is left until the next try."""
        again = type(error)(error.message, violations=error.violations)
        again.metadata = error.metadata
        if error.retry_after_s is not None or isinstance(error, _MAY_PASS):
            again.retry_after_s = max(0.05, slot.retry_at - self._clock())
        return again

    def retain(self, aliased: Iterable[MetricVersionName]) -> None:
        """Tell which versions aliases point at: those are loaded, others need not stay."""
        before, self._aliased = self._aliased, frozenset(aliased)
        for name in self._aliased - before:
            slot = self._slots.get(name)
            if slot is None:
                self._open(name)
            elif slot.state is State.FAILED:
                self._begin(name, slot)  # without an alias, nobody has tried it again
        for name in before - self._aliased:
            slot = self._slots.get(name)
            if slot is not None and not slot.is_pinned:
                self.unload(name)

    def retry_fetches(self) -> None:
        """The registry is back: try again at once what failed for its absence."""
        for name, slot in self.slots().items():
            if slot.state is State.FAILED and isinstance(slot.error, RegistryUnavailableError):
                self._begin(name, slot)

    def unload(self, name: MetricVersionName) -> None:
        """Forget a version; those who use it now finish with it."""
        slot = self._slots.pop(name, None)
        if slot is None:
            return
        if slot.task is not None:
            slot.task.cancel()
        if slot.loaded is not None:
            self._retire(slot.loaded)
        slot.state = State.FAILED
        slot.settled.set()
        log.info("a version left memory", version=str(name))
        self.changed()

    def fail(self, version: LoadedVersion, error: GnomonError) -> None:
        """Take a version out of service that was ready; it is loaded anew after a while."""
        slot = self._slots.get(version.name)
        if slot is None or slot.loaded is not version:
            return
        slot.loaded = None
        self._retire(version)
        self._failed(version.name, slot, error)

    async def stop(self) -> None:
        """Unload all."""
        tasks = [slot.task for slot in self._slots.values() if slot.task is not None]
        for name in tuple(self._slots):
            self.unload(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self, name: MetricVersionName) -> Slot:
        slot = self._slots[name] = Slot(used_at=self._clock())
        self._begin(name, slot)
        return slot

    def _begin(self, name: MetricVersionName, slot: Slot) -> None:
        if slot.task is not None and slot.task is not asyncio.current_task():
            slot.task.cancel()  # it waits for its time to retry
        slot.state = State.LOADING
        slot.settled.clear()
        slot.task = asyncio.create_task(self._load(name, slot), name=f"load {name}")
        self.changed()

    async def _load(self, name: MetricVersionName, slot: Slot) -> None:
        started = self._clock()
        try:
            with self._loading(name):
                loaded = await self._loader.load(name)
        except _AS_THEY_ARE as error:
            self._failed(name, slot, error)
            return
        except Exception as error:
            self._failed(name, slot, _unloadable(name, error))
            return
        loaded.idle = self._let_go
        slot.loaded, slot.state, slot.error, slot.failures = loaded, State.READY, None, 0
        slot.settled.set()
        took_s, limits = round(self._clock() - started, 3), loaded.limits
        log.info(
            "a version is ready",
            version=str(name),
            took_s=took_s,
            format=loaded.format,
            threads=limits.threads,
            batch_tokens=limits.max_padded_tokens if limits.max_instances > 1 else 0,
        )
        self._newest = name
        self._make_room()
        self.changed()

    def _failed(self, name: MetricVersionName, slot: Slot, error: GnomonError) -> None:
        slot.failures += 1
        delay = self._back_off.after(slot.failures)
        slot.state, slot.error, slot.retry_at = State.FAILED, error, self._clock() + delay
        slot.settled.set()
        log.error("a version failed", version=str(name), reason=error.reason, error=error.message)
        # In a context of its own: it is no part of the call that asked first, and may be repeated for ever.
        retry = self._retry(name, slot, delay)
        slot.task = asyncio.create_task(retry, name=f"retry {name}", context=contextvars.Context())
        self.changed()

    async def _retry(self, name: MetricVersionName, slot: Slot, delay: float) -> None:
        await asyncio.sleep(delay)
        if name in self._aliased and slot.state is State.FAILED:
            self._begin(name, slot)

    def _loaded(self) -> dict[MetricVersionName, LoadedVersion]:
        return {name: slot.loaded for name, slot in self._slots.items() if slot.loaded is not None}

    def _retire(self, version: LoadedVersion) -> None:
        version.close()
        if not version.is_closed:
            self._leaving.add(version)

    def _let_go(self, version: LoadedVersion) -> None:
        """Take in that the last user of a version has left: what had to stay for it may leave now."""
        self._leaving.discard(version)
        slot = self._slots.get(version.name)
        if slot is not None and slot.loaded is version:
            slot.used_at = self._clock()  # a stream asks once, and uses it for hours
        if self._is_short:
            self._make_room()

    def _make_room(self) -> None:
        """Unload the least recently used, those with an alias last, until the budget is kept.

        What is in use stays, and so does the newest: whoever asked for it is about to use it.
        What is held without an alias takes no alias's place: else the versions that everybody
        uses would throw each other out for hours, because of one stream.
        """
        loaded = self._loaded()
        for name in sorted(loaded, key=lambda name: (name in self._aliased, self._slots[name].used_at)):
            excess = self._excess_of_aliases() if name in self._aliased else self._excess_bytes()
            if excess > 0 and not loaded[name].is_held and name != self._newest:
                self.unload(name)
        self._is_short = self._excess_bytes() > 0

    def _excess_bytes(self) -> int:
        return sum(self.memory_bytes().values()) - self._budget

    def _excess_of_aliases(self) -> int:
        expected = {*self._aliased, self._newest}
        return sum(v.memory_bytes for name, v in self._loaded().items() if name in expected) - self._budget


def _unloadable(name: MetricVersionName, error: Exception) -> VersionUnloadableError:
    if isinstance(error, VersionUnloadableError):
        return error
    if isinstance(error, OSError):  # the bundle may be as sound as any
        return VersionUnloadableError(
            f"{name} cannot be loaded, for the scorer's machine: {first_line(error)} It is tried again.",
            retry_after_s=1.0,  # callers are told the time that is really left
            metric_version=str(name),
        )
    unloadable = VersionUnloadableError(
        f"{name} cannot be loaded: {first_line(error)} Register a new version from a sound bundle.",
        metric_version=str(name),
    )
    if isinstance(error, BundleInvalidError):
        unloadable.metadata |= error.metadata  # which file, and which rule
    return unloadable
