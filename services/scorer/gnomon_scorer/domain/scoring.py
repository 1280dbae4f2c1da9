"""The use case: score instances with metric versions."""

import asyncio
import contextlib
import functools
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Protocol

from gnomon.errors import (
    DeadlineExceededError,
    EvaluatorFailedError,
    GnomonError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    QuotaExceededError,
    Violation,
)
from gnomon.names import MetricVersionName
from gnomon.tokens import Tokens
from gnomon_scorer.domain.following import Follower
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.metering import Meter, Unmetered
from gnomon_scorer.domain.observing import Observer, Silent
from gnomon_scorer.domain.questions import Question
from gnomon_scorer.domain.response_cache import Answer, ResponseCache
from gnomon_scorer.domain.scheduler import Outcome, Scheduler
from gnomon_scorer.domain.scores import ScoreRequest, Scores, score_of, timing_of
from gnomon_scorer.domain.tokenizing import Asked, ask
from gnomon_scorer.domain.versions import Versions

MAX_VERSIONS = 16
MAX_INSTANCES = 256
_SMALL_BYTES = 2048  # tokenized sooner, about 0.1 ms, than another thread would begin
_LARGE_BYTES = 64 * 1024  # a request that takes long to tokenize does not wait among those that do not
_LONGEST_PAUSE_S = 0.2  # of who waits for room in the queue, or for its quota
_FOR_THE_ANSWER = 0.8  # the share of a caller's time that waiting for a load may take


Found = dict[MetricVersionName, LoadedVersion | GnomonError]  # what each name means, or why it means nothing


class Tracer(Protocol):
    """Is told how a request was scored, in the task that handles it. Must be quick and never raise.

    Also a `Loads`, see `versions`.
    """

    def loading(self, name: MetricVersionName) -> contextlib.AbstractContextManager[None]: ...

    def scored(
        self,
        request: ScoreRequest,
        scores: Scores,
        began: float,
        ran: Sequence[tuple[LoadedVersion, Outcome]],
    ) -> None:
        """Tokenizing began at `began`, on the service's clock; `ran` is of each entry that was queued."""


