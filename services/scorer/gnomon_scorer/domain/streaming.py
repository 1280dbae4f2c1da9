"""Rows of which there are too many for one request: read as they are scored, answered in their order.

Batches of similar length need many rows to choose from, so later rows are
scored before earlier ones, and wait here until it is their turn.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

from gnomon.errors import (
    GnomonError,
    InvalidRequestError,
    ServiceUnavailableError,
    Violation,
)
from gnomon.names import MetricVersionName
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.scores import Scored, ScoreRequest
from gnomon_scorer.domain.scoring import (
    MAX_INSTANCES,
    MAX_VERSIONS,
    Found,
    ScoringService,
    first_to_tell,
)
from gnomon_scorer.domain.tokenizing import ReadInstance

Outcomes = list[list[Scored | GnomonError]]  # `[i][j]`: of row i with version j


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `read` gives the instance, or raises."""

    read: ReadInstance
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """How far a stream is read ahead of what is answered. A message may exceed it, never two.

    Rows to score are those that batches are chosen from; rows that are scored
    but not answered wait for one before them, or for a slow reader.
    """

    rows_to_score: int = 1024
    bytes_to_score: int = 4 * 1024 * 1024
    unanswered_rows: int = 4096
    part_rows: int = 32  # scored together, and answered together


class Streams:
    """Opens streams, and ends all of them when the service stops."""

    def __init__(self, scoring: ScoringService, ahead: Ahead | None = None) -> None:
        self._scoring = scoring
        self.ahead = ahead or Ahead()
        self.running: set[Stream] = set()
        self._is_stopped = False

    @contextlib.asynccontextmanager
    async def open(
        self, names: Sequence[MetricVersionName], caller: str, tells_scores: bool | None = None
    ) -> "AsyncIterator[Stream]":
        """Give a stream of the versions that the names mean now; they are in use while it is open.

        Raises:
            InvalidRequestError: too many or too few versions.
            ServiceUnavailableError: the service stops.
            GnomonError: one of the versions cannot be used, as `ScoringService.score` says it.
        """
        if not 1 <= len(names) <= MAX_VERSIONS:
            rule = f"must hold 1 to {MAX_VERSIONS} in the first message"
            raise InvalidRequestError(
                f"The stream's metric_versions {rule}.", violations=[Violation("metric_versions", rule)]
            )
        async with self._scoring.holding(names) as found:
            if not all(isinstance(version, LoadedVersion) for version in found.values()):
                raise first_to_tell(found.values())
            if self._is_stopped:
                raise _stopping()
            stream = Stream(
                self._scoring, names, found, caller=caller, ahead=self.ahead, tells_scores=tells_scores
            )
            self.running.add(stream)
            try:
                yield stream
            finally:
                self.running.discard(stream)
                await stream.close()

    def stop(self) -> None:
        """End all streams, and those that come; their callers go on elsewhere or later."""
        self._is_stopped = True
        for stream in self.running:
            stream.end(_stopping())


class Stream:
    """The rows of one caller."""

    def __init__(
        self,
        scoring: ScoringService,
        names: Sequence[MetricVersionName],
        found: Found,
        *,
        caller: str,
        ahead: Ahead,
        tells_scores: bool | None = None,
    ) -> None:
        self._scoring = scoring
        self._names = tuple(names)
        self._found = found
        self._caller = caller
        self._tells_scores = tells_scores
        self._ahead = ahead
        self._parts: deque[asyncio.Task[Outcomes]] = deque()  # not answered, in the order of the rows
        self._reading: asyncio.Task[None] | None = None
        self._end: GnomonError | None = None
        self._changed = asyncio.Event()
        self.unanswered_rows = self.rows_to_score = self._bytes_to_score = 0

    @property
    def versions(self) -> tuple[MetricVersionName, ...]:
        """The versions by their numbers, in the order of the request."""
        held = [self._found[name] for name in self._names]
        return tuple(version.name for version in held if isinstance(version, LoadedVersion))

    async def scored(self, source: AsyncIterator[Sequence[Row]]) -> AsyncGenerator[Outcomes, None]:
        """Yield the outcomes of all rows in their order, some at a time.

        A failure that may pass, such as a version that has to be loaded anew,
        ends the stream where it is: the rows before it are answered, the others
        can be sent again.

        Raises:
            GnomonError: what the source raises, or what ends the stream.
        """
        reading = self._reading = asyncio.create_task(self._read(source), name="read a stream")
        reading.add_done_callback(lambda _: self._changed.set())
        while True:
            if self._end is not None:
                raise self._end
            if self._parts and self._parts[0].done():
                outcomes = self._parts.popleft().result()
                yield outcomes
                self.unanswered_rows -= len(outcomes)
                self._changed.set()
            elif reading.done() and not self._parts:
                reading.result()
                return
            else:
                await self._change()

    def end(self, error: GnomonError) -> None:
        """Let `scored` raise an error before it yields anything more."""
        self._end = error
        self._changed.set()

    async def close(self) -> None:
        """End what goes on; nothing of it is run any more."""
        tasks: list[asyncio.Task[None] | asyncio.Task[Outcomes]] = [*self._parts]
        if self._reading is not None:
            tasks.append(self._reading)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, source: AsyncIterator[Sequence[Row]]) -> None:
        async for rows in source:
            if len(rows) > MAX_INSTANCES:
                rule = f"must hold at most {MAX_INSTANCES}"
                raise InvalidRequestError(
                    f"A message has {len(rows)} instances; it {rule}. Send several messages.",
                    violations=[Violation("instances", rule)],
                )
            for start in range(0, len(rows), self._ahead.part_rows):
                self._begin(rows[start : start + self._ahead.part_rows])
            while not self._has_room():
                await self._change()

    def _has_room(self) -> bool:
        ahead = self._ahead
        return (
            self.rows_to_score * len(self._found) < ahead.rows_to_score
            and self._bytes_to_score < ahead.bytes_to_score
            and self.unanswered_rows < ahead.unanswered_rows
        )

    def _begin(self, rows: Sequence[Row]) -> None:
        size_bytes = sum(row.size_bytes for row in rows)
        request = ScoreRequest(
            names=self._names,
            readers=[row.read for row in rows],
            size_bytes=size_bytes,
            deadline=None,
            lane=Lane.BULK,
            caller=self._caller,
            waits=True,
            tells_scores=self._tells_scores,
        )
        self.unanswered_rows += len(rows)
        self.rows_to_score += len(rows)
        self._bytes_to_score += size_bytes
        part = asyncio.create_task(self._score(request), name="score a part of a stream")
        part.add_done_callback(lambda _: self._leave(len(rows), size_bytes))
        self._parts.append(part)
        self._changed.set()

    def _leave(self, rows: int, size_bytes: int) -> None:
        self.rows_to_score -= rows
        self._bytes_to_score -= size_bytes
        self._changed.set()

    async def _score(self, request: ScoreRequest) -> Outcomes:
        scores = await self._scoring.score_with(self._found, request)
        for outcome in (one for row in scores.outcomes for one in row):
            if isinstance(outcome, GnomonError) and outcome.retry_after_s is not None:
                raise outcome
        return scores.outcomes

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _stopping() -> ServiceUnavailableError:
    return ServiceUnavailableError(
        "The scorer stops. Open another stream and send the rows that are not answered.", retry_after_s=0.05
    )
