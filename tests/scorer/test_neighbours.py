"""Whatever one caller does, the others in the same batch get the scores they get alone."""

import asyncio
import threading

import grpc
import pytest

from gnomon.convert import instance_to_proto
from gnomon.errors import EvaluatorFailedError, InstanceInvalidError, OverloadedError
from gnomon.instances import InputShape, text_span
from gnomon.v1 import resources_pb2
from gnomon.v1 import scorer_service_pb2 as pb
from tests.scorer.evaluators import WORDS, make_bundle
from tests.scorer.fakes import Gate, until
from tests.scorer.serving import HeldRuntime, error_of, logits_of, scoring

TEXTS = ["the movie is good", "the movie is bad", "a movie is awful", "the very fine movie"]


@pytest.fixture
def runtime():
    return HeldRuntime()


@pytest.fixture
async def held(registry, tmp_path, runtime):
    """A ready scorer with one lane, which a test can hold."""
    async with scoring(registry, tmp_path / "cache", runtime) as one:
        await one.until_healthy()
        yield one


async def alone(caller, text):
    return logits_of((await caller.score("toxicity/1", text)).results[0].outcomes[0])


async def together(caller, runtime, *calls):
    """Make the calls wait for the one lane, so that they share a batch; return their results."""
    gate = Gate()
    runtime.hold = gate
    first = asyncio.create_task(caller.score("toxicity/1", "good"))
    await until(gate.entered.is_set)
    tasks = []
    for call in calls:
        before = caller.app.scheduler.queued_tokens
        tasks.append(asyncio.create_task(call()))
        await until(lambda before=before: caller.app.scheduler.queued_tokens > before)
    return gate, first, tasks


async def test_scores_do_not_depend_on_who_else_is_in_the_batch(held, runtime):
    want = [await alone(held, text) for text in TEXTS]

    gate, first, tasks = await together(
        held, runtime, *(lambda text=text: held.score("toxicity/1", text) for text in TEXTS)
    )
    gate.open()
    got = [logits_of((await task).results[0].outcomes[0]) for task in tasks]
    await first

    assert max(runtime.batches) == len(TEXTS)
    assert got == [pytest.approx(row, abs=1e-6) for row in want]


@pytest.mark.parametrize("place", [0, 2, 4])
async def test_a_caller_who_leaves_changes_nothing_and_is_not_run(held, runtime, place):
    want = [await alone(held, text) for text in TEXTS]
    texts = TEXTS.copy()
    texts.insert(place, "very very very good")
    gate, first, tasks = await together(
        held, runtime, *(lambda text=text: held.score("toxicity/1", text) for text in texts)
    )

    leaver = tasks.pop(place)
    leaver.cancel()
    queued = sum(len(text.split()) + 2 for text in TEXTS)
    await until(lambda: held.app.scheduler.queued_tokens == queued)
    gate.open()
    got = [logits_of((await task).results[0].outcomes[0]) for task in tasks]
    await first

    assert got == [pytest.approx(row, abs=1e-6) for row in want]
    assert max(runtime.batches) == len(TEXTS)
    with pytest.raises(asyncio.CancelledError):
        await leaver


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("poison", ["the nanword is good", "the crash is good"])
async def test_what_makes_nan_or_breaks_the_batch_fails_alone(held, runtime, poison, place):
    want = [await alone(held, text) for text in TEXTS]
    texts = TEXTS.copy()
    texts.insert(place, poison)

    gate, first, tasks = await together(
        held, runtime, *(lambda text=text: held.score("toxicity/1", text) for text in texts)
    )
    gate.open()
    outcomes = [(await task).results[0].outcomes[0] for task in tasks]
    await first

    assert isinstance(error_of(outcomes.pop(place)), EvaluatorFailedError)
    assert [logits_of(outcome) for outcome in outcomes] == [pytest.approx(row, abs=1e-6) for row in want]
    assert await held.is_healthy("metrics/toxicity/versions/1")


