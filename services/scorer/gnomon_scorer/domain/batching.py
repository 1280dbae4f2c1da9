"""Which entries run next, and together. Pure: no clock, no threads.

The order is earliest deadline first. An entry without a deadline, or with a
far one, counts as due `patience_s` after it came; so nobody starves, and
whoever is in a hurry still goes first. What fills the batch are entries of the
same version and of similar length: the cost of a padded batch is longest ×
count.
"""

import bisect
import heapq
import itertools
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gnomon.tokens import Tokens
from gnomon_scorer.domain.ports import BatchLimits

PATIENCE_S = 2.0


class Batchable(Protocol):
    """A loaded version: entries of the same one can share a batch."""

    @property
    def limits(self) -> BatchLimits: ...

    def __hash__(self) -> int: ...


V = TypeVar("V", bound=Batchable)


@dataclass(slots=True, eq=False)
class Entry(Generic[V]):
    """One instance that waits for one version. Times are on the scheduler's clock."""

    version: V
    tokens: Tokens
    arrived: float
    deadline: float | None = None
    number: int = field(default=0, init=False)  # the order of arrival
    is_waiting: bool = field(default=False, init=False)

    def due(self, patience_s: float) -> float:
        latest = self.arrived + patience_s
        return latest if self.deadline is None else min(self.deadline, latest)

    def is_late(self, now: float) -> bool:
        return self.deadline is not None and self.deadline <= now


@dataclass(frozen=True, slots=True)
class Batch(Generic[V]):
    """What to run now, all of one version, and what is too late to be run at all."""

    entries: list[Entry[V]]
    late: list[Entry[V]]


class Waiting(Generic[V]):
    """The entries that no lane has taken yet."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self.tokens = 0
        self._patience_s = patience_s
        self._numbers = itertools.count()
        self._order: list[tuple[float, int, Entry[V]]] = []  # a heap; removed entries stay until they surface
        self._by_length: dict[Hashable, list[tuple[int, int, Entry[V]]]] = {}  # sorted, one list a version
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, entry: Entry[V]) -> None:
        entry.number = next(self._numbers)
        entry.is_waiting = True
        heapq.heappush(self._order, (entry.due(self._patience_s), entry.number, entry))
        bisect.insort(self._by_length.setdefault(entry.version, []), _place(entry))
        self.tokens += len(entry.tokens)
        self._count += 1

    def remove(self, entry: Entry[V]) -> None:
        """Forget an entry; no error if it does not wait (any more)."""
        if not entry.is_waiting:
            return
        entry.is_waiting = False
        peers = self._by_length[entry.version]
        del peers[bisect.bisect_left(peers, _place(entry))]
        if not peers:
            del self._by_length[entry.version]
        self.tokens -= len(entry.tokens)
        self._count -= 1
        if not self._count:
            self._order.clear()

    def of(self, version: V) -> list[Entry[V]]:
        """Return the entries that wait for a version."""
        return [entry for _, _, entry in self._by_length.get(version, ())]

    def take_batch(self, now: float) -> Batch[V]:
        """Remove and return the next batch; no entries if nothing waits.

        The budget is kept except by a single entry that is over it alone.
        """
        late: list[Entry[V]] = []
        while self._order:
            entry = heapq.heappop(self._order)[2]
            if not entry.is_waiting:
                continue
            if entry.is_late(now):
                late.append(entry)
                self.remove(entry)
                continue
            entries = _fill(entry, self._by_length[entry.version], now)
            for taken in entries:
                self.remove(taken)
            return Batch(entries, late)
        return Batch([], late)


def _place(entry: Entry[V]) -> tuple[int, int, Entry[V]]:
    return (len(entry.tokens), entry.number, entry)


def _fill(head: Entry[V], peers: list[tuple[int, int, Entry[V]]], now: float) -> list[Entry[V]]:
    """Return the head and those nearest to its length, as many as the limits allow."""
    limits = head.version.limits
    batch = [head]
    longest = total = len(head.tokens)
    here = bisect.bisect_left(peers, _place(head))
    shorter, longer = here - 1, here + 1
    while len(batch) < limits.max_instances and (shorter >= 0 or longer < len(peers)):
        down = len(head.tokens) - peers[shorter][0] if shorter >= 0 else None
        up = peers[longer][0] - len(head.tokens) if longer < len(peers) else None
        from_below = up is None or (down is not None and down <= up)
        candidate = peers[shorter if from_below else longer][2]
        width = max(longest, len(candidate.tokens)) * (len(batch) + 1)
        fits = width <= limits.max_padded_tokens and total + len(candidate.tokens) >= limits.min_fill * width
        if from_below:
            shorter = shorter - 1 if fits else -1  # those further away fit even less
        else:
            longer = longer + 1 if fits else len(peers)
        if fits and not candidate.is_late(now):  # a late one is answered when it surfaces
            batch.append(candidate)
            longest = max(longest, len(candidate.tokens))
            total += len(candidate.tokens)
    return batch
