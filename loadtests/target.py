"""A scorer as the target of a load, as cheap for the sender's processor as gRPC allows.

Requests are bytes before the run starts. Responses stay bytes; those that are kept are
read after the run.
"""

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gnomon import shorthand
from gnomon._security import security_of
from gnomon.convert import instance_to_proto
from gnomon.instances import Instance
from gnomon.v1 import scorer_service_pb2 as pb

SCORE = "/gnomon.v1.ScorerService/Score"
CALLER_HEADER = "x-gnomon-caller"
PUSHBACK = "grpc-retry-pushback-ms"


def score_requests(
    metrics: str | Sequence[str], instances: Iterable[Instance], *, lane: str = "", per_request: int = 1
) -> list[bytes]:
    """Return serialised `ScoreRequest`s of `per_request` instances each; the last may have fewer.

    `metrics` as a user writes them (`toxicity`, `toxicity@3`); `lane`: guardrail, online, bulk or
    none.

    Raises:
        InvalidRequestError: a metric's name is malformed.
    """
    names = [shorthand.metric_version(one) for one in ([metrics] if isinstance(metrics, str) else metrics)]
    head = pb.ScoreRequest(metric_versions=names, lane=lane.upper() or None)
    rows = iter(instances)
    requests = []
    while rest := list(itertools.islice(rows, per_request)):
        request = pb.ScoreRequest(instances=map(instance_to_proto, rest))
        request.MergeFrom(head)
        requests.append(request.SerializeToString())
    return requests


class GrpcTarget:
    """Sends serialised requests in turn. Enter it in the event loop that it is used in.

    `deadline_s` is the time of one call. `keep_responses` keeps the bytes of the answer to
    call `i` in `responses[i]`.
    """

    def __init__(
        self,
        address: str,
        requests: Sequence[bytes],
        *,
        deadline_s: float | None = None,
        caller: str = "",
        channels: int = 1,
        keep_responses: bool = False,
    ) -> None:
        self.responses: dict[int, bytes] = {}
        self._address = address
        self._requests = requests
        self._deadline_s = deadline_s
        self._security = security_of()  # GNOMON_API_KEY, GNOMON_CA_FILE and so on, as for every client
        self._metadata = (*self._security.metadata, *([(CALLER_HEADER, caller)] if caller else ()))
        self._channel_count = channels
        self._channels: list[grpc.aio.Channel] = []
        self._calls: list[Any] = []
        self._keep = keep_responses

    async def __aenter__(self) -> Self:
        options = [
            ("grpc.use_local_subchannel_pool", 1),  # connections of its own
            ("grpc.max_receive_message_length", -1),
            ("grpc.enable_retries", 0),  # one arrival is one attempt
        ]
        for _ in range(self._channel_count):
            channel = self._security.channel(grpc.aio, self._address, options)
            self._channels.append(channel)
            self._calls.append(channel.unary_unary(SCORE))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels:
            await channel.close()
        self._channels.clear()
        self._calls.clear()

    async def connect(self, timeout_s: float = 10.0) -> None:
        """Open the connections before the run.

        Raises:
            TimeoutError: nobody accepts connections at the address.
        """
        async with asyncio.timeout(timeout_s):
            for channel in self._channels:
                await channel.channel_ready()

    async def send(self, i: int) -> tuple[str, float | None]:
        """Make call `i`; return its status and when a refusal said to come back, in seconds."""
        call = self._calls[i % len(self._calls)]
        request = self._requests[i % len(self._requests)]
        try:
            response = await call(request, timeout=self._deadline_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return error.code().name, _retry_after_s(error.trailing_metadata())
        if self._keep:
            self.responses[i] = response
        return "OK", None


def _retry_after_s(trailers: Any) -> float | None:
    for key, value in trailers or ():
        if key == PUSHBACK:
            return float(value) / 1e3
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            retry = error_details_pb2.RetryInfo()
            if any(detail.Unpack(retry) for detail in status.details):
                return float(retry.retry_delay.ToNanoseconds() / 1e9)
    return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one response says. `code` is that of its first instance that was not scored, or "OK"."""

    code: str
    token_count: int  # read by all evaluators of the request together
    tokenization_ms: float
    queue_ms: float
    inference_ms: float


def read_answer(response: bytes) -> Answer:
    """Read a serialised `ScoreResponse`."""
    message = pb.ScoreResponse.FromString(response)
    outcomes = [outcome for result in message.results for outcome in result.outcomes]
    code = next((one.error.code for one in outcomes if one.HasField("error")), 0)
    timing = message.timing
    return Answer(
        code=code_pb2.Code.Name(code),
        token_count=sum(one.score.token_count for one in outcomes),
        tokenization_ms=timing.tokenization_duration.ToNanoseconds() / 1e6,
        queue_ms=timing.queue_duration.ToNanoseconds() / 1e6,
        inference_ms=timing.inference_duration.ToNanoseconds() / 1e6,
    )
