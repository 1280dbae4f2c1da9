"""Runs what waits: a core that is free takes the next batch itself. No timer.

While all cores are busy the queue fills, and the next batch takes what fits
together: alone when idle, in batches when loaded. A core does not ask the
event loop for its next batch: between two of them it would stand still for as
long as the loop is busy with callers.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from gnomon.errors import (
    DeadlineExceededError,
    EvaluatorFailedError,
    GnomonError,
    InternalError,
)
from gnomon.tokens import Tokens
from gnomon_scorer.domain.admission import Lateness, Load, admit
from gnomon_scorer.domain.batching import Entry, Waiting
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.observing import Observer, Silent
from gnomon_scorer.domain.running import Broken, Done, Ended, Nothing, Poisonous, Running, Waiter, run_all
from gnomon_scorer.domain.stations import Cores, Station, Work

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


@dataclass(slots=True, eq=False)
class _Call:
    """The entries of one caller, and what is known of them."""

    done: asyncio.Future[None]
    outcomes: dict[Waiter, Outcome | None]
    open: int
    expected: float  # when all of it was predicted to be done

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
        self._soon = asyncio.get_running_loop().call_soon_threadsafe
        self._lock = threading.Lock()  # of queues and stations: cores and the event loop both change them
        self._busy: set[Future[None]] = set()
        self._lateness = {lane: Lateness() for lane in Lane}
        self._stopped = False
        main = Station(cores, [self._urgent])
        if background is None:
            main.queues.append(self._bulk)
            self._stations = {self._urgent: main, self._bulk: main}
        else:
            self._stations = {self._urgent: main, self._bulk: Station(background, [self._bulk])}

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
        await asyncio.gather(*map(asyncio.wrap_future, tuple(self._busy)), return_exceptions=True)

    def expect(self, deadline: float | None, lane: Lane, caller: str, tokens: int = 0) -> None:
        """Refuse a request that `score` would refuse, before anything is done for it.

        Without `tokens`, one that comes too late whatever its size.

        Raises:
            OverloadedError: the queue is full, or what is ahead takes longer than there is time.
        """
        with self._lock:
            self._admit(tokens, deadline, lane, caller)

    async def score(
        self,
        wanted: Sequence[tuple[LoadedVersion, Tokens]],
        deadline: float | None,
        lane: Lane = Lane.ONLINE,
        caller: str = "",
        admitted: Callable[[], None] = lambda: None,
    ) -> list[Outcome]:
        """Return one outcome each, in order. A caller who is cancelled takes the entries along.

        `admitted` is called once, when they are let in and before anything of them is run.

        Raises:
            OverloadedError: the queue is full, or too long for the deadline; nothing was queued.
            DeadlineExceededError: not all were scored in time.
        """
        if not wanted:
            return []
        now = self._clock()
        queue = self._queue_of(lane)
        caller = queue.known(caller)
        size = sum(len(tokens) for _, tokens in wanted)
        with self._lock:  # before there are entries: thousands of windows would be made for a refusal
            wait_s = self._admit(size, deadline, lane, caller)
        admitted()
        entries = [Entry(version, tokens, now, deadline, lane, caller) for version, tokens in wanted]
        done = asyncio.get_running_loop().create_future()
        call = _Call(done, dict.fromkeys(entries), len(entries), now + wait_s)
        self._enter(call, queue)
        alarm = None
        if deadline is not None:
            alarm = asyncio.get_running_loop().call_later(max(0.0, deadline - now), call.expire)
        try:
            await call.done
        finally:
            if alarm is not None:
                alarm.cancel()
            self._learn(call, deadline, lane)
            self._forget(call, queue)
        return [outcome for outcome in call.outcomes.values() if outcome is not None]

    def _enter(self, call: _Call, queue: Waiting[LoadedVersion]) -> None:
        station = self._stations[queue]
        with self._lock:
            for entry in call.outcomes:
                self._calls[entry] = call
                queue.add(entry)
            work = self._take(station)
        self._start(station, work)

    def _learn(self, call: _Call, deadline: float | None, lane: Lane) -> None:
        """Compare the prediction with what came of it, unless the caller left before it could be seen."""
        now = self._clock()
        if not call.open or (deadline is not None and now >= deadline):
            self._lateness[lane].measure(now - call.expected)

    def _forget(self, call: _Call, queue: Waiting[LoadedVersion]) -> None:
        """Take a call's entries out; those that still wait are never run."""
        late = self._clock()
        for entry in call.outcomes:
            self._calls.pop(entry, None)
        if not call.open:
            return
        with self._lock:
            waited = [entry for entry in call.outcomes if queue.remove(entry)]
        for entry in waited:
            self._observer.dropped(entry.version.name, "expired" if entry.is_late(late) else "cancelled")

    def _queue_of(self, lane: Lane) -> Waiting[LoadedVersion]:
        return self._bulk if lane is Lane.BULK else self._urgent

    def _admit(self, tokens: int, deadline: float | None, lane: Lane, caller: str) -> float:
        queue = self._queue_of(lane)
        station = self._stations[queue]
        load = Load(
            queue.tokens_before(lane),
            station.tokens,
            station.tokens_per_s,
            self._max_queued_tokens,
            TURN_TOKENS,
            self._lateness[lane].allowance_s,
        )
        return admit(load, tokens, caller, None if deadline is None else deadline - self._clock(), lane)

    def _take(self, station: Station) -> list[Work]:
        """Return what free cores begin now, under the lock."""
        begun: list[Work] = []
        while not self._stopped:
            work, late = station.take(self._clock())
            if late:
                self._soon(self._tell_late, late)
            if work is None:
                break
            begun.append(work)
        return begun

    def _start(self, station: Station, begun: Iterable[Work]) -> None:
        for work in begun:
            core = station.cores.threads.submit(self._work, station, work)
            self._busy.add(core)
            core.add_done_callback(self._rest)

    def _rest(self, core: "Future[None]") -> None:
        self._busy.discard(core)
        if error := core.exception():
            log.error("a core stopped", exc_info=error)

    def _work(self, station: Station, work: Work | None) -> None:
        """Run batch after batch on one core until nothing waits, without a detour through the event loop."""
        while work is not None:
            ended = self._run(station, work)
            with self._lock:
                if isinstance(ended, Done):
                    station.measure(work.version, _tokens(ended.entries), ended.took)
                elif isinstance(ended, Broken):
                    ended.entries.extend(self._removed(work.version))
                station.end(work)
                begun = self._take(station)
            self._soon(self._tell_last, work, ended)
            self._start(station, begun[1:])
            work = begun[0] if begun else None

    def _removed(self, version: LoadedVersion) -> list[Waiter]:
        """Take out all that waits for a version, under the lock."""
        return [
            entry
            for queue in (self._urgent, self._bulk)
            for entry in queue.of(version)
            if queue.remove(entry)
        ]

    def _run(self, station: Station, work: Work) -> Ended:
        version = work.version
        running = Running(
            version=version,
            run=version.run_in_background if station.cores.background else version.run,
            is_wanted=self._calls.__contains__,
            tell=lambda ended: self._soon(self._tell, ended),
            clock=self._clock,
        )
        try:
            return run_all(running, work.entries)
        except Exception:  # a defect here must not take the core from all later callers
            log.exception("a batch failed")
            self._soon(self._apologise, work.entries)
            return Nothing()

    def _tell_last(self, work: Work, ended: Ended) -> None:
        try:
            self._tell(ended)
        finally:
            work.version.release()

    def _tell(self, ended: Ended) -> None:
        """Give callers what became of their entries."""
        if isinstance(ended, Done):
            self._ran(ended)
        elif isinstance(ended, Poisonous):
            self._fail(ended.entry)
        elif isinstance(ended, Broken):
            self._give_up(ended)

    def _tell_late(self, late: list[Waiter]) -> None:
        for entry in late:
            self._observer.dropped(entry.version.name, "expired")
            self._settle(
                entry, DeadlineExceededError("The instance could not be scored before the deadline.")
            )

    def _ran(self, done: Done) -> None:
        version, count = done.entries[0].version, len(done.entries)
        padded = count * version.limits.padded(max(len(entry.tokens) for entry in done.entries))
        self._observer.ran(version.name, count, _tokens(done.entries), padded, done.took)
        for entry, row in zip(done.entries, done.rows, strict=True):
            queue_s = done.began - entry.arrived
            self._observer.waited(version.name, entry.lane, queue_s)
            self._settle(entry, Ran(row, queue_s, done.took, count))

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

    def _give_up(self, broken: Broken) -> None:
        version = broken.version
        log.error("a version cannot score any more", version=str(version.name))
        self._broken(version, broken.error)
        for entry in broken.entries:
            self._observer.dropped(version.name, "broken")
            self._settle(entry, broken.error)

    def _apologise(self, entries: list[Waiter]) -> None:
        for entry in entries:
            self._settle(entry, InternalError("The scorer has a defect; its log has the details."))

    def _settle(self, entry: Waiter, outcome: Outcome) -> None:
        if call := self._calls.get(entry):  # the caller may have left meanwhile
            call.settle(entry, outcome)


def _tokens(entries: Iterable[Waiter]) -> int:
    return sum(len(entry.tokens) for entry in entries)
