"""`gnomon.v1.ScorerService/ScoreStream`."""

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import MetricVersionName
from gnomon.v1 import scorer_service_pb2 as pb
from gnomon_scorer.api import QUICK_OUTCOMES, ScorerApi, caller_of, outcome_of, read_instance, tells_scores
from gnomon_scorer.domain.scoring import ScoringService
from gnomon_scorer.domain.streaming import Outcomes, Row, Streams
from gnomon_scorer.domain.versions import Versions


class StreamingScorerApi(ScorerApi):
    """All methods of the service."""

    def __init__(self, scoring: ScoringService, versions: Versions, streams: Streams) -> None:
        super().__init__(scoring, versions)
        self._streams = streams

    async def ScoreStream(  # noqa: N802
        self, requests: AsyncIterator[pb.ScoreStreamRequest], context: Any
    ) -> AsyncGenerator[pb.ScoreStreamResponse, None]:
        messages = aiter(requests)
        first = await _first(messages)
        names = [
            MetricVersionName.parse(name, f"metric_versions[{index}]")
            for index, name in enumerate(first.metric_versions)
        ]
        async with self._streams.open(names, caller_of(context), tells_scores(context)) as stream:
            _at_the_end_of(context, stream.close)
            yield pb.ScoreStreamResponse(metric_versions=map(str, stream.versions))
            answered_count = 0
            async for outcomes in stream.scored(_rows(first, messages)):
                answered_count += len(outcomes)
                if len(names) * len(outcomes) <= QUICK_OUTCOMES:
                    yield _response(outcomes, answered_count)
                else:
                    yield await asyncio.to_thread(_response, outcomes, answered_count)


def _at_the_end_of(context: Any, close: Any) -> None:
    """Close a stream as soon as its call has ended: a handler that waits to write hears of it late."""
    closing: list[asyncio.Task[None]] = []  # a loop holds its tasks weakly
    context.add_done_callback(lambda _: closing.append(asyncio.ensure_future(close())))


async def _first(messages: AsyncIterator[pb.ScoreStreamRequest]) -> pb.ScoreStreamRequest:
    async for message in messages:
        if message.metric_versions or message.instances:
            return message
    rule = "must be set in the first message"
    raise InvalidRequestError("The stream has no message.", violations=[Violation("metric_versions", rule)])


async def _rows(
    first: pb.ScoreStreamRequest, messages: AsyncIterator[pb.ScoreStreamRequest]
) -> AsyncGenerator[list[Row], None]:
    yield _rows_of(first)
    async for message in messages:
        if message.metric_versions:
            rule = "must be set in the first message only"
            raise InvalidRequestError(
                f"The stream's metric_versions {rule}.", violations=[Violation("metric_versions", rule)]
            )
        yield _rows_of(message)


def _rows_of(message: pb.ScoreStreamRequest) -> list[Row]:
    return [Row(functools.partial(read_instance, one), one.ByteSize()) for one in message.instances]


def _response(outcomes: Outcomes, answered_count: int) -> pb.ScoreStreamResponse:
    results = [pb.InstanceResult(outcomes=[outcome_of(outcome) for outcome in row]) for row in outcomes]
    return pb.ScoreStreamResponse(results=results, answered_count=answered_count)