@pytest.mark.parametrize("place", [0, 2, 4])
async def test_the_same_holds_within_one_request(held, place):
    want = [await alone(held, text) for text in TEXTS]
    texts = TEXTS.copy()
    texts.insert(place, "the crash is good")

    outcomes = [result.outcomes[0] for result in (await held.score("toxicity/1", *texts)).results]

    assert isinstance(error_of(outcomes.pop(place)), EvaluatorFailedError)
    assert [logits_of(outcome) for outcome in outcomes] == [pytest.approx(row, abs=1e-6) for row in want]


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("long", ["good " * 200_000, "x" * 1_000_000, "good " * 40])
async def test_a_text_that_is_too_long_changes_nothing_for_the_others(held, long, place):
    want = [await alone(held, text) for text in TEXTS]
    texts = TEXTS.copy()
    texts.insert(place, long)

    outcomes = [result.outcomes[0] for result in (await held.score("toxicity/1", *texts)).results]

    assert outcomes.pop(place).WhichOneof("outcome") == "score"
    assert [logits_of(outcome) for outcome in outcomes] == [pytest.approx(row, abs=1e-6) for row in want]


async def test_callers_are_served_while_a_megabyte_is_being_tokenized(caller, registry):
    registry.register("relevance/1", make_bundle(metric="relevance", input_shape=InputShape.INPUT_OUTPUT))
    text = "good movie " * 90_000
    huge = instance_to_proto(text_span(input=text, output=text))
    await caller.score(["relevance/1", "toxicity/1"], "good")

    big = asyncio.create_task(caller.score("relevance/1", huge))
    small = [await caller.score("toxicity/1", "good") for _ in range(20)]

    assert len({tuple(logits_of(one.results[0].outcomes[0])) for one in small}) == 1
    assert (await big).results[0].outcomes[0].score.truncated


async def test_garbage_on_the_wire_is_refused_and_others_are_served(held):
    channel = grpc.aio.insecure_channel(held.app.server.address)
    garbage = channel.unary_unary("/gnomon.v1.ScorerService/Score")
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await garbage(b"\xff\xff\xff not a message", timeout=5.0)

    empty = pb.ScoreRequest(
        metric_versions=["metrics/toxicity/versions/1"], instances=[resources_pb2.Instance()]
    )
    response = await held.call(held.stub.Score, empty)
    assert isinstance(error_of(response.results[0].outcomes[0]), InstanceInvalidError)
    await alone(held, "good")


async def test_a_full_queue_refuses_with_a_time_to_come_back_and_then_serves_again(
    registry, tmp_path, runtime
):
    async with scoring(registry, tmp_path / "cache", runtime, max_queued_tokens=20) as held:
        await held.until_healthy()
        gate, first, tasks = await together(held, runtime, lambda: held.score("toxicity/1", "good " * 16))

        with pytest.raises(OverloadedError) as refusal:
            await held.score("toxicity/1", "good")
        gate.open()
        await asyncio.gather(first, *tasks)

        assert refusal.value.retry_after_s > 0
        await alone(held, "good")


async def test_a_version_that_stops_working_is_not_healthy_until_it_is_loaded_anew(held, runtime):
    broken = threading.Event()

    def hold(batch):
        if broken.is_set():
            raise RuntimeError("the device is gone")

    runtime.hold = hold
    want = await alone(held, "good")
    broken.set()
    errors = (await asyncio.gather(held.score("toxicity/1", "good"), return_exceptions=True))[0]

    outcome = errors.results[0].outcomes[0]
    assert error_of(outcome).reason == "VERSION_UNLOADABLE"
    assert error_of(outcome).retry_after_s > 0
    assert not await held.is_healthy("metrics/toxicity/versions/1")
    assert (await held.loaded())["toxicity/1"].state == pb.LoadedVersion.FAILED
    broken.clear()
    await held.until_healthy("metrics/toxicity/versions/1")
    assert await alone(held, "good") == want


async def test_many_callers_at_once_get_what_they_get_alone(caller):
    texts = [" ".join([WORDS[i % 8], WORDS[(i * 3) % 8], "movie"] * (1 + i % 7)) for i in range(40)]
    want = [await alone(caller, text) for text in texts]

    got = await asyncio.gather(*(alone(caller, text) for text in texts * 5))

    assert got == [pytest.approx(row, abs=1e-6) for row in want * 5]
