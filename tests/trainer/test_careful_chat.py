"""Retries, limits and budgets of a chat, on a clock that a test moves."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import (
    GnomonError,
    JudgeBudgetSpentError,
    ProviderAnswerInvalidError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from gnomon_trainer.domain.careful_chat import CarefulChat, ChatLimits, Gate
from gnomon_trainer.domain.chat import ChatAnswer, ChatMessage, ChatRequest, Endpoint, Role
from gnomon_trainer.domain.chat_budget import Budget, PaidChat, Prices, Tokens

ENDPOINT = Endpoint("providers/main", "https://a.example", "m")
REQUEST = ChatRequest((ChatMessage(Role.USER, "x" * 300),))
AWAY = ProviderUnavailableError("away", http_status="503")
ANSWER = ChatAnswer("{}", "m", input_tokens=100, output_tokens=20)


@dataclass
class FakeTime:
    """Time that passes when all are asleep."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


@dataclass
class FakeChat:
    """Answers with what it is given, one after the other; the last one stays."""

    outcomes: list[Any]
    clock: Callable[[], float] = lambda: 0.0
    asked_at: list[float] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    async def complete(self, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        self.asked_at.append(self.clock())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def careful(time: FakeTime, chat: FakeChat, **limits: Any) -> CarefulChat:
    chat.clock = time.clock
    return CarefulChat(chat, Gate(ChatLimits(**limits), time.clock, time.sleep), lambda low, high: high)


async def ask(chat: Any) -> ChatAnswer:
    return await chat.complete(ENDPOINT, REQUEST, deadline_s=1.0)


async def test_waits_double_until_there_is_an_answer() -> None:
    time, chat = FakeTime(), FakeChat([AWAY, AWAY, AWAY, ANSWER])

    assert await ask(careful(time, chat)) == ANSWER
    assert time.slept == [0.5, 1.0, 2.0]


async def test_after_the_last_attempt_the_endpoints_own_error_is_told() -> None:
    time, chat = FakeTime(), FakeChat([AWAY])

    with pytest.raises(ProviderUnavailableError, match="away"):
        await ask(careful(time, chat, attempts=3))
    assert len(chat.asked_at) == 3


@pytest.mark.parametrize("error", [ProviderRefusedError("no"), ProviderAnswerInvalidError("no")])
async def test_what_will_not_change_is_not_asked_again(error: GnomonError) -> None:
    chat = FakeChat([error])

    with pytest.raises(type(error)):
        await ask(careful(FakeTime(), chat))
    assert len(chat.asked_at) == 1


async def test_nobody_asks_before_the_endpoint_wants_it() -> None:
    time = FakeTime()
    chat = FakeChat([ProviderUnavailableError("busy", retry_after_s=30.0), ANSWER])
    both = careful(time, chat, concurrency=1)

    await asyncio.gather(ask(both), ask(both), ask(both))

    assert chat.asked_at[0] == 1000.0
    assert min(chat.asked_at[1:]) >= 1030.0


async def test_who_is_told_to_wait_too_long_gives_up() -> None:
    time, chat = FakeTime(), FakeChat([ProviderUnavailableError("busy", retry_after_s=3000.0)])

    with pytest.raises(ProviderUnavailableError):
        await ask(careful(time, chat))
    assert time.slept == []


async def test_who_is_more_patient_waits_and_who_is_less_learns_it_at_once() -> None:
    time, long = FakeTime(), ProviderUnavailableError("away", retry_after_s=300.0)
    gate = Gate(ChatLimits(), time.clock, time.sleep)
    patient = CarefulChat(
        FakeChat([long, ANSWER]), gate, lambda low, high: high, ChatLimits(longest_wait_s=600.0)
    )
    asking = asyncio.ensure_future(ask(patient))
    await asyncio.sleep(0)
    while not gate.closed_s:
        await asyncio.sleep(0)

    with pytest.raises(ProviderUnavailableError, match="another 300 s") as told:
        await ask(CarefulChat(FakeChat([ANSWER]), gate, lambda low, high: high))
    assert told.value.retry_after_s == 300.0
    assert await asking == ANSWER
    assert time.now == 1300.0


async def test_only_so_many_calls_are_under_way() -> None:
    chat = FakeChat([ANSWER])
    both = careful(FakeTime(), chat, concurrency=3)

    await asyncio.gather(*(ask(both) for _ in range(20)))

    assert (chat.most_under_way, len(chat.asked_at)) == (3, 20)


async def test_a_call_that_waits_to_ask_again_takes_no_place() -> None:
    chat = FakeChat([AWAY, ANSWER])
    one = careful(FakeTime(), chat, concurrency=1)

    assert await asyncio.wait_for(asyncio.gather(ask(one), ask(one)), 5.0) == [ANSWER, ANSWER]


async def test_starts_are_spaced_evenly_by_the_rate() -> None:
    time, chat = FakeTime(), FakeChat([ANSWER])
    paced = careful(time, chat, requests_per_minute=30.0)

    await asyncio.gather(*(ask(paced) for _ in range(5)))

    gaps = [later - earlier for earlier, later in zip(chat.asked_at, chat.asked_at[1:], strict=False)]
    assert min(gaps) >= 2.0


# ---------------------------------------------------------------------- budget


async def test_a_budget_counts_what_the_endpoint_bills() -> None:
    budget = Budget(prices=Prices(input=2.0, output=10.0))
    await ask(PaidChat(FakeChat([ANSWER]), budget))

    assert budget.spent == Tokens(100, 20)
    assert budget.cost == pytest.approx((100 * 2.0 + 20 * 10.0) / 1e6)


async def test_calls_that_do_not_fit_in_are_not_made() -> None:
    for budget in (Budget(most_tokens=520), Budget(most_cost=0.00052, prices=Prices(1.0, 1.0))):
        chat = FakeChat([ANSWER])
        paid = PaidChat(chat, budget)
        for _ in range(2):
            await ask(paid)  # 120 each, by an estimate of 300
        with pytest.raises(JudgeBudgetSpentError, match="240 tokens are spent") as caught:
            await ask(paid)
        assert len(chat.asked_at) == 2
        assert caught.value.metadata["spent_tokens"] == "240"


async def test_calls_under_way_count_by_their_estimates_and_others_wait_for_what_they_cost() -> None:
    chat, budget = FakeChat([ANSWER]), Budget(most_tokens=700)
    paid = PaidChat(chat, budget)

    outcomes = await asyncio.gather(*(ask(paid) for _ in range(5)), return_exceptions=True)

    # 120 each, by an estimate of 300: two at once, and a fifth would be one too many.
    assert [type(outcome).__name__ for outcome in outcomes] == ["ChatAnswer"] * 4 + ["JudgeBudgetSpentError"]
    assert chat.most_under_way == 2
    assert budget.spent == Tokens(400, 80)


async def test_who_leaves_while_waiting_for_the_budget_holds_nobody_up() -> None:
    paid = PaidChat(FakeChat([ANSWER]), Budget(most_tokens=700))
    calls = [asyncio.ensure_future(ask(paid)) for _ in range(4)]
    await asyncio.sleep(0)
    calls[2].cancel()

    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [outcome == ANSWER for outcome in outcomes] == [True, True, False, True]


@pytest.mark.parametrize(
    ("outcome", "spent"),
    [
        (ProviderUnavailableError("slow"), Tokens(100, 200)),  # nobody knows whether it is billed
        (ProviderAnswerInvalidError("cut"), Tokens(100, 200)),
        (AWAY, Tokens()),
        (ProviderRefusedError("no", http_status="400"), Tokens()),
        (ChatAnswer("{}", "m"), Tokens(100, 200)),  # the endpoint does not count
    ],
)
async def test_what_is_not_told_is_counted_by_the_estimate(outcome: Any, spent: Tokens) -> None:
    budget = Budget()
    await asyncio.gather(ask(PaidChat(FakeChat([outcome]), budget)), return_exceptions=True)

    assert budget.spent == spent


async def test_every_attempt_is_paid() -> None:
    time, budget = FakeTime(), Budget()
    chat = FakeChat([ProviderUnavailableError("slow"), ANSWER])
    gate = Gate(ChatLimits(), time.clock, time.sleep)
    await ask(CarefulChat(PaidChat(chat, budget), gate, lambda low, high: low))

    assert budget.spent == Tokens(200, 220)


@given(st.lists(st.integers(0, 200), max_size=20), st.integers(0, 3000))
def test_answers_within_their_estimates_never_go_over_the_budget(outputs: list[int], most: int) -> None:
    budget = Budget(most_tokens=most)
    for output in outputs:
        try:
            reserved = budget.reserve(REQUEST)
        except JudgeBudgetSpentError:
            break
        budget.settle(reserved, Tokens(100, output))
    assert budget.spent.total <= most
