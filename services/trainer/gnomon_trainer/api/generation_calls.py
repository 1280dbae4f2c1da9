"""The methods of `TrainerService` that concern generations."""

import math
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import DatasetName, GenerationName, MetricName, ProviderName, check_id
from gnomon.v1 import generations_pb2 as pb
from gnomon_rpc import pages
from gnomon_rpc.request_ids import request_key
from gnomon_trainer.api.dataset_calls import as_request
from gnomon_trainer.api.generation_messages import generation_message, generation_operation, row_message
from gnomon_trainer.api.judge_calls import allowance_of
from gnomon_trainer.api.run_calls import number
from gnomon_trainer.domain.generation_use_cases import GenerationOrder, Generations
from gnomon_trainer.domain.generation_wishes import Reason, Wish
from gnomon_trainer.domain.generations import spec_from


class GenerationCalls:
    """Answers calls about generations."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    async def create(self, request: pb.CreateGenerationRequest) -> Any:
        order = _order(request)
        return generation_operation(await self._generations.create(order, as_request(request_key(request))))

    async def get(self, request: pb.GetGenerationRequest) -> pb.Generation:
        return generation_message(await self._generations.get(GenerationName.parse(request.name)))

    async def list(self, request: pb.ListGenerationsRequest) -> pb.ListGenerationsResponse:
        size = pages.page_size(request.page_size)
        found = await self._generations.page(number(pages.read_token(request)), size + 1)
        last = str(found[size - 1].number) if len(found) > size else None
        return pb.ListGenerationsResponse(
            generations=[generation_message(work, whole=False) for work in found[:size]],
            next_page_token=pages.make_token(request, last),
        )

    async def watch(self, request: pb.WatchGenerationRequest) -> AsyncIterator[pb.WatchGenerationResponse]:
        name = GenerationName.parse(request.name)
        async with aclosing(self._generations.watch(name)) as changes:
            async for work in changes:
                yield pb.WatchGenerationResponse(generation=generation_message(work))

    async def list_rows(self, request: pb.ListGeneratedRowsRequest) -> pb.ListGeneratedRowsResponse:
        size = pages.page_size(request.page_size)
        name = GenerationName.parse(request.parent, "parent")
        after = number(pages.read_token(request)) or 0
        work, found = await self._generations.rows_page(name, after, size + 1)
        spec = spec_from(work.spec)
        last = str(found[size - 1][0]) if len(found) > size else None
        return pb.ListGeneratedRowsResponse(
            rows=[row_message(place, record, spec) for place, record in found[:size]],
            next_page_token=pages.make_token(request, last),
        )

    async def regenerate(self, request: pb.RegenerateSampleRequest) -> pb.Generation:
        known = {pb.Generation.Reason.Value(reason.name): reason for reason in Reason}
        if request.reason not in known:
            raise _wrong("reason", "must be known to this release")
        wish = Wish(known[request.reason], request.words)
        name = GenerationName.parse(request.name)
        return generation_message(await self._generations.regenerate(name, wish, request.sample_number))

    async def approve(self, request: pb.ApproveSampleRequest) -> pb.Generation:
        name = GenerationName.parse(request.name)
        return generation_message(await self._generations.approve(name, request.sample_number))

    async def resume(self, request: pb.ResumeGenerationRequest) -> Any:
        allowance = allowance_of(request.budget) if request.HasField("budget") else None
        name = GenerationName.parse(request.name)
        return generation_operation(await self._generations.resume(name, allowance))


def _order(request: pb.CreateGenerationRequest) -> GenerationOrder:
    wanted = request.generation
    if not math.isfinite(wanted.seed_share):
        raise _wrong("generation.seed_share", "must be a number")
    return GenerationOrder(
        generation=check_id(request.generation_id, "generation_id") if request.generation_id else "",
        metric=MetricName.parse(wanted.metric, "generation.metric"),
        provider=ProviderName.parse(wanted.provider, "generation.provider"),
        judge_provider=_judge(wanted),
        test_set=DatasetName.parse(wanted.test_set, "generation.test_set"),
        seed_set=DatasetName.parse(wanted.seed_set, "generation.seed_set") if wanted.seed_set else None,
        seed_share=wanted.seed_share,
        sample_rows=wanted.sample_row_count,
        rows=wanted.row_count,
        balance=dict(wanted.class_balance),
        votes=wanted.votes,
        dataset=check_id(wanted.dataset_id, "generation.dataset_id") if wanted.dataset_id else "",
        seed=wanted.seed,
        allowance=allowance_of(wanted.budget, "generation.budget"),
    )


def _judge(wanted: pb.Generation) -> ProviderName | None:
    if not wanted.judge_provider:
        return None
    return ProviderName.parse(wanted.judge_provider, "generation.judge_provider")


def _wrong(field: str, rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field} {rule}.", violations=[Violation(field, rule)])
