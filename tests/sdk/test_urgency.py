"""Lanes, the caller's name, back-off, and calls that are sent twice."""

import asyncio
from typing import Any

import grpc
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import AsyncClient, Client, errors
from gnomon._retry import HedgeBudget
from gnomon._targets import Halves
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer
from tests.sdk.serving import Failing, connected, serving


class Scorer:
    """Answers the calls with these numbers late; the label is the number of the call."""

    def __init__(self, *late: int) -> None:
        self.late = set(late)
        self.requests: list[scorer.ScoreRequest] = []
        self.metadata: list[dict[str, Any]] = []
        self.cancelled = asyncio.Event()
        self.late_s = 5.0

    async def __call__(self, request: scorer.ScoreRequest, context: Any) -> scorer.ScoreResponse:
        number = len(self.requests)
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        if number in self.late:
            try:
                await asyncio.sleep(self.late_s)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        score = scorer.ScoreOutcome(score=pb.Score(label=str(number)))
        result = scorer.InstanceResult(outcomes=[score])
        return scorer.ScoreResponse(results=[result] * len(request.instances))


@pytest.mark.parametrize(
    ("lane", "sent"),
    [
        (None, scorer.LANE_UNSPECIFIED),
        ("guardrail", scorer.GUARDRAIL),
        ("online", scorer.ONLINE),
        ("bulk", scorer.BULK),
    ],
)
async def test_a_lane_is_sent_as_it_was_named(kind: str, lane: str | None, sent: int) -> None:
    fake = Scorer()
    async with serving(Score=fake) as address, connected(kind, address) as client:
        await client.score("m", output="x", lane=lane)
        await client.score("m", instances=[{"output": "x"}], lane=lane)
        await client.score_batch("m", [{"output": "x"}], lane=lane)
    assert [request.lane for request in fake.requests] == [sent] * 3


async def test_a_frame_is_scored_in_the_bulk_lane_unless_another_is_named(kind: str) -> None:
    fake = Scorer()
    frame = pd.DataFrame({"output": ["x"]})
    async with serving(Score=fake) as address, connected(kind, address) as client:
        await client.score_frame(frame, "m")
        await client.score_frame(frame, "m", lane="online")
    assert [request.lane for request in fake.requests] == [scorer.BULK, scorer.ONLINE]


@pytest.mark.parametrize(
    "arguments", [{"lane": "fast"}, {"hedge_after_s": -1.0}, {"hedge_after_s": float("nan")}]
)
async def test_what_is_no_lane_or_no_time_is_refused(kind: str, arguments: dict[str, Any]) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidRequestError, match=next(iter(arguments))):
            await client.score("m", output="x", **arguments)


async def test_the_callers_name_goes_with_every_call_to_the_scorer(kind: str) -> None:
    fake = Scorer()
    async with serving(Score=fake) as address:
        async with connected(kind, address, caller="my-app") as client:
            await client.score("m", output="x", hedge_after_s=5.0)
        async with connected(kind, address) as client:
            await client.score("m", output="x")
    assert [one.get("x-gnomon-caller") for one in fake.metadata] == ["my-app", None]


@pytest.mark.parametrize("caller", ["", "x" * 101, "ü", "a\nb"])
def test_a_callers_name_that_cannot_be_sent_is_refused(caller: str) -> None:
    for cls in (Client, AsyncClient):
        with pytest.raises(errors.InvalidRequestError, match="caller"):
            cls(caller=caller)


async def test_a_scorer_that_is_too_busy_is_asked_again_when_it_says(kind: str) -> None:
    busy = errors.OverloadedError("Busy.", retry_after_s=0.15)
    fake = Scorer()
    method = Failing(busy, busy, then=lambda request: request)

    async def score(request: Any, context: Any) -> Any:
        await method(request, context)
        return await fake(request, context)

    async with serving(Score=score) as address, connected(kind, address) as client:
        began = asyncio.get_running_loop().time()
        await client.score("m", output="x")
        assert asyncio.get_running_loop().time() - began >= 0.3
        method = Failing(errors.OverloadedError("Busy.", retry_after_s=5.0), then=lambda request: request)
        with pytest.raises(errors.OverloadedError):
            await client.score("m", output="x", timeout_s=2)


async def test_push_back_without_details_is_obeyed_as_well(kind: str) -> None:
    attempts = 0
    fake = Scorer()

    async def score(request: Any, context: Any) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            pushback = (("grpc-retry-pushback-ms", "100"),)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", pushback)
        return await fake(request, context)

    async with serving(Score=score) as address, connected(kind, address) as client:
        began = asyncio.get_running_loop().time()
        await client.score("m", output="x")
        assert asyncio.get_running_loop().time() - began >= 0.1


async def test_a_call_without_an_answer_is_sent_again_and_the_first_answer_counts(kind: str) -> None:
    fake = Scorer(0)
    async with serving(Score=fake) as address, connected(kind, address) as client:
        score = await client.score("m", output="x", hedge_after_s=0.05)
        assert score.label == "1"
        await asyncio.wait_for(fake.cancelled.wait(), 5)  # the other call has ended
    assert fake.requests[0] == fake.requests[1]


async def test_the_first_call_counts_as_well_if_it_is_answered_first(kind: str) -> None:
    fake = Scorer(0, 1)
    fake.late_s = 0.3
    async with serving(Score=fake) as address, connected(kind, address) as client:
        score = await client.score("m", output="x", hedge_after_s=0.1)
    assert (score.label, len(fake.requests)) == ("0", 2)


