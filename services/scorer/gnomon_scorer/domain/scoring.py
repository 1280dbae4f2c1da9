"""The use case: score instances with metric versions."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from gnomon.bundle import Evaluator
from gnomon.decision import Decision, decide
from gnomon.errors import DeadlineExceededError, GnomonError, InvalidRequestError, NotFoundError, Violation
from gnomon.names import MetricVersionName
from gnomon.tokens import Tokens
from gnomon_scorer.domain.following import Follower
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.scheduler import Outcome, Ran, Scheduler
from gnomon_scorer.domain.tokenizing import ReadInstance, TokensOrError, tokenize, way_of
from gnomon_scorer.domain.versions import Versions

MAX_VERSIONS = 16
MAX_INSTANCES = 256
_LARGE_BYTES = 64 * 1024  # a request that takes long to tokenize does not wait among those that do not
_FOR_THE_ANSWER = 0.8  # the share of a caller's time that waiting for a load may take


Found = dict[MetricVersionName, LoadedVersion | GnomonError]  # what each name means, or why it means nothing


@dataclass(frozen=True, slots=True)
class Scored:
    """What one version says of one instance."""

    version: MetricVersionName
    evaluator: Evaluator
    decision: Decision
    logits: Sequence[float]
    token_count: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds, each the longest of the request's instances."""

    tokenization_s: float = 0.0
    queue_s: float = 0.0
    inference_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """`readers` give the instances, or raise; `deadline` is on the service's clock.

    `caller` is whom the queue is shared fairly with; empty if not known.
    """

    names: tuple[MetricVersionName, ...]
    readers: Sequence[ReadInstance]
    size_bytes: int
    deadline: float | None
    lane: Lane = Lane.ONLINE
    caller: str = ""


@dataclass(frozen=True, slots=True)
class Scores:
    """`outcomes[i][j]`: of instance i with version j."""

    outcomes: list[list[Scored | GnomonError]]
    timing: Timing


class ScoringService:
    """Scores requests of all callers. `quick` and `slow` run tokenizers: slow ones, large requests."""

    def __init__(
        self,
        follower: Follower,
        versions: Versions,
        scheduler: Scheduler,
        *,
        quick: Executor,
        slow: Executor,
        load_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._follower = follower
        self._versions = versions
        self._scheduler = scheduler
        self._quick = quick
        self._slow = slow
        self._load_wait_s = load_wait_s
        self._clock = clock

    async def score(self, request: ScoreRequest) -> Scores:
        """Score every instance with every version.

        What concerns one instance, or one version among several, is an outcome
        of its own. A call none of whose versions can be used fails with the
        error of the first; one that may be retried goes before.

        Raises:
            InvalidRequestError: too many or too few versions or instances.
            NotFoundError: none of the versions exists.
            DeadlineExceededError: the deadline is past.
            OverloadedError: the queue is full.
            RegistryUnavailableError: the catalog is not known yet.
            VersionLoadingError, VersionUnloadableError, ArtifactCorruptError: of all versions.
        """
        _check(request)
        self._check_deadline(request)
        async with self.holding(request.names, request.deadline) as found:
            return await self.score_with(found, request)

    @contextlib.asynccontextmanager
    async def holding(
        self, names: Sequence[MetricVersionName], deadline: float | None = None
    ) -> AsyncIterator[Found]:
        """Give the versions that names mean now, loaded if need be; they stay in memory while entered."""
        with contextlib.ExitStack() as leases:
            distinct = dict.fromkeys(names)
            answers = await asyncio.gather(*(self._version(name, deadline, leases) for name in distinct))
            yield dict(zip(distinct, answers, strict=True))

    async def score_with(self, found: Found, request: ScoreRequest) -> Scores:
        """Do what `score` does with versions that are held."""
        loaded = [version for version in found.values() if isinstance(version, LoadedVersion)]
        if not loaded:
            raise first_to_tell(found.values())
        started = self._clock()
        is_slow = request.size_bytes > _LARGE_BYTES or request.lane is Lane.BULK
        executor = self._slow if is_slow else self._quick
        loop = asyncio.get_running_loop()
        tokens = await loop.run_in_executor(executor, tokenize, request.readers, loaded)
        took = self._clock() - started
        self._check_deadline(request)
        versions = list(dict.fromkeys(loaded))  # an alias and its number are one version
        wanted = [
            (version, read)
            for version in versions
            for read in tokens[way_of(version)]
            if isinstance(read, Tokens)
        ]
        ran = await self._scheduler.score(wanted, request.deadline, request.lane, request.caller)
        rows = iter(ran)
        columns = {v: [_outcome(v, read, rows) for read in tokens[way_of(v)]] for v in versions}
        by_name = [found[name] for name in request.names]
        outcomes = [
            [columns[v][i] if isinstance(v, LoadedVersion) else v for v in by_name]
            for i in range(len(request.readers))
        ]
        return Scores(outcomes, _timing(took, ran))

    async def _version(
        self, name: MetricVersionName, deadline: float | None, leases: contextlib.ExitStack
    ) -> LoadedVersion | GnomonError:
        try:
            number = await self._follower.resolve(name)
            wait_s = self._load_wait_s
            if deadline is not None:
                wait_s = min(wait_s, _FOR_THE_ANSWER * (deadline - self._clock()))
            version = await self._versions.get(number, wait_s, pinned=name.alias is None)
        except GnomonError as error:
            return error
        leases.enter_context(version.in_use())
        return version

    def _check_deadline(self, request: ScoreRequest) -> None:
        if request.deadline is not None and request.deadline <= self._clock():
            raise DeadlineExceededError("The call's deadline is past. Allow more time.")


def _check(request: ScoreRequest) -> None:
    for field, count, most in (
        ("metric_versions", len(request.names), MAX_VERSIONS),
        ("instances", len(request.readers), MAX_INSTANCES),
    ):
        if not 1 <= count <= most:
            rule = f"must hold 1 to {most}"
            raise InvalidRequestError(
                f"The request has {count} {field}; it {rule}. Send several requests.",
                violations=[Violation(field, rule)],
            )


def first_to_tell(answers: Iterable[LoadedVersion | GnomonError]) -> GnomonError:
    """Return what to say of versions that cannot be used: what may pass first, then what is."""
    errors = [answer for answer in answers if isinstance(answer, GnomonError)]
    return min(errors, key=lambda error: (error.retry_after_s is None, isinstance(error, NotFoundError)))


def _outcome(version: LoadedVersion, read: TokensOrError, rows: Iterator[Outcome]) -> Scored | GnomonError:
    if isinstance(read, GnomonError):
        return read
    row = next(rows)
    if isinstance(row, GnomonError):
        return row
    return Scored(
        version=version.name,
        evaluator=version.evaluator,
        decision=decide(version.evaluator, row.logits),
        logits=row.logits,
        token_count=len(read),
        truncated=read.truncated,
    )


def _timing(tokenization_s: float, ran: list[Outcome]) -> Timing:
    done = [row for row in ran if isinstance(row, Ran)]
    return Timing(
        tokenization_s,
        max((row.queue_s for row in done), default=0.0),
        max((row.inference_s for row in done), default=0.0),
    )
