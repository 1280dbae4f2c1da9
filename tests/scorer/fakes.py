"""What stands behind the ports in unit tests."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gnomon.bundle import Windows
from gnomon.errors import GnomonError, NotFoundError, RegistryUnavailableError
from gnomon.names import MetricVersionName
from gnomon.rendering import Rendered
from gnomon.tokens import Reading, Tokens
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.ports import (
    Backend,
    BatchLimits,
    Bundle,
    CatalogEvent,
    Logits,
    Opened,
    Trial,
    Tuning,
    Way,
)
from tests.scorer.evaluators import make_bundle

LIMITS = BatchLimits(max_padded_tokens=64)


def version_name(text: str) -> MetricVersionName:
    """Return a name from `toxicity/3` or `toxicity/production`."""
    metric, _, version = text.partition("/")
    return MetricVersionName.parse(f"metrics/{metric}/versions/{version}")


def tokens(*ids: int) -> Tokens:
    return Tokens(ids, (0,) * len(ids))


class FakeBackend:
    """Logits are (sum of IDs, number of IDs); `behave` may raise, block or give something else."""

    def __init__(
        self,
        behave: Callable[[Sequence[Tokens]], Logits | None] = lambda batch: None,
        limits: BatchLimits = LIMITS,
        memory_bytes: int = 100,
    ) -> None:
        self.behave = behave
        self.limits = limits
        self.memory_bytes = memory_bytes
        self.batches: list[list[Tokens]] = []
        self.is_closed = False

    def run(self, batch: Sequence[Tokens]) -> Logits:
        assert not self.is_closed
        self.batches.append(list(batch))
        given = self.behave(batch)
        return given if given is not None else [[float(sum(t.ids)), float(len(t))] for t in batch]

    def run_in_background(self, batch: Sequence[Tokens]) -> Logits:
        return self.run(batch)

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


def cut(whole: Tokens, start: int, stop: int) -> Tokens:
    return Tokens(whole.ids[start:stop], whole.type_ids[start:stop])


class FakeTokenizer:
    """A word is a token; its ID is its length."""

    def encode(self, texts: Sequence[Rendered], max_tokens: int) -> list[Tokens]:
        every = [[len(word) for word in f"{t.text} {t.pair or ''}".split()] for t in texts]
        return [
            Tokens(ids[:max_tokens], (0,) * len(ids[:max_tokens]), len(ids) > max_tokens) for ids in every
        ]

    def encode_windows(
        self, texts: Sequence[Rendered], max_tokens: int, windows: Windows | None
    ) -> list[Reading]:
        """Windows that do not overlap, as many as it takes."""
        if windows is None:
            return [Reading((t,), len(t), t.truncated) for t in self.encode(texts, max_tokens)]
        whole = self.encode(texts, 10**6)
        return [
            Reading([cut(t, i, i + max_tokens) for i in range(0, len(t), max_tokens)], len(t)) for t in whole
        ]


class FakeTokenizers:
    def load(self, file: Path) -> FakeTokenizer:
        return FakeTokenizer()


class FakeRuntime:
    """Gives each load a new backend; `behaviours` are by the name of a bundle's folder."""

    cores = 1
    gives_way = False
    problem: str | None = None

    def __init__(self) -> None:
        self.behaviours: dict[str, Callable[[Sequence[Tokens]], Logits | None]] = {}
        self.backends: dict[str, FakeBackend] = {}  # the newest of each bundle
        self.loads: list[str] = []

    def load(self, bundle: Bundle, known: Tokens) -> Opened:
        name = bundle.folder.name
        self.loads.append(name)
        behave = self.behaviours.get(name)
        backend = self.backends[name] = FakeBackend(behave) if behave else FakeBackend()
        return opened(backend)


class FakeTunings:
    """Keeps tunings in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Tuning] = {}

    def find(self, machine: str, key: str) -> Tuning | None:
        return self.kept.get((machine, key))

    def keep(self, key: str, tuning: Tuning) -> None:
        self.kept[tuning.machine, key] = tuning


class FakeBundles:
    """Every version has a bundle; its folder is named `toxicity-3`. `errors` are raised instead."""

    def __init__(self) -> None:
        self.errors: dict[MetricVersionName, GnomonError] = {}
        self.gates: dict[MetricVersionName, asyncio.Event] = {}
        self.fetches: list[MetricVersionName] = []

    async def fetch(self, version: MetricVersionName) -> Bundle:
        self.fetches.append(version)
        if gate := self.gates.get(version):
            await gate.wait()
        if error := self.errors.get(version):
            raise error
        return bundle_at(Path(f"/bundles/{version.metric}-{version.number}"))


class FakeCatalog:
    """Sends what a test puts in; `is_away` ends each watch at once."""

    def __init__(self, *snapshot: CatalogEvent) -> None:
        self.snapshot = snapshot
        self.known: dict[str, MetricVersionName] = {}
        self.is_away = False
        self.watches = 0
        self._queue: asyncio.Queue[CatalogEvent | GnomonError] = asyncio.Queue()

    def send(self, event: CatalogEvent | GnomonError) -> None:
        self._queue.put_nowait(event)

    async def watch(self) -> AsyncGenerator[CatalogEvent, None]:
        self.watches += 1
        if self.is_away:
            raise RegistryUnavailableError("away")
        for event in self.snapshot:
            yield event
        while True:
            event_or_error = await self._queue.get()
            if isinstance(event_or_error, GnomonError):
                raise event_or_error
            yield event_or_error

    async def find(self, name: MetricVersionName) -> MetricVersionName:
        if str(name) not in self.known:
            raise NotFoundError(f"There is no {name}.")
        return self.known[str(name)]


def bundle_at(folder: Path, **changes: object) -> Bundle:
    evaluator = replace(make_bundle(model=b"", tokenizer=b"{}").evaluator, **changes)  # type: ignore[arg-type]
    return Bundle(folder, evaluator, folder / "tokenizer.json", "0" * 64)


def loaded_version(backend: FakeBackend, name: str = "toxicity/1") -> LoadedVersion:
    bundle = bundle_at(Path("/bundles") / name)
    return LoadedVersion(version_name(name), bundle, FakeTokenizer(), opened(backend))


def opened(backend: Backend, format: str = "onnx-fp32") -> Opened:  # noqa: A002
    """Return what a runtime that measured nothing gives."""
    return Opened(backend, Tuning(Trial(Way(format))))


class Gate:
    """Holds a backend's threads until it is opened; `entered` tells that one is there."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.entered = threading.Event()

    def __call__(self, batch: Sequence[Tokens]) -> None:
        self.entered.set()
        assert self._open.wait(60)

    def open(self) -> None:
        self._open.set()


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)
    assert condition()