async def test_a_quick_answer_is_not_asked_for_twice(kind: str) -> None:
    fake = Scorer()
    async with serving(Score=fake) as address, connected(kind, address) as client:
        for _ in range(20):
            await client.score("m", output="x", hedge_after_s=2.0)
    assert len(fake.requests) == 20


async def test_never_more_than_one_call_in_ten_is_sent_twice(kind: str) -> None:
    fake = Scorer(*range(1000))
    fake.late_s = 0.02
    async with serving(Score=fake) as address, connected(kind, address) as client:
        for _ in range(40):
            await client.score("m", output="x", hedge_after_s=0.001)
    assert 40 < len(fake.requests) <= 44


async def test_a_call_that_was_turned_away_is_never_sent_twice(kind: str) -> None:
    fake = Scorer(0)
    fake.late_s = 0.2
    method = Failing(errors.OverloadedError("Busy.", retry_after_s=0.01), then=lambda request: request)

    async def score(request: Any, context: Any) -> Any:
        await method(request, context)
        return await fake(request, context)

    async with serving(Score=score) as address, connected(kind, address) as client:
        await client.score("m", output="x", hedge_after_s=0.05)
    assert len(fake.requests) == 1


async def test_a_second_call_that_fails_does_not_harm_the_first(kind: str) -> None:
    count = 0
    fake = Scorer(0)
    fake.late_s = 0.2

    async def score(request: Any, context: Any) -> Any:
        nonlocal count
        count += 1
        if count == 2:
            raise errors.OverloadedError("Busy.", retry_after_s=9.0)
        return await fake(request, context)

    async with serving(Score=score) as address, connected(kind, address) as client:
        assert (await client.score("m", output="x", hedge_after_s=0.05)).label == "0"
    assert count == 2


async def test_two_failed_calls_are_one_failed_attempt(kind: str) -> None:
    missing = errors.NotFoundError("There is no m.")

    async def score(request: Any, context: Any) -> Any:
        await asyncio.sleep(0.1)
        raise missing

    async with serving(Score=score) as address, connected(kind, address) as client:
        with pytest.raises(errors.NotFoundError):
            await client.score("m", output="x", hedge_after_s=0.02)


async def test_a_time_limit_holds_for_both_calls(kind: str) -> None:
    fake = Scorer(0, 1)
    async with serving(Score=fake) as address, connected(kind, address) as client:
        began = asyncio.get_running_loop().time()
        with pytest.raises(errors.DeadlineExceededError):
            await client.score("m", output="x", hedge_after_s=0.05, timeout_s=0.3)
        assert asyncio.get_running_loop().time() - began < 2.0


def test_a_budget_lets_one_call_in_ten_through_and_saves_up_ten_at_most() -> None:
    budget = HedgeBudget()
    assert not budget.spend()
    spent = 0
    for _ in range(100):
        budget.call()
        spent += budget.spend()
    assert spent == 10
    for _ in range(1000):
        budget.call()
    assert sum(budget.spend() for _ in range(100)) == 10


async def test_of_a_list_of_addresses_the_second_call_goes_to_another(kind: str) -> None:
    slow, idle = Scorer(0), Scorer()
    async with (
        serving(Score=slow) as one,
        serving(Score=idle) as other,
        connected(kind, f"ipv4:{one},{other}") as client,
    ):
        await client.score("m", output="x", hedge_after_s=0.05)
        assert (len(slow.requests), len(idle.requests)) == (1, 1)
        for _ in range(8):
            await client.score("m", output="x")
    assert (len(slow.requests), len(idle.requests)) == (5, 5)  # they share the calls


async def test_of_two_addresses_one_may_be_away(kind: str) -> None:
    fake = Scorer()
    async with serving(Score=fake) as address, connected(kind, f"ipv4:127.0.0.1:1,{address}") as client:
        for _ in range(6):
            await client.score("m", output="x")
    assert len(fake.requests) == 6


async def test_behind_one_address_the_second_call_has_its_own_connection(kind: str) -> None:
    peers = []
    fake = Scorer(0)

    async def score(request: Any, context: Any) -> Any:
        peers.append(context.peer())
        return await fake(request, context)

    async with serving(Score=score) as address, connected(kind, address) as client:
        await client.score("m", output="x", hedge_after_s=0.05)
        await client.score("m", output="x")
    assert len(set(peers[:2])) == 2
    assert peers[2] == peers[0]


@given(st.integers(1, 9), st.integers(0, 3))
def test_the_halves_of_a_list_share_its_addresses_and_its_calls(count: int, rounds: int) -> None:
    addresses = [f"10.0.0.{n}:80" for n in range(count)]
    halves = Halves("ipv4:" + ",".join(addresses))
    parts = [target.removeprefix("ipv4:").split(",") for target in halves.targets]
    if count == 1:
        assert parts == [addresses, addresses]
        assert {halves.first() for _ in range(5)} == {halves.after(0)} == {0}
        return
    assert sorted(parts[0] + parts[1]) == addresses
    calls = [halves.first() for _ in range(count * rounds)]
    assert [calls.count(half) for half in (0, 1)] == [rounds * len(part) for part in parts]


def test_what_is_no_list_is_not_halved() -> None:
    for target in ("scorer:7412", "dns:///scorer:7412", "127.0.0.1:7412", "unix:a,b"):
        assert Halves(target).targets == (target, target)
