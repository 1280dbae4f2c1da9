"""What the scorer needs from outside: a model runtime, tokenizers, bundles, a catalog."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gnomon.bundle import Evaluator, Windows
from gnomon.names import AliasName, MetricVersionName
from gnomon.rendering import Rendered
from gnomon.tokens import Reading, Tokens
from gnomon_scorer.domain.objective import Objective

MAX_INSTANCES = 64
FIRST_BATCH_TOKENS = 512  # good on every processor seen, where nothing was measured


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How a backend wants its batches. `max_instances` of 1: it wants none."""

    max_padded_tokens: int  # longest × count; an instance that is longer by itself runs alone
    max_instances: int = MAX_INSTANCES
    min_fill: float = 0.8  # the least share of a batch that its padded instances fill
    threads: int = 1  # cores that one call of `run` keeps busy
    length_step: int = 1  # what it pads lengths up to a multiple of

    def padded(self, length: int) -> int:
        """Return the length that an instance of `length` tokens has in a batch of its like."""
        return -(-length // self.length_step) * self.length_step


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run batches. `threads` are those of one call; `batch_tokens` of 0: one instance a call."""

    format: str
    threads: int = 1
    batch_tokens: int = FIRST_BATCH_TOKENS

    def limits(self, length_step: int = 1) -> BatchLimits:
        """Return the same for the scheduler; `length_step` is the runtime's."""
        return BatchLimits(
            max_padded_tokens=self.batch_tokens or FIRST_BATCH_TOKENS,
            max_instances=MAX_INSTANCES if self.batch_tokens else 1,
            threads=self.threads,
            length_step=length_step,
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """A way, and what it reached on instances of mixed lengths; 0 if it was not measured.

    `spread`: how far apart its passes were, 1 - slowest / fastest. A format
    that cannot be run on this machine has a trial of 0 threads.
    """

    way: Way
    sequences_per_s: float = 0.0
    spread: float = 0.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """How batches are run, and how that was found. `measured_at`: seconds since the epoch, if it was.

    `objective_per_s`: sequences a second of the length that a service objective has, where it has one.
    """

    chosen: Trial
    trials: tuple[Trial, ...] = ()
    machine: str = ""
    measured_at: float | None = None
    objective_per_s: float = 0.0


class Tunings(Protocol):
    """Tunings of this and earlier processes. Losing one costs a measurement, so nothing here raises."""

    def find(self, machine: str, key: str) -> Tuning | None:
        """Return what was measured on such a machine for such evaluators; blocks."""

    def keep(self, key: str, tuning: Tuning) -> None:
        """Store it; blocks."""


Logits = Sequence[Sequence[float]]  # shape (instances, classes)


class Backend(Protocol):
    """One evaluator on one device. `run` is called from several threads at once."""

    @property
    def limits(self) -> BatchLimits:
        """The batches that it runs fastest."""

    @property
    def memory_bytes(self) -> int:
        """About how much memory it takes."""

    def run(self, batch: Sequence[Tokens]) -> Logits:
        """Return the logits of a batch; blocks. Whatever it raises fails the batch."""

    def run_in_background(self, batch: Sequence[Tokens]) -> Logits:
        """Do what `run` does with the priority of the calling thread, as far as the device can."""

    def close(self) -> None:
        """Give the memory back. Nothing runs any more."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An evaluator in memory, how it is run, and why in that format."""

    backend: Backend
    tuning: Tuning
    reason: str = ""

    @property
    def format(self) -> str:
        return self.tuning.chosen.way.format


class Runtime(Protocol):
    """A model runtime on one device."""

    @property
    def cores(self) -> int:
        """How many calls of `run` the device does at once, of one thread each."""

    @property
    def gives_way(self) -> bool:
        """Whether work in the background leaves the device to other work at any time, as threads do."""

    @property
    def problem(self) -> str | None:
        """Why nothing can be loaded here, if so: what this scorer was told to use is not there."""

    def load(self, bundle: "Bundle", known: Tokens) -> Opened:
        """Open an evaluator in the fastest way that is known or found out; blocks.

        `known` is a text that it has a score for. Threads that the backend
        starts have the priority of the calling one.

        Raises:
            VersionUnloadableError: the format that was asked for, or any, cannot be had.
        """


class Tokenizer(Protocol):
    """Turns rendered instances into tokens; see `gnomon.tokenizing`."""

    def encode(self, texts: Sequence[Rendered], max_tokens: int) -> list[Tokens]:
        """Return the tokens of each text, cut to `max_tokens`, the longer text of a pair first; blocks."""

    def encode_windows(
        self, texts: Sequence[Rendered], max_tokens: int, windows: Windows | None
    ) -> list[Reading]:
        """Return how each text is read, in windows of at most `max_tokens`; cut if there are none; blocks."""


class Tokenizers(Protocol):
    def load(self, file: Path) -> Tokenizer:
        """Open a `tokenizer.json`; blocks.

        Raises:
            VersionUnloadableError: it is none.
        """


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on this machine, every file checked against its digest; the folder bears the bundle's."""

    folder: Path
    evaluator: Evaluator
    tokenizer_file: Path
    tokenizer_sha256: str
    objective: Objective | None = None  # that its run stated

    @property
    def digest(self) -> str:
        return self.folder.name


class Bundles(Protocol):
    async def fetch(self, version: MetricVersionName) -> Bundle:
        """Return a version's bundle, from the cache or from the registry.

        Raises:
            NotFoundError: there is no such version.
            ArtifactCorruptError: a file is missing or altered, here and there.
            RegistryUnavailableError: it is not here, and the registry is away.
            StorageFullError: the disk has no room for it.
            OSError: the machine fails otherwise.
            BundleInvalidError: a file breaks a rule of bundles.
        """


class Quarantine(Protocol):
    async def check(self, bundle: Bundle) -> None:
        """Open a bundle where it can do no harm, unless it passed before.

        Raises:
            VersionUnloadableError: it crashed, took too much, or does not score.
        """


@dataclass(frozen=True, slots=True)
class VersionCreated:
    version: MetricVersionName


@dataclass(frozen=True, slots=True)
class VersionDeleted:
    version: MetricVersionName


@dataclass(frozen=True, slots=True)
class AliasSet:
    alias: AliasName
    version: MetricVersionName


@dataclass(frozen=True, slots=True)
class AliasDeleted:
    alias: AliasName


@dataclass(frozen=True, slots=True)
class SnapshotComplete:
    """All that was there when the watch began has been sent."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened; the registry is there."""


CatalogEvent = VersionCreated | VersionDeleted | AliasSet | AliasDeleted | SnapshotComplete | Heartbeat


class Catalog(Protocol):
    """The registry, as the scorer sees it."""

    def watch(self) -> AsyncGenerator[CatalogEvent, None]:
        """Yield the catalog, then `SnapshotComplete`, then each change.

        Raises:
            GnomonError: the registry is away, or went away.
        """

    async def find(self, name: MetricVersionName) -> MetricVersionName:
        """Ask for a version by number or alias; return its number.

        Raises:
            NotFoundError: there is none.
            RegistryUnavailableError: the registry is away.
        """
