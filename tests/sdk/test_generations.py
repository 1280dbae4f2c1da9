"""Generations through both clients."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2

from gnomon.errors import InvalidRequestError, WorkStateError
from gnomon.v1 import generations_pb2 as pb
from gnomon.v1 import labellings_pb2 as labellings
from tests.sdk.serving import Failing, collected, connected, serving

NAME = "generations/first"


def operation(generation: pb.Generation) -> operations_pb2.Operation:
    made = operations_pb2.Operation(name="operations/g1")
    made.metadata.Pack(generation)
    return made


async def test_a_generation_is_made_once_however_often_it_is_asked_for(kind: str) -> None:
    create = Failing(grpc.StatusCode.UNAVAILABLE, then=lambda request: operation(pb.Generation(name=NAME)))
    async with serving(CreateGeneration=create) as address, connected(kind, address) as client:
        made = await client.generations.create(
            "tone",
            provider="openai",
            test_set="tickets@2",
            generation_id="first",
            class_balance={"true": 0.5},
            budget={"max_tokens": 1000},
        )

    assert made.name == NAME
    first, again = create.requests
    assert first == again
    assert bool(first.request_id)
    assert first.generation == pb.Generation(
        metric="metrics/tone",
        provider="providers/openai",
        test_set="datasets/tickets@2",
        class_balance={"true": 0.5},
        budget=labellings.JudgeBudget(max_tokens=1000),
    )


async def test_a_sample_is_reviewed_by_the_number_that_was_there(kind: str) -> None:
    seen: list[Any] = []

    async def get(request: Any, context: Any) -> Any:
        return pb.Generation(name=NAME, sample_number=3)

    async def change(request: Any, context: Any) -> Any:
        seen.append(request)
        return pb.Generation(name=NAME)

    methods = {"GetGeneration": get, "RegenerateSample": change, "ApproveSample": change}
    async with serving(**methods) as address, connected(kind, address) as client:
        await client.generations.regenerate("first", "Labels-wrong", "No jokes.")
        await client.generations.approve("first")
        await client.generations.approve("first", sample_number=2)
        with pytest.raises(InvalidRequestError, match="too_repetitive"):
            await client.generations.regenerate("first", "ugly")

    wish, *approvals = seen
    assert wish == pb.RegenerateSampleRequest(
        name=NAME, reason="LABELS_WRONG", words="No jokes.", sample_number=3
    )
    assert [request.sample_number for request in approvals] == [3, 2]


async def test_an_approval_whose_answer_was_lost_is_no_error(kind: str) -> None:
    tries = 0

    async def approve(request: Any, context: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        raise WorkStateError("It is GENERATING.", resource=NAME, state="GENERATING")

    async def get(request: Any, context: Any) -> Any:
        return pb.Generation(name=NAME, sample_number=1, state="GENERATING")

    async with (
        serving(ApproveSample=approve, GetGeneration=get) as address,
        connected(kind, address) as client,
    ):
        assert (await client.generations.approve("first")).state == pb.Generation.GENERATING


async def test_a_generation_is_followed_over_a_restart_until_it_waits_for_a_person(kind: str) -> None:
    calls = 0

    async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
        nonlocal calls
        calls += 1
        yield pb.WatchGenerationResponse(generation=pb.Generation(name=NAME, state="SAMPLING"))
        if calls == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        yield pb.WatchGenerationResponse(generation=pb.Generation(name=NAME, state="AWAITING_REVIEW"))

    async with serving(WatchGeneration=watch) as address, connected(kind, address) as client:
        seen = [each.state async for each in client.generations.watch("first")]

    assert calls == 2
    assert seen == [pb.Generation.SAMPLING, pb.Generation.SAMPLING, pb.Generation.AWAITING_REVIEW]


async def test_rows_come_page_by_page(kind: str) -> None:
    async def rows(request: Any, context: Any) -> Any:
        last = request.page_token == "second"
        found = [pb.GeneratedRow(row=2 if last else 1)]
        return pb.ListGeneratedRowsResponse(rows=found, next_page_token="" if last else "second")

    async with serving(ListGeneratedRows=rows) as address, connected(kind, address) as client:
        assert [row.row for row in await collected(client.generations.rows("first"))] == [1, 2]
