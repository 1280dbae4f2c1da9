"""Use cases of judges."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gnomon.errors import (
    EndpointNotAllowedError,
    GnomonError,
    InvalidRequestError,
    JudgeBudgetSpentError,
    ProviderRefusedError,
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
        work = _Work(Judge(chat, endpoint, judged, self.random_bytes), order.votes, self.deadline_s)
        # The first one finds out what the endpoint can do, and whether it answers at all.
        first = await work.outcome(order.instances[0])
        async with asyncio.TaskGroup() as group:  # a defect in one ends all: nothing is paid for in vain
            rest = [group.create_task(work.outcome(instance)) for instance in order.instances[1:]]
        return [first, *(task.result() for task in rest)]


@dataclass(slots=True)
class _Work:
    """The instances of one order. What ends one for good ends those that come after it."""

    judge: Judge
    votes: int
    deadline_s: float
    end: GnomonError | None = None

    async def outcome(self, instance: Instance | GnomonError) -> Judgement | GnomonError:
        if isinstance(instance, GnomonError):
            return instance
        if self.end is not None:
            return self.end
        try:
            return await self.judge.judge(instance, self.votes, deadline_s=self.deadline_s)
        except GnomonError as error:
            if is_for_all(error):
                self.end = error
            return error


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
