"""Streams of rows, over the real wire."""

import asyncio
import contextlib

import grpc
import pytest
from grpc_status import rpc_status

from gnomon.convert import instance_to_proto
from gnomon.errors import (
    EvaluatorFailedError,
    InstanceInvalidError,
    InvalidRequestError,
    NotFoundError,
    ServiceUnavailableError,
    VersionUnloadableError,
)
from gnomon.instances import text_span
from gnomon.status import from_status
from gnomon.v1 import resources_pb2
from gnomon.v1 import scorer_service_pb2 as pb
from gnomon_scorer.domain.streaming import Ahead
from tests.scorer.evaluators import WORDS
from tests.scorer.fakes import Gate, until
from tests.scorer.serving import HeldRuntime, error_of, logits_of, number_of, scoring

TEXTS = [" ".join([WORDS[i % 8], WORDS[(i * 3) % 8], "movie"] * (1 + i % 7)) for i in range(300)]


LITTLE = Ahead(rows_to_score=128, unanswered_rows=512)

BIG_RESULTS = ["toxicity/1"] * 16


def version(name):
    metric, _, number = name.partition("/")
    return f"metrics/{metric}/versions/{number}"


def message(*texts, versions=()):
    instances = [instance_to_proto(text_span(output=t)) if isinstance(t, str) else t for t in texts]
    return pb.ScoreStreamRequest(metric_versions=map(version, versions), instances=instances)


class Stream:
    """One stream as its caller sees it."""

    def __init__(self, caller):
        self.call = caller.stub.ScoreStream()

    async def send(self, *texts, versions=()):
        await self.call.write(message(*texts, versions=versions))

    async def read(self):
        """Return the next response, or None at the end."""
        try:
            async with asyncio.timeout(20):
                response = await self.call.read()
        except grpc.aio.AioRpcError as error:
            raise from_status(rpc_status.from_call(error)) from error
        return None if response is grpc.aio.EOF else response

    async def rest(self):
        """Return the results of all responses until the end."""
        results = []
        while (response := await self.read()) is not None:
            results += response.results
            assert not response.metric_versions
        return results


async def streamed(caller, names, texts, rows=64):
    stream = Stream(caller)
    await stream.send(versions=names)
    first = await stream.read()

    async def send():
        for start in range(0, len(texts), rows):
            await stream.send(*texts[start : start + rows])
        await stream.call.done_writing()

    sending = asyncio.create_task(send())
    results = await stream.rest()
    await sending
    return list(first.metric_versions), results


@pytest.fixture
def runtime():
    return HeldRuntime()


@pytest.fixture
async def held(registry, tmp_path, runtime):
    """A ready scorer whose batches a test can hold."""
    async with scoring(registry, tmp_path / "cache", runtime) as one:
        await one.until_healthy()
        yield one


def tasks_of_streams():
    return [task for task in asyncio.all_tasks() if "a stream" in task.get_name()]


async def test_rows_come_back_in_their_order_with_the_scores_they_get_alone(caller):
    want = [logits_of((await caller.score("toxicity/1", text)).results[0].outcomes[0]) for text in TEXTS]

    numbers, results = await streamed(caller, ["toxicity/production"], TEXTS)

    assert numbers == ["metrics/toxicity/versions/1"]
    assert [logits_of(one.outcomes[0]) for one in results] == [pytest.approx(row, abs=1e-6) for row in want]
    assert not tasks_of_streams()


async def test_several_versions_and_the_count_of_answers(caller):
    stream = Stream(caller)
    await stream.send("good", "bad", versions=["toxicity/2", "toxicity/production"])
    first = await stream.read()
    await stream.call.done_writing()
    second = await stream.read()

    assert [*first.metric_versions] == ["metrics/toxicity/versions/2", "metrics/toxicity/versions/1"]
    assert (first.answered_count, list(first.results)) == (0, [])
    assert second.answered_count == 2
    assert [number_of(outcome) for outcome in second.results[1].outcomes] == [2, 1]
    assert await stream.read() is None


async def test_the_numbers_come_before_any_row_was_sent_and_an_empty_message_is_harmless(caller):
    stream = Stream(caller)
    await stream.send()
    await stream.send(versions=["toxicity/production"])
    assert [*(await stream.read()).metric_versions] == ["metrics/toxicity/versions/1"]
    await stream.send()
    await stream.send("good")
    await stream.call.done_writing()
    assert len(await stream.rest()) == 1


async def test_an_alias_that_moves_leaves_a_stream_with_its_version(caller, registry):
    stream = Stream(caller)
    await stream.send("good", versions=["toxicity/production"])
    await stream.read()
    registry.set_alias("toxicity/production", "toxicity/2")
    await caller.until_serving("toxicity/production", 2)
    registry.delete("toxicity/1")
    await until(lambda: "toxicity/1" not in {str(name) for name in caller.app.versions.slots()})

    for _ in range(5):
        await stream.send(*TEXTS[:50])
    await stream.call.done_writing()

    results = await stream.rest()
    assert [number_of(one.outcomes[0]) for one in results] == [1] * 251