class ScoringService:
    """Scores requests of all callers.

    `quick`, `slow` and `bulk` run tokenizers: slow ones, large requests. Without a
    `cache` every text is run, however often it comes.
    """

    def __init__(
        self,
        follower: Follower,
        versions: Versions,
        scheduler: Scheduler,
        *,
        quick: Executor,
        slow: Executor,
        bulk: Executor,
        load_wait_s: float,
        cache: ResponseCache | None = None,
        observer: Observer | None = None,
        tracer: Tracer | None = None,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._follower = follower
        self._versions = versions
        self._scheduler = scheduler
        self._quick = quick
        self._slow = slow
        self._bulk = bulk
        self._load_wait_s = load_wait_s
        self._cache = cache
        self._observer = observer or Silent()
        self._tracer = tracer
        self._meter = meter or Unmetered()
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
            QuotaExceededError: the caller has read more tokens than it may.
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
            waiting = [self._version(name, deadline, leases) for name in distinct]
            answers = [await waiting[0]] if len(waiting) == 1 else await asyncio.gather(*waiting)
            yield dict(zip(distinct, answers, strict=True))

    async def score_with(self, found: Found, request: ScoreRequest) -> Scores:
        """Do what `score` does with versions that are held."""
        loaded = [version for version in found.values() if isinstance(version, LoadedVersion)]
        if not loaded:
            raise first_to_tell(found.values())
        await self._allowed(request)
        is_small = request.size_bytes <= _SMALL_BYTES and request.lane is not Lane.BULK
        may_be_known = self._cache is not None and request.size_bytes <= _LARGE_BYTES
        if not (may_be_known or request.waits):
            with self._counted(request.lane):
                self._scheduler.expect(request.deadline, request.lane, request.caller)
        started = self._clock()
        if is_small:
            asked = ask(request.readers, loaded, self._cache)
        else:
            asked = await self._asked_elsewhere(request, loaded)
        took = self._clock() - started
        self._tell(asked, len(request.readers), took)
        self._check_deadline(request)
        ran = await self._run(asked.questions, request)
        scored = {question: score_of(question) for question in asked.questions}
        columns = {
            version: [scored[one] if isinstance(one, Question) else one for one in column]
            for version, column in asked.columns.items()
        }
        by_name = [found[name] for name in request.names]
        outcomes = [
            [columns[v][i] if isinstance(v, LoadedVersion) else v for v in by_name]
            for i in range(len(request.readers))
        ]
        all_cached = bool(scored) and all(question.is_cached for question in scored)
        scores = Scores(outcomes, timing_of(0.0 if all_cached else took, (outcome for _, outcome in ran)))
        if self._tracer is not None:
            self._tracer.scored(request, scores, started, ran)
        return scores

    async def _allowed(self, request: ScoreRequest) -> None:
        """Refuse a caller who has read too many tokens; one who waits for room waits for that as well."""
        while True:
            try:
                return self._meter.check_tokens()
            except QuotaExceededError as error:
                if not request.waits:
                    raise
                # Not to the end of it: the caller may be given more meanwhile.
                await asyncio.sleep(min(error.retry_after_s or _LONGEST_PAUSE_S, _LONGEST_PAUSE_S))

    async def _run(
        self, questions: Sequence[Question], request: ScoreRequest
    ) -> list[tuple[LoadedVersion, Outcome]]:
        """Have answered what the cache does not know; each window is an entry of its own."""
        read = [(question.version, question.reading) for question in questions if question.reading]
        wanted = [(version, window) for version, reading in read for window in reading.windows]
        debit = functools.partial(self._meter.debit_tokens, sum(reading.token_count for _, reading in read))
        ran = await self._queued(wanted, request, debit)
        outcomes = iter(ran)
        for question in questions:
            if question.reading is not None:
                question.settle(list(itertools.islice(outcomes, len(question.reading.windows))))
                self._keep(question, request.lane)
        return [(version, outcome) for (version, _), outcome in zip(wanted, ran, strict=True)]

    async def _asked_elsewhere(self, request: ScoreRequest, loaded: Sequence[LoadedVersion]) -> Asked:
        """Render and tokenize in a thread; bulk, large and other requests do not wait for each other."""
        if request.lane is Lane.BULK:
            executor = self._bulk
        else:
            executor = self._slow if request.size_bytes > _LARGE_BYTES else self._quick
        loop = asyncio.get_running_loop()
        left_s = None if request.deadline is None else max(0.0, request.deadline - self._clock())
        try:
            async with asyncio.timeout(left_s):
                return await loop.run_in_executor(executor, ask, request.readers, loaded, self._cache)
        except TimeoutError:
            raise DeadlineExceededError("The deadline passed before the request was read.") from None

    async def _queued(
        self,
        wanted: Sequence[tuple[LoadedVersion, Tokens]],
        request: ScoreRequest,
        admitted: Callable[[], None],
    ) -> list[Outcome]:
        wants = (wanted, request.deadline, request.lane, request.caller, admitted)
        if not request.waits:
            with self._counted(request.lane):
                return await self._scheduler.score(*wants)
        size = sum(len(window) for _, window in wanted)
        while wanted:
            try:
                # It asks several times a second, so asking must cost nothing, however many windows wait.
                self._scheduler.expect(request.deadline, request.lane, request.caller, size)
                return await self._scheduler.score(*wants)
            except OverloadedError as error:
                await asyncio.sleep(min(error.retry_after_s or _LONGEST_PAUSE_S, _LONGEST_PAUSE_S))
        return []

    @contextlib.contextmanager
    def _counted(self, lane: Lane) -> Iterator[None]:
        """Tell the observer of a refusal. Who waits for room is not refused."""
        try:
            yield
        except OverloadedError as error:
            self._observer.refused(error.metadata["why"], lane)
            raise

    def _keep(self, question: Question, lane: Lane) -> None:
        # A bulk job asks for each row once: its answers would push out those that are asked for again.
        if self._cache is None or question.key is None or lane is Lane.BULK:
            return
        if isinstance(question.answer, Answer):
            self._cache.put(question.key, question.answer)

    def _tell(self, asked: Asked, instances: int, took: float) -> None:
        self._observer.tokenized(instances, took)
        for question in asked.questions:
            if isinstance(question.answer, EvaluatorFailedError):
                self._observer.dropped(question.version.name, "poisonous")
        if self._cache is not None:
            for question in asked.questions:
                self._observer.looked_up(question.is_cached)

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
