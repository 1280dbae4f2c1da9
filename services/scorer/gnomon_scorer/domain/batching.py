"""Which entries run next, and together. Pure: no clock, no threads.

The order is earliest deadline first. An entry without a deadline, or with a
far one, counts as due when its lane's patience ends; so nobody starves, and
whoever is in a hurry still goes first. A caller who got more than a turn ahead
of others that wait steps back until they have caught up. What fills the batch
are entries of the same version and of similar length, none less urgent than
the first or out of turn: the cost of a padded batch is longest × count.
"""

import bisect
import heapq
import itertools
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gnomon.tokens import Tokens
from gnomon_scorer.domain.fairness import MOST_CALLERS, Turns
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.ports import BatchLimits

PATIENCE_S: Mapping[Lane, float] = {Lane.GUARDRAIL: 0.1, Lane.ONLINE: 2.0, Lane.BULK: 30.0}
NEVER = float("inf")
_MOST_PASSED_OVER = 4  # times the largest batch: how many less urgent entries are looked at in vain


class Batchable(Protocol):
    """A loaded version: entries of the same one can share a batch."""

    @property
    def limits(self) -> BatchLimits: ...

    def __hash__(self) -> int: ...


V = TypeVar("V", bound=Batchable)


@dataclass(slots=True, eq=False)
class Entry(Generic[V]):
    """One window of an instance that waits for one version. Times are on the scheduler's clock."""

    version: V
    tokens: Tokens
    arrived: float
    deadline: float | None = None
    lane: Lane = Lane.ONLINE
    caller: str = ""
    number: int = field(default=0, init=False)  # the order of arrival
    is_waiting: bool = field(default=False, init=False)

    @property
    def due(self) -> float:
        latest = self.arrived + PATIENCE_S[self.lane]
        return latest if self.deadline is None else min(self.deadline, latest)

    def is_late(self, now: float) -> bool:
        return self.deadline is not None and self.deadline <= now


def _at_once(_: object) -> float:
    return NEVER


@dataclass(frozen=True, slots=True)
class Batch(Generic[V]):
    """What to run now, all of one version, and what is too late to be run at all."""

    entries: list[Entry[V]]
    late: list[Entry[V]]