async def test_a_row_that_cannot_be_scored_has_its_error_and_the_others_their_scores(caller):
    texts = ["good", resources_pb2.Instance(), "the crash is good", "bad", "the nanword"]

    _, results = await streamed(caller, ["toxicity/1"], texts)

    outcomes = [one.outcomes[0] for one in results]
    assert [o.WhichOneof("outcome") for o in outcomes] == ["score", "error", "error", "score", "error"]
    assert isinstance(error_of(outcomes[1]), InstanceInvalidError)
    assert isinstance(error_of(outcomes[2]), EvaluatorFailedError)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([], InvalidRequestError),
        ([message("good")], InvalidRequestError),
        ([message("good", versions=["toxicity/1"] * 17)], InvalidRequestError),
        ([pb.ScoreStreamRequest(metric_versions=["nonsense"])], InvalidRequestError),
        ([message(versions=["unknown/1"])], NotFoundError),
        ([message(versions=["toxicity/1", "toxicity/9"])], NotFoundError),
    ],
)
async def test_a_stream_that_begins_wrong_is_refused(caller, messages, error):
    stream = Stream(caller)
    for one in messages:
        await stream.call.write(one)
    await stream.call.done_writing()
    with pytest.raises(error):
        await stream.read()


@pytest.mark.parametrize("wrong", [message("good", versions=["toxicity/2"]), message(*["good"] * 257)])
async def test_a_wrong_message_ends_the_stream_after_the_rows_before_it(caller, wrong):
    stream = Stream(caller)
    await stream.send("good", versions=["toxicity/1"])
    await stream.read()
    with contextlib.suppress(asyncio.InvalidStateError):
        await stream.call.write(wrong)
    assert len((await stream.read()).results) == 1
    with pytest.raises(InvalidRequestError):
        await stream.read()


async def test_a_caller_who_leaves_ends_all_that_was_not_run(held, runtime):
    gate = runtime.hold = Gate()
    stream = Stream(held)
    await stream.send(*TEXTS[:200], versions=["toxicity/1"])
    await until(gate.entered.is_set)
    await until(lambda: held.app.scheduler.queued_tokens)
    stream.call.cancel()
    await until(lambda: not tasks_of_streams())
    assert held.app.scheduler.queued_tokens == 0
    ran = len(runtime.batches)
    gate.open()

    await held.score("toxicity/1", "good")
    assert len(runtime.batches) <= ran + 2  # what ran when the caller left, and this one


async def test_a_caller_who_leaves_without_reading_ends_all_as_well(caller):
    caller.app.streams.ahead = LITTLE
    stream = Stream(caller)
    await stream.send(versions=BIG_RESULTS)
    await stream.read()
    sending = asyncio.create_task(_send_for_ever(stream))
    await until(lambda: _open_stream(caller).unanswered_rows >= 512)
    stream.call.cancel()
    await until(lambda: not caller.app.streams.running)
    await until(lambda: not tasks_of_streams())
    (ended,) = await asyncio.gather(sending, return_exceptions=True)
    # Who was about to write then is told in one of these ways.
    assert isinstance(
        ended, asyncio.CancelledError | asyncio.InvalidStateError | grpc.RpcError | grpc.aio.UsageError
    )


async def test_a_slow_reader_is_not_read_ahead_of_without_end(caller):
    caller.app.streams.ahead = LITTLE
    stream = Stream(caller)
    await stream.send(versions=BIG_RESULTS)
    await stream.read()
    sent = []
    sending = asyncio.create_task(_send_for_ever(stream, sent))
    await until(lambda: _open_stream(caller).unanswered_rows >= 512)
    while True:  # the transport has buffers of its own; they are full soon
        before = len(sent)
        await asyncio.sleep(0.25)
        if len(sent) == before and _open_stream(caller).rows_to_score == 0:
            break
    assert 512 <= _open_stream(caller).unanswered_rows <= 512 + 256

    reading = asyncio.create_task(_read_for_ever(stream))
    await until(lambda: len(sent) > before)
    stream.call.cancel()
    await asyncio.gather(sending, reading, return_exceptions=True)


async def _read_for_ever(stream):
    while await stream.read():
        pass


async def _send_for_ever(stream, sent=None):
    while True:
        await stream.send(*["good movie " * 40] * 256)
        if sent is not None:
            sent.append(1)


def _open_stream(caller):
    return next(iter(caller.app.streams.running))


async def test_a_full_queue_makes_a_stream_wait_and_nobody_hears_of_it(registry, tmp_path):
    async with scoring(registry, tmp_path / "cache", max_queued_tokens=64) as caller:
        await caller.until_healthy()
        _, results = await streamed(caller, ["toxicity/1"], TEXTS)
    assert [one.outcomes[0].WhichOneof("outcome") for one in results] == ["score"] * len(TEXTS)


async def test_a_scorer_that_stops_ends_its_streams_so_that_they_can_go_on_elsewhere(held, runtime):
    stream = Stream(held)
    await stream.send("good", versions=["toxicity/1"])
    await stream.read()
    assert len((await stream.read()).results) == 1
    held.app.streams.stop()
    with pytest.raises(ServiceUnavailableError) as caught:
        await stream.read()
    assert caught.value.retry_after_s is not None
    other = Stream(held)
    await other.send(versions=["toxicity/1"])
    with pytest.raises(ServiceUnavailableError):
        await other.read()


async def test_a_version_that_breaks_ends_the_stream_where_it_is_and_can_be_used_again(held, runtime):
    broken = asyncio.Event()

    def hold(batch):
        if broken.is_set():
            raise RuntimeError("the device is gone")

    runtime.hold = hold
    stream = Stream(held)
    await stream.send("good", versions=["toxicity/1"])
    await stream.read()
    assert len((await stream.read()).results) == 1
    broken.set()
    await stream.send("bad")
    with pytest.raises(VersionUnloadableError) as caught:
        await stream.read()
    assert caught.value.retry_after_s is not None
    broken.clear()
    await held.until_healthy("metrics/toxicity/versions/1")
    assert len((await streamed(held, ["toxicity/1"], TEXTS[:5]))[1]) == 5
