"""Runs what waits: a lane that is free takes the next batch. No timer.

While all lanes are busy the queue fills, and the next batch takes what fits
together: alone when idle, in batches when loaded.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from gnomon.errors import (
    DeadlineExceededError,
    EvaluatorFailedError,
    GnomonError,
    InternalError,
    OverloadedError,
    VersionUnloadableError,
)
from gnomon.tokens import Tokens
from gnomon_scorer.domain.batching import Batch, Entry, Waiting
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.loaded import LoadedVersion, first_line

log = structlog.get_logger(__name__)

_FIRST_TOKENS_PER_S = 10_000.0  # before anything was measured
_MEMORY = 0.1  # the weight of the newest batch in the measured speed


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of an entry: one row of logits, and where the time went."""

    logits: Sequence[float]
    queue_s: float
    inference_s: float


Outcome = Ran | GnomonError
Waiter = Entry[LoadedVersion]


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


class Scheduler:
    """Scores the entries of all callers on a fixed number of lanes.

    `broken` is told when a version fails its proof after an error. `start`
    before `score`, `stop` at the end.
    """

    def __init__(
        self,
        lanes: int,
        max_queued_tokens: int,
        broken: Callable[[LoadedVersion, GnomonError], None] = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lanes = lanes
        self._max_queued_tokens = max_queued_tokens
        self._broken = broken
        self._clock = clock
        self._waiting: Waiting[LoadedVersion] = Waiting()
        self._calls: dict[Waiter, _Call] = {}  # of every entry whose caller is still there
        self._arrived = asyncio.Event()
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
        self._tasks: list[asyncio.Task[None]] = []
        self._tokens_per_s = _FIRST_TOKENS_PER_S

    @property
    def queued_tokens(self) -> int:
        return self._waiting.tokens

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._lane(), name=f"lane {n}") for n in range(self._lanes)]

    async def stop(self) -> None:
        """End the lanes; what is running ends first."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)

    async def score(
        self,
        wanted: Iterable[tuple[LoadedVersion, Tokens]],
        deadline: float | None,
        lane: Lane = Lane.ONLINE,
        caller: str = "",
    ) -> list[Outcome]:
        """Return one outcome each, in order. A caller who is cancelled takes the entries along.

        Raises:
            OverloadedError: the queue is full; nothing was queued.
            DeadlineExceededError: not all were scored in time.
        """
        now = self._clock()
        entries = [Entry(version, tokens, now, deadline) for version, tokens in wanted]
        if not entries:
            return []
        self._admit(sum(len(entry.tokens) for entry in entries))
        call = _Call(asyncio.get_running_loop().create_future(), dict.fromkeys(entries), len(entries))
        for entry in entries:
            self._calls[entry] = call
            self._waiting.add(entry)
        self._arrived.set()
        try:
            async with asyncio.timeout(None if deadline is None else max(0.0, deadline - now)):
                await call.done
        except TimeoutError:
            raise DeadlineExceededError(
                "The deadline passed before all instances were scored. Allow more time or send fewer."
            ) from None
        finally:
            for entry in entries:
                self._calls.pop(entry, None)
                self._waiting.remove(entry)
        return [outcome for outcome in call.outcomes.values() if outcome is not None]

    def _admit(self, tokens: int) -> None:
        queued = self._waiting.tokens
        if queued and queued + tokens > self._max_queued_tokens:  # what is larger than the queue runs alone
            raise OverloadedError(
                "The scorer's queue is full. Retry after the given delay, or add scorers.",
                retry_after_s=min(60.0, max(0.05, queued / self._tokens_per_s)),
                queued_tokens=str(queued),
                max_queued_tokens=str(self._max_queued_tokens),
            )

    async def _lane(self) -> None:
        while True:
            batch = self._waiting.take_batch(self._clock())
            self._settle_late(batch)
            if not batch.entries:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            try:
                await self._run_all(batch.entries)
            except Exception:  # a defect here must not take the lane from all later callers
                log.exception("a lane failed")
                for entry in batch.entries:
                    self._settle(entry, InternalError("The scorer has a defect; its log has the details."))

    def _settle_late(self, batch: Batch[LoadedVersion]) -> None:
        for entry in batch.late:
            self._settle(entry, DeadlineExceededError("The deadline passed before the instance was scored."))

    async def _run_all(self, entries: list[Waiter]) -> None:
        """Run a batch; halve it where it fails, until what is poisonous stands alone."""
        version = entries[0].version
        with version.in_use():
            parts = [entries]
            while parts:
                part = [entry for entry in parts.pop() if entry in self._calls]
                if not part:
                    continue
                error = await self._run(version, part)
                if error is None:
                    continue
                log.warning(
                    "a batch failed", version=str(version.name), size=len(part), error=type(error).__name__
                )
                if broken := await self._proof_failure(version):
                    self._give_up(version, [*part, *(entry for rest in parts for entry in rest)], broken)
                    return
                if len(part) == 1:
                    self._settle(part[0], _poisonous(version))
                else:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]

    async def _run(self, version: LoadedVersion, part: list[Waiter]) -> Exception | None:
        started = self._clock()
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(self._threads, version.run, [entry.tokens for entry in part])
        except Exception as error:
            return error
        took = self._clock() - started
        self._measure(sum(len(entry.tokens) for entry in part), took)
        for entry, row in zip(part, rows, strict=True):
            self._settle(entry, Ran(row, started - entry.arrived, took))
        return None

    def _measure(self, tokens: int, took: float) -> None:
        speed = self._lanes * tokens / max(took, 1e-6)
        self._tokens_per_s += _MEMORY * (speed - self._tokens_per_s)

    async def _proof_failure(self, version: LoadedVersion) -> GnomonError | None:
        """Score a known text: health means *can score*."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, version.prove)
        except Exception as error:
            return VersionUnloadableError(
                f"{version.name} fails on a known text: {first_line(error)} It will be loaded again.",
                retry_after_s=1.0,
                metric_version=str(version.name),
            )
        return None

    def _give_up(self, version: LoadedVersion, entries: list[Waiter], error: GnomonError) -> None:
        log.error("a version cannot score any more", version=str(version.name))
        self._broken(version, error)
        for entry in (*entries, *self._waiting.of(version)):
            self._waiting.remove(entry)
            self._settle(entry, error)

    def _settle(self, entry: Waiter, outcome: Outcome) -> None:
        if call := self._calls.get(entry):  # the caller may have left meanwhile
            call.settle(entry, outcome)


def _poisonous(version: LoadedVersion) -> EvaluatorFailedError:
    return EvaluatorFailedError(
        f"{version.name} has no finite score for this instance. Report the instance to the metric's owner.",
        metric_version=str(version.name),
    )
