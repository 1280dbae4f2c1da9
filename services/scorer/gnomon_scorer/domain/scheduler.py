"""Runs what waits: a core that is free takes the next batch. No timer.

While all cores are busy the queue fills, and the next batch takes what fits
together: alone when idle, in batches when loaded.
"""

import asyncio
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import structlog

from gnomon.errors import (
    DeadlineExceededError,
    EvaluatorFailedError,
    GnomonError,
    InternalError,
    OverloadedError,
)
from gnomon.tokens import Tokens
from gnomon_scorer.domain.admission import Load, Speed, admit
from gnomon_scorer.domain.batching import Entry, Waiting
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.observing import Observer, Silent
from gnomon_scorer.domain.running import Running, run_all

log = structlog.get_logger(__name__)

TURN_TOKENS = 4096  # how far one caller may get ahead of another who waits


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of an entry: one row of logits, and where the time went."""

    logits: Sequence[float]
    queue_s: float
    inference_s: float
    batch_instances: int = 1  # how many shared the batch


Outcome = Ran | GnomonError
Waiter = Entry[LoadedVersion]


@dataclass(frozen=True, slots=True)
class Cores:
    """What runs batches: `count` calls at once, each on a thread of `threads`."""

    count: int
    threads: Executor
    background: bool = False  # gives way to the others on the same processor


@dataclass(slots=True, eq=False)
class _Call:
    """The entries of one caller, and what is known of them."""

    done: asyncio.Future[None]
    outcomes: dict[Waiter, Outcome | None] = field(default_factory=dict)
    open: int = 0

    def settle(self, entry: Waiter, outcome: Outcome) -> None:
        if self.outcomes[entry] is None:
            self.outcomes[entry] = outcome
            self.open -= 1
        if not self.open and not self.done.done():
            self.done.set_result(None)

    def expire(self) -> None:
        if not self.done.done():
            self.done.set_exception(
                DeadlineExceededError(
                    "The deadline passed before all instances were scored. Allow more time or send fewer."
                )
            )


@dataclass(slots=True, eq=False)
class _Station:
    """Cores, the queues they serve, and what they are doing."""

    cores: Cores
    queues: list[Waiting[LoadedVersion]] = field(default_factory=list)
    speed: Speed = field(default_factory=Speed)  # of whatever runs, one after the other
    speeds: "weakref.WeakKeyDictionary[LoadedVersion, Speed]" = field(
        default_factory=weakref.WeakKeyDictionary
    )
    busy: int = 0  # cores
    tokens: int = 0  # being run

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


class Scheduler:
    """Scores the entries of all callers.

    Bulk entries wait in a queue of their own. Where the device lets work give
    way (`background` is given), they run beside the others on cores that the
    operating system takes away whenever the others need them; else both queues
    share the cores, and what is due first runs first.

    `broken` is told when a version fails its proof after an error.
    """

    def __init__(
        self,
        cores: Cores,
        max_queued_tokens: int,
        broken: Callable[[LoadedVersion, GnomonError], None] = lambda *_: None,
        *,
        background: Cores | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_queued_tokens = max_queued_tokens
        self._broken = broken
        self._observer = observer or Silent()
        self._clock = clock
        self._urgent: Waiting[LoadedVersion] = Waiting(TURN_TOKENS)
        self._bulk: Waiting[LoadedVersion] = Waiting(TURN_TOKENS)
        self._calls: dict[Waiter, _Call] = {}  # of every entry whose caller is still there
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        main = _Station(cores, [self._urgent])
        if background is None:
            main.queues.append(self._bulk)
            self._stations = {self._urgent: main, self._bulk: main}
        else:
            self._stations = {self._urgent: main, self._bulk: _Station(background, [self._bulk])}

    @property
    def queued_tokens(self) -> int:
        return self._urgent.tokens + self._bulk.tokens

    def queued_tokens_by_lane(self) -> dict[Lane, int]:
        return {lane: self._queue_of(lane).tokens_by_lane[lane] for lane in Lane}

    @property
    def predicted_drain_s(self) -> float:
        """Return the seconds until all that is here would be done: the signal for more scorers."""
        return max(station.drain_s for station in self._stations.values())

    async def stop(self) -> None:
        """Take nothing new; what is running ends first."""
        self._stopped = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def expect(self, deadline: float | None, lane: Lane, caller: str) -> None:
        """Refuse a request that comes too late, whatever its size, before anything is done for it.

        Raises:
            OverloadedError: the queue is full, or what is ahead takes longer than there is time.
        """
        self._admit(0, deadline, lane, caller)

    async def score(
        self,
        wanted: Iterable[tuple[LoadedVersion, Tokens]],
        deadline: float | None,
        lane: Lane = Lane.ONLINE,
        caller: str = "",
    ) -> list[Outcome]:
        """Return one outcome each, in order. A caller who is cancelled takes the entries along.

        Raises:
            OverloadedError: the queue is full, or too long for the deadline; nothing was queued.
            DeadlineExceededError: not all were scored in time.
        """
        now = self._clock()
        queue = self._queue_of(lane)
        caller = queue.known(caller)
        entries = [Entry(version, tokens, now, deadline, lane, caller) for version, tokens in wanted]
        if not entries:
            return []
        self._admit(sum(len(entry.tokens) for entry in entries), deadline, lane, caller)
        call = _Call(asyncio.get_running_loop().create_future(), dict.fromkeys(entries), len(entries))
        for entry in entries:
            self._calls[entry] = call
            queue.add(entry)
        self._dispatch(self._stations[queue])
        alarm = None
        if deadline is not None:
            alarm = asyncio.get_running_loop().call_later(max(0.0, deadline - now), call.expire)
        try:
            await call.done
        finally:
            if alarm is not None:
                alarm.cancel()
            self._forget(call, queue)
        return [outcome for outcome in call.outcomes.values() if outcome is not None]

    def _forget(self, call: _Call, queue: Waiting[LoadedVersion]) -> None:
        """Take a call's entries out; those that still wait are never run."""
        late = self._clock()
        for entry in call.outcomes:
            self._calls.pop(entry, None)
            if entry.is_waiting:
                queue.remove(entry)
                reason = "expired" if entry.is_late(late) else "cancelled"
                self._observer.dropped(entry.version.name, reason)

    def _queue_of(self, lane: Lane) -> Waiting[LoadedVersion]:
        return self._bulk if lane is Lane.BULK else self._urgent

    def _admit(self, tokens: int, deadline: float | None, lane: Lane, caller: str) -> None:
        queue = self._queue_of(lane)
        station = self._stations[queue]
        load = Load(
            queue.tokens_before(lane),
            station.tokens,
            station.tokens_per_s,
            self._max_queued_tokens,
            TURN_TOKENS,
        )
        try:
            admit(load, tokens, caller, None if deadline is None else deadline - self._clock(), lane)
        except OverloadedError as error:
            self._observer.refused(error.metadata["why"], lane)
            raise

    def _dispatch(self, station: _Station) -> None:
        """Give free cores what is due first."""
        while not self._stopped and station.busy < station.cores.count:
            queue = min(station.queues, key=Waiting.due)
            free = station.cores.count - station.busy
            # A version that wants more cores than there are gets them all.
            batch = queue.take_batch(self._clock(), None if not station.busy else free, station.speed_of)
            for entry in batch.late:
                self._observer.dropped(entry.version.name, "expired")
                error = DeadlineExceededError("The instance could not be scored before the deadline.")
                self._settle(entry, error)
            if batch.entries:
                self._begin(station, batch.entries)
            elif not batch.late:
                return

    def _begin(self, station: _Station, entries: list[Waiter]) -> None:
        cores = min(entries[0].version.limits.threads, station.cores.count)
        tokens = sum(len(entry.tokens) for entry in entries)
        station.busy += cores
        station.tokens += tokens
        is_free = False

        def free() -> None:
            nonlocal is_free
            if not is_free:
                is_free = True
                station.busy -= cores
                station.tokens -= tokens
                self._dispatch(station)

        def end(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            free()

        task = asyncio.create_task(self._run(station, entries, free), name="a batch")
        self._tasks.add(task)
        task.add_done_callback(end)

    async def _run(self, station: _Station, entries: list[Waiter], free: Callable[[], None]) -> None:
        version = entries[0].version
        running = Running(
            version=version,
            run=version.run_in_background if station.cores.background else version.run,
            threads=station.cores.threads,
            is_wanted=self._calls.__contains__,
            ran=lambda part, rows, began, took: self._ran(station, part, rows, began, took),
            failed=self._fail,
            broken=self._give_up,
            free=free,
            clock=self._clock,
        )
        try:
            with version.in_use():
                await run_all(running, entries)
        except Exception:  # a defect here must not take the core from all later callers
            log.exception("a batch failed")
            for entry in entries:
                self._settle(entry, InternalError("The scorer has a defect; its log has the details."))

    def _ran(
        self,
        station: _Station,
        part: list[Waiter],
        rows: Sequence[Sequence[float]],
        began: float,
        took: float,
    ) -> None:
        tokens = sum(len(entry.tokens) for entry in part)
        version = part[0].version
        station.measure(version, tokens, took)
        padded = len(part) * version.limits.padded(max(len(entry.tokens) for entry in part))
        self._observer.ran(version.name, len(part), tokens, padded, took)
        for entry, row in zip(part, rows, strict=True):
            self._observer.waited(version.name, entry.lane, began - entry.arrived)
            self._settle(entry, Ran(row, began - entry.arrived, took, len(part)))

    def _fail(self, entry: Waiter) -> None:
        """Answer for an instance that has no score, alone as in a batch."""
        version = entry.version
        self._observer.dropped(version.name, "poisonous")
        self._settle(
            entry,
            EvaluatorFailedError(
                f"{version.name} has no finite score for this instance. "
                "Report the instance to the metric's owner.",
                metric_version=str(version.name),
            ),
        )

    def _give_up(self, version: LoadedVersion, entries: list[Waiter], error: GnomonError) -> None:
        log.error("a version cannot score any more", version=str(version.name))
        self._broken(version, error)
        for queue in (self._urgent, self._bulk):
            for entry in queue.of(version):
                queue.remove(entry)
                entries.append(entry)
        for entry in entries:
            self._observer.dropped(version.name, "broken")
            self._settle(entry, error)

    def _settle(self, entry: Waiter, outcome: Outcome) -> None:
        if call := self._calls.get(entry):  # the caller may have left meanwhile
            call.settle(entry, outcome)
