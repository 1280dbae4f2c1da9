import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gnomon.errors import InvalidRequestError
from gnomon.instances import text_span
from gnomon.v1 import scorer_service_pb2 as pb
from loadtests.open_loop import GrpcTarget, Sample, arrivals, run, score_requests, summary
from loadtests.target import read_answer


async def test_a_stall_counts_for_every_call_that_was_meant_to_leave_meanwhile() -> None:
    """One at a time, and the tenth call takes half a second: a closed loop would see one slow call."""
    server = asyncio.Lock()

    async def send(i: int) -> tuple[str, float | None]:
        async with server:
            await asyncio.sleep(0.5 if i == 10 else 0.0)
        return "OK", None

    samples = await run(send, arrivals(100, 1.0, 0, "constant"))
    stalled = [one for one in samples if 0.1 <= one.intended_s < 0.5]
    assert len(stalled) == 40
    for one in stalled:
        assert one.latency_ms >= (0.6 - one.intended_s) * 1e3 - 5
    assert (summary(samples)["p95_ms"] or 0) > 400


async def test_a_blocked_generator_is_counted_as_latency_and_as_its_own_lag() -> None:
    async def send(i: int) -> tuple[str, float | None]:
        if i == 0:
            time.sleep(0.2)  # noqa: ASYNC251  it is to block the loop
        return "OK", None

    samples = await run(send, [0.0, 0.05])
    assert samples[1].lag_ms > 100
    assert samples[1].latency_ms >= samples[1].lag_ms
    assert (summary(samples)["lag_p99_ms"] or 0) > 100


async def test_calls_do_not_wait_for_earlier_ones_and_samples_keep_their_order() -> None:
    last_sent = asyncio.Event()

    async def send(i: int) -> tuple[str, float | None]:
        if i == 2:
            last_sent.set()
        await last_sent.wait()
        return ("OK", None) if i else ("RESOURCE_EXHAUSTED", 0.25)

    async with asyncio.timeout(5):
        samples = await run(send, [0.0, 0.01, 0.05], lane="bulk")
    assert [one.intended_s for one in samples] == [0.0, 0.01, 0.05]
    assert [one.code for one in samples] == ["RESOURCE_EXHAUSTED", "OK", "OK"]
    assert samples[0].retry_after_s == 0.25
    assert {one.lane for one in samples} == {"bulk"}
    assert all(one.intended_s <= one.sent_s <= one.done_s for one in samples)


async def test_an_error_of_the_sender_ends_the_run_at_once() -> None:
    async def send(i: int) -> tuple[str, float | None]:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await run(send, [0.0, 60.0])
    assert caught.group_contains(ZeroDivisionError)


async def test_a_cancelled_run_leaves_no_thread_behind() -> None:
    async def send(i: int) -> tuple[str, float | None]:
        return "OK", None

    task = asyncio.create_task(run(send, [0.0, 60.0]))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [one for one in threading.enumerate() if one.name == "arrivals"]


async def test_nothing_to_send_is_no_error() -> None:
    async def send(i: int) -> tuple[str, float | None]:
        raise AssertionError

    assert await run(send, []) == []


class Stub:
    """Answers as a test says, and remembers what it was sent."""

    def __init__(self) -> None:
        self.requests: list[pb.ScoreRequest] = []
        self.metadata: list[dict[str, Any]] = []
        self.refuse_with: tuple[tuple[str, Any], ...] | None = None
        self.delay_s = 0.0

    async def score(self, request: bytes, context: Any) -> bytes:
        self.requests.append(pb.ScoreRequest.FromString(request))
        self.metadata.append(dict(context.invocation_metadata()))
        await asyncio.sleep(self.delay_s)
        if self.refuse_with is not None:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "", self.refuse_with)
        response = pb.ScoreResponse()
        response.results.add().outcomes.add().score.token_count = 7
        response.timing.queue_duration.FromMilliseconds(3)
        return response.SerializeToString()


@pytest.fixture
async def stub() -> AsyncIterator[tuple[Stub, str]]:
    made = Stub()
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(made.score)
    handler = grpc.method_handlers_generic_handler("gnomon.v1.ScorerService", {"Score": method})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield made, f"127.0.0.1:{port}"
    await server.stop(None)


REQUESTS = score_requests("toxicity@3", [text_span(output=f"{n}") for n in range(3)], lane="guardrail")


async def test_a_target_sends_its_requests_in_turn_with_lane_and_caller(stub: tuple[Stub, str]) -> None:
    made, address = stub
    async with GrpcTarget(address, REQUESTS, deadline_s=5, caller="shop", channels=2) as target:
        await target.connect()
        samples = await run(target.send, [0.0, 0.05, 0.1, 0.15])
    assert [one.code for one in samples] == ["OK"] * 4
    sent = [one.instances[0].span.output[0].content for one in made.requests]
    assert sent == ["0", "1", "2", "0"]
    assert {one.lane for one in made.requests} == {pb.Lane.GUARDRAIL}
    assert {tuple(one.metric_versions) for one in made.requests} == {("metrics/toxicity/versions/3",)}
    assert {one["x-gnomon-caller"] for one in made.metadata} == {"shop"}
    assert target.responses == {}


async def test_a_target_keeps_responses_when_asked(stub: tuple[Stub, str]) -> None:
    async with GrpcTarget(stub[1], REQUESTS, keep_responses=True) as target:
        assert await target.send(5) == ("OK", None)
        answer = read_answer(target.responses[5])
    assert (answer.code, answer.token_count, answer.queue_ms) == ("OK", 7, 3.0)


def _retry_info(seconds: float) -> bytes:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(round(seconds * 1e3))
    status = status_pb2.Status(code=8)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="SCORER_OVERLOADED"))
    status.details.add().Pack(retry)
    return status.SerializeToString()


@pytest.mark.parametrize(
    ("trailers", "retry_after_s"),
    [
        ((("grpc-retry-pushback-ms", "250"),), 0.25),
        ((("grpc-status-details-bin", _retry_info(0.5)),), 0.5),
        ((), None),
    ],
)
async def test_a_refusal_says_when_to_come_back(
    stub: tuple[Stub, str], trailers: tuple[tuple[str, Any], ...], retry_after_s: float | None
) -> None:
    stub[0].refuse_with = trailers
    async with GrpcTarget(stub[1], REQUESTS) as target:
        assert await target.send(0) == ("RESOURCE_EXHAUSTED", retry_after_s)
    assert len(stub[0].requests) == 1  # not tried again


async def test_a_call_past_its_deadline_is_a_code_and_no_exception(stub: tuple[Stub, str]) -> None:
    stub[0].delay_s = 1.0
    async with GrpcTarget(stub[1], REQUESTS, deadline_s=0.05) as target:
        assert await target.send(0) == ("DEADLINE_EXCEEDED", None)


async def test_connecting_where_nobody_listens_times_out() -> None:
    async with GrpcTarget("127.0.0.1:1", REQUESTS) as target:
        with pytest.raises(TimeoutError):
            await target.connect(timeout_s=0.2)


def test_several_instances_go_into_one_request() -> None:
    requests = score_requests(["a", "b@2"], [text_span(output=f"{n}") for n in range(5)], per_request=2)
    assert [len(pb.ScoreRequest.FromString(one).instances) for one in requests] == [2, 2, 1]


def test_a_malformed_metric_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRequestError):
        score_requests("no such name!", [text_span(output="a")])


def test_a_sample_tells_its_latency_from_the_intended_time() -> None:
    sample = Sample(1.0, 1.2, 1.5, "OK", "", None)
    assert (sample.latency_ms, round(sample.lag_ms)) == (500.0, 200)
