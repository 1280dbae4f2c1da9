"""Cores, the queues they serve, and what they are doing. No threads, no locks: the scheduler has them."""

import weakref
from concurrent.futures import Executor
from dataclasses import dataclass, field

from gnomon_scorer.domain.admission import Speed
from gnomon_scorer.domain.batching import Waiting
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.running import Waiter


@dataclass(frozen=True, slots=True)
class Cores:
    """What runs batches: `count` calls at once, each on a thread of `threads`."""

    count: int
    threads: Executor
    background: bool = False  # gives way to the others on the same processor


@dataclass(frozen=True, slots=True)
class Work:
    """A batch on its way: its version stays in memory until it is `released`."""

    version: LoadedVersion
    entries: list[Waiter]
    cores: int
    tokens: int


@dataclass(slots=True, eq=False)
class Station:
    """Some cores and their queues; what is due first runs first."""

    cores: Cores
    queues: list[Waiting[LoadedVersion]] = field(default_factory=list)
    speed: Speed = field(default_factory=Speed)  # of whatever runs, one after the other
    speeds: "weakref.WeakKeyDictionary[LoadedVersion, Speed]" = field(
        default_factory=weakref.WeakKeyDictionary
    )
    busy: int = 0  # cores
    tokens: int = 0  # being run

    def take(self, now: float) -> tuple[Work | None, list[Waiter]]:
        """Begin the next batch, if there is one for the free cores; and return what is too late to be run."""
        late: list[Waiter] = []
        while self.busy < self.cores.count:
            queue = min(self.queues, key=Waiting.due)
            free = self.cores.count - self.busy
            # A version that wants more cores than there are gets them all.
            batch = queue.take_batch(now, None if not self.busy else free, self.speed_of)
            late += batch.late
            if batch.entries:
                return self._begin(batch.entries), late
            if not batch.late:
                break
        return None, late

    def _begin(self, entries: list[Waiter]) -> Work:
        version = entries[0].version
        cores = min(version.limits.threads, self.cores.count)
        work = Work(version, entries, cores, sum(len(entry.tokens) for entry in entries))
        self.busy += cores
        self.tokens += work.tokens
        version.hold()
        return work

    def end(self, work: Work) -> None:
        """Free the cores of a batch."""
        self.busy -= work.cores
        self.tokens -= work.tokens

    @property
    def tokens_per_s(self) -> float:
        return self.cores.count * self.speed.tokens_per_s

    def speed_of(self, version: LoadedVersion) -> float:
        """Return the tokens a second of one call."""
        return self.speeds.get(version, self.speed).tokens_per_s

    def measure(self, version: LoadedVersion, tokens: int, seconds: float) -> None:
        self.speed.measure(tokens, seconds)
        self.speeds.setdefault(version, Speed()).measure(tokens, seconds)

    @property
    def drain_s(self) -> float:
        return (sum(queue.tokens for queue in self.queues) + self.tokens / 2) / self.tokens_per_s