class Waiting(Generic[V]):
    """The entries that nothing has taken yet.

    `turn_tokens`: how far one caller may get ahead of another who waits.
    """

    def __init__(self, turn_tokens: int = 4096) -> None:
        self.tokens = 0
        self._numbers = itertools.count()
        self._orders: dict[str, list[tuple[float, int, Entry[V]]]] = {}  # heaps, one a caller; removed
        self._turns = Turns(turn_tokens)  # entries stay in them until they surface
        self._by_length: dict[Hashable, list[tuple[int, int, Entry[V]]]] = {}  # sorted, one list a version
        self._count = 0
        self._in_lane: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self._most_urgent: dict[str, int] = {}  # tokens of guardrail entries, by caller

    def __len__(self) -> int:
        return self._count

    def tokens_before(self, lane: Lane) -> Mapping[str, int]:
        """Return what goes before, or beside, a new entry of a lane: the tokens of each caller."""
        return self._most_urgent if lane is Lane.GUARDRAIL else self._turns.waiting

    def known(self, caller: str) -> str:
        """Return whom a caller counts as: one of many, if too many others wait."""
        waiting = self._turns.waiting
        return caller if caller in waiting or len(waiting) < MOST_CALLERS else ""

    @property
    def tokens_by_lane(self) -> Mapping[Lane, int]:
        return self._in_lane

    def add(self, entry: Entry[V]) -> None:
        entry.number = next(self._numbers)
        entry.is_waiting = True
        heapq.heappush(self._orders.setdefault(entry.caller, []), (entry.due, entry.number, entry))
        bisect.insort(self._by_length.setdefault(entry.version, []), _place(entry))
        self._turns.add(entry.caller, len(entry.tokens))
        self._count_in(entry, len(entry.tokens))
        self._count += 1

    def remove(self, entry: Entry[V]) -> bool:
        """Forget an entry; return whether it waited (still)."""
        if not entry.is_waiting:
            return False
        entry.is_waiting = False
        peers = self._by_length[entry.version]
        del peers[bisect.bisect_left(peers, _place(entry))]
        if not peers:
            del self._by_length[entry.version]
        self._count_in(entry, -len(entry.tokens))
        self._count -= 1
        if not self._turns.remove(entry.caller, len(entry.tokens)):
            del self._orders[entry.caller]
        return True

    def _count_in(self, entry: Entry[V], tokens: int) -> None:
        self.tokens += tokens
        self._in_lane[entry.lane] += tokens
        if entry.lane is Lane.GUARDRAIL:
            now = self._most_urgent.get(entry.caller, 0) + tokens
            self._most_urgent[entry.caller] = now
            if not now:
                del self._most_urgent[entry.caller]

    def of(self, version: V) -> list[Entry[V]]:
        """Return the entries that wait for a version."""
        return [entry for _, _, entry in self._by_length.get(version, ())]

    def due(self) -> float:
        """Return when the first entry is due; `NEVER` if none waits."""
        return min((head.due for caller in self._orders if (head := self._head(caller))), default=NEVER)

    def take_batch(
        self, now: float, cores: int | None = None, tokens_per_s: Callable[[V], float] = _at_once
    ) -> Batch[V]:
        """Remove and return the next batch; no entries if nothing waits.

        The budget is kept except by a single entry that is over it alone.

        Args:
            cores: those that are free; a version that needs more is waited
                for. None: all are, and what is not late yet is tried.
            tokens_per_s: of one call of a version, as measured: what cannot be
                ready by its deadline is late already, and a batch is made no
                larger than the deadlines in it allow.
        """
        late: list[Entry[V]] = []
        while head := self._next(callers := self._turns.eligible()):
            speed = tokens_per_s(head.version)
            if head.is_late(now if cores is None else now + len(head.tokens) / speed):
                late.append(head)
                self.remove(head)
                continue
            if cores is not None and head.version.limits.threads > cores:
                return Batch([], late)
            entries = _fill(head, self._by_length[head.version], now, speed, callers)
            for taken in entries:
                self._turns.serve(taken.caller, len(taken.tokens))
                self.remove(taken)
            return Batch(entries, late)
        return Batch([], late)

    def _next(self, callers: Iterable[str]) -> Entry[V] | None:
        """Return the entry that is due first, of the callers whose turn it may be."""
        heads = [head for caller in callers if (head := self._head(caller))]
        return min(heads, key=lambda head: (head.due, head.number), default=None)

    def _head(self, caller: str) -> Entry[V] | None:
        order = self._orders[caller]
        while order and not order[0][2].is_waiting:
            heapq.heappop(order)
        return order[0][2] if order else None


def _place(entry: Entry[V]) -> tuple[int, int, Entry[V]]:
    return (len(entry.tokens), entry.number, entry)


def _fill(
    head: Entry[V],
    peers: list[tuple[int, int, Entry[V]]],
    now: float,
    tokens_per_s: float,
    callers: Collection[str],
) -> list[Entry[V]]:
    """Return the head and those of `callers` nearest to its length, as many as limits and deadlines allow."""
    limits = head.version.limits
    batch = [head]
    longest = total = limits.padded(len(head.tokens))
    first_deadline = NEVER if head.deadline is None else head.deadline
    here = bisect.bisect_left(peers, _place(head))
    shorter, longer = here - 1, here + 1
    patience = _MOST_PASSED_OVER * limits.max_instances
    while len(batch) < limits.max_instances and patience and (shorter >= 0 or longer < len(peers)):
        down = len(head.tokens) - peers[shorter][0] if shorter >= 0 else None
        up = peers[longer][0] - len(head.tokens) if longer < len(peers) else None
        from_below = up is None or (down is not None and down <= up)
        candidate = peers[shorter if from_below else longer][2]
        length = limits.padded(len(candidate.tokens))
        width = max(longest, length) * (len(batch) + 1)
        ready_at = now + width / tokens_per_s
        fits = (
            width <= limits.max_padded_tokens
            and total + length >= limits.min_fill * width
            and ready_at < first_deadline
        )
        if not fits:  # those further away fit even less
            shorter, longer = (-1, longer) if from_below else (shorter, len(peers))
            continue
        if from_below:
            shorter -= 1
        else:
            longer += 1
        # One that will be late is answered when it surfaces.
        may_join = candidate.lane <= head.lane and candidate.caller in callers
        if not may_join or candidate.is_late(ready_at):
            patience -= 1
            continue
        batch.append(candidate)
        longest = max(longest, length)
        total += length
        if candidate.deadline is not None:
            first_deadline = min(first_deadline, candidate.deadline)
    return batch
