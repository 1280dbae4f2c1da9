"""The methods of `TrainerService` that concern labellings."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import DatasetName, LabellingName, ProviderName, check_id
from gnomon.v1 import labellings_pb2 as pb
from gnomon_rpc import pages
from gnomon_rpc.request_ids import request_key
from gnomon_trainer.api.dataset_calls import as_request
from gnomon_trainer.api.judge_calls import allowance_of
from gnomon_trainer.api.labelling_messages import (
    comparison_message,
    labelling_message,
    labelling_operation,
    wrong_row_message,
)
from gnomon_trainer.api.run_calls import number
from gnomon_trainer.domain.labelling_orders import LabellingOrder
from gnomon_trainer.domain.labelling_use_cases import Labellings
from gnomon_trainer.domain.labellings import Purpose

_PURPOSES = {pb.Labelling.Purpose.Value(purpose.name): purpose for purpose in Purpose}


class LabellingCalls:
    """Answers calls about labellings."""

    def __init__(self, labellings: Labellings) -> None:
        self._labellings = labellings

    async def create(self, request: pb.CreateLabellingRequest) -> Any:
        created = await self._labellings.create(_order(request), as_request(request_key(request)))
        return labelling_operation(created)

    async def get(self, request: pb.GetLabellingRequest) -> pb.Labelling:
        return labelling_message(await self._labellings.get(LabellingName.parse(request.name)))

    async def list(self, request: pb.ListLabellingsRequest) -> pb.ListLabellingsResponse:
        size = pages.page_size(request.page_size)
        found = await self._labellings.page(number(pages.read_token(request)), size + 1)
        last = str(found[size - 1].work.number) if len(found) > size else None
        return pb.ListLabellingsResponse(
            labellings=map(labelling_message, found[:size]), next_page_token=pages.make_token(request, last)
        )

    async def watch(self, request: pb.WatchLabellingRequest) -> AsyncIterator[pb.WatchLabellingResponse]:
        async with aclosing(self._labellings.watch(LabellingName.parse(request.name))) as changes:
            async for labelling in changes:
                yield pb.WatchLabellingResponse(labelling=labelling_message(labelling))

    async def resume(self, request: pb.ResumeLabellingRequest) -> Any:
        allowance = allowance_of(request.budget) if request.HasField("budget") else None
        resumed = await self._labellings.resume(LabellingName.parse(request.name), allowance)
        return labelling_operation(resumed)

    async def list_wrong_rows(self, request: pb.ListWrongRowsRequest) -> pb.ListWrongRowsResponse:
        size = pages.page_size(request.page_size)
        after = number(pages.read_token(request)) or 0
        found = await self._labellings.wrong_rows(
            LabellingName.parse(request.parent, "parent"), after, size + 1
        )
        last = str(found[size - 1].row.number) if len(found) > size else None
        return pb.ListWrongRowsResponse(
            rows=map(wrong_row_message, found[:size]), next_page_token=pages.make_token(request, last)
        )

    async def compare(self, request: pb.CompareLabellingsRequest) -> pb.CompareLabellingsResponse:
        first = LabellingName.parse(request.first_labelling, "first_labelling")
        second = LabellingName.parse(request.second_labelling, "second_labelling")
        return comparison_message(*await self._labellings.compare(first, second))


def _order(request: pb.CreateLabellingRequest) -> LabellingOrder:
    asked = request.labelling
    if asked.purpose not in _PURPOSES:
        raise InvalidRequestError(
            "labelling.purpose must be LABEL or VALIDATE.",
            violations=[Violation("labelling.purpose", "must be LABEL or VALIDATE")],
        )
    examples, path = asked.examples_dataset, "labelling.examples_dataset"
    target, target_path = asked.target_dataset_id, "labelling.target_dataset_id"
    return LabellingOrder(
        labelling=check_id(request.labelling_id, "labelling_id") if request.labelling_id else "",
        purpose=_PURPOSES[asked.purpose],
        dataset=DatasetName.parse(asked.dataset, "labelling.dataset"),
        provider=ProviderName.parse(asked.provider, "labelling.provider"),
        prompt=asked.judge_prompt,
        votes=asked.votes,
        allowance=allowance_of(asked.budget, "labelling.budget"),
        canary_count=asked.canary_count if asked.HasField("canary_count") else None,
        examples_dataset=DatasetName.parse(examples, path) if examples else None,
        example_count=asked.example_count,
        seed=asked.seed,
        target=check_id(target, target_path) if target else "",
    )
