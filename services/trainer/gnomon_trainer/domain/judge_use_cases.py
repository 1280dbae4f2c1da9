"""Use cases of judges."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gnomon.errors import (
    EndpointNotAllowedError,
    GnomonError,
    InvalidRequestError,
    JudgeBudgetSpentError,
    ProviderAnswerInvalidError,
    ProviderRefusedError,
    ProviderUnavailableError,
    Violation,
)
from gnomon.instances import Instance
from gnomon.names import MetricName, ProviderName
from gnomon_trainer.domain.careful_chat import CarefulChat
from gnomon_trainer.domain.catalog import Catalog
from gnomon_trainer.domain.chat import Chat
from gnomon_trainer.domain.chat_budget import Budget, PaidChat
from gnomon_trainer.domain.judge_prompt import Judged
from gnomon_trainer.domain.judging import Judge, Judgement
from gnomon_trainer.domain.provider_gates import ProviderGates
from gnomon_trainer.domain.provider_use_cases import Providers

MOST_INSTANCES = 100
MOST_VOTES = 15
_MOST_AWAY = 3  # instances in a row, each of them after all its attempts, once there were answers
_MOST_REFUSED = 10  # instances before there was any answer, each of them in every way
_FOR_ALL = {"401", "402", "403", "404"}  # what is refused so is refused for every instance


@dataclass(frozen=True, slots=True)
class JudgeOrder:
    """What is to be judged. An error stands for an instance that could not be read."""

    provider: ProviderName
    metric: MetricName
    instances: Sequence[Instance | GnomonError]
    votes: int
    budget: Budget


@dataclass(slots=True)
class Judges:
    """Has instances judged. All calls to one provider share its limits."""

    providers: Providers
    catalog: Catalog
    chat: Chat
    gates: ProviderGates
    deadline_s: float  # for one answer
    draw: Callable[[float, float], float]
    random_bytes: Callable[[int], bytes]

    async def judge(self, order: JudgeOrder) -> list[Judgement | GnomonError]:
        """Return one outcome an instance; what was spent stands in the order's budget.

        Raises:
            InvalidRequestError: too many instances or votes, or the metric has no judge prompt.
            NotFoundError: there is no such provider or metric.
            GnomonError: the provider's key does not open, or the registry is away.
        """
        _check(order)
        judged = await self.catalog.judged(order.metric)
        check_prompt(judged)
        endpoint = await self.providers.endpoint(order.provider)
        gate = self.gates.gate(order.provider)
        chat = CarefulChat(PaidChat(self.chat, order.budget), gate, self.draw)
        judge = Judge(chat, endpoint, judged, self.random_bytes)
        places = asyncio.Semaphore(gate.limits.concurrency)
        work = _Work(judge, order.votes, self.deadline_s, places)
        found: list[Judgement | GnomonError] = []
        for instance in order.instances:  # one after the other, until the endpoint has answered
            if work.has_answer:
                break
            found.append(await work.outcome(instance))
        async with asyncio.TaskGroup() as group:  # a defect in one ends all: nothing is paid for in vain
            rest = [group.create_task(work.outcome(each)) for each in order.instances[len(found) :]]
        return [*found, *(task.result() for task in rest)]


@dataclass(slots=True)
class _Work:
    """The instances of one order. What ends one for good ends those that come after it.

    No more are begun than may be asked for at once, so that an end comes before the rest.
    """

    judge: Judge
    votes: int
    deadline_s: float
    places: asyncio.Semaphore
    end: GnomonError | None = None
    has_answer: bool = False
    _away: int = 0  # in a row
    _refused: int = 0  # before there was any answer

    async def outcome(self, instance: Instance | GnomonError) -> Judgement | GnomonError:
        if isinstance(instance, GnomonError):
            return instance
        async with self.places:
            return await self._judged(instance) if self.end is None else self.end

    async def _judged(self, instance: Instance) -> Judgement | GnomonError:
        try:
            judgement = await self.judge.judge(instance, self.votes, deadline_s=self.deadline_s)
        except GnomonError as error:
            if is_for_all(error) or self._is_hopeless(error):
                self.end = self.end or error
            return error
        self.has_answer, self._away = True, 0
        return judgement

    def _is_hopeless(self, error: GnomonError) -> bool:
        """Tell whether the endpoint is given up: it is away, or has refused whatever came."""
        if isinstance(error, ProviderUnavailableError):
            self._away += 1
            return self._away >= (_MOST_AWAY if self.has_answer else 1)
        if isinstance(error, ProviderAnswerInvalidError):
            self.has_answer, self._away = True, 0
        self._refused += isinstance(error, ProviderRefusedError)
        return not self.has_answer and self._refused >= _MOST_REFUSED


def is_for_all(error: GnomonError) -> bool:
    """Tell whether what one instance met, every other one would meet as well."""
    if isinstance(error, ProviderRefusedError):
        return error.metadata.get("http_status") in _FOR_ALL
    return isinstance(error, EndpointNotAllowedError | JudgeBudgetSpentError)


def check_prompt(judged: Judged) -> None:
    """Raise InvalidRequestError if a metric has no judge prompt."""
    if not judged.prompt.strip():
        metric = judged.metric.rpartition("/")[2]
        raise _wrong(
            "metric",
            f"{judged.metric} has no judge prompt. Write one: "
            f"`gnomon metrics update {metric} --judge-prompt …`.",
        )


def check_votes(votes: int, field: str = "votes") -> None:
    """Raise InvalidRequestError if an instance cannot be judged so often."""
    if not 1 <= votes <= MOST_VOTES:
        raise _wrong(field, f"There are {votes} votes; 1 to {MOST_VOTES} are taken.")


def _check(order: JudgeOrder) -> None:
    count = len(order.instances)
    if not 1 <= count <= MOST_INSTANCES:
        raise _wrong("instances", f"There are {count} instances; 1 to {MOST_INSTANCES} are taken.")
    check_votes(order.votes)


def _wrong(name: str, sentence: str) -> InvalidRequestError:
    return InvalidRequestError(sentence, violations=[Violation(name, sentence)])
