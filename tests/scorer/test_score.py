"""`Score` over the wire: what is asked, what is answered, who is refused."""

import asyncio
import math

import grpc
import pytest

from gnomon import Message, Session, Span, Trace
from gnomon.bundle import AbstainBand, Calibration
from gnomon.convert import instance_to_proto
from gnomon.errors import (
    DeadlineExceededError,
    InstanceInvalidError,
    InvalidRequestError,
    NotFoundError,
)
from gnomon.instances import InputShape, SpanKind, Step, text_span
from gnomon.v1 import resources_pb2
from gnomon.v1 import scorer_service_pb2 as pb
from tests.scorer.evaluators import make_bundle
from tests.scorer.fakes import until
from tests.scorer.serving import error_of, logits_of, number_of


async def test_an_alias_scores_with_its_version_and_the_answer_carries_the_number(caller):
    response = await caller.score("toxicity/production", "the movie is good", "awful")

    scores = [result.outcomes[0].score for result in response.results]
    assert [score.metric_version for score in scores] == ["metrics/toxicity/versions/1"] * 2
    assert [[c.label for c in score.classes] for score in scores] == [["false", "true"]] * 2
    for score in scores:
        assert sum(c.probability for c in score.classes) == pytest.approx(1.0, abs=1e-6)
        assert score.flagged == (score.classes[1].probability >= score.threshold)
        assert score.label == ("true" if score.flagged else "false")
    assert [score.token_count for score in scores] == [6, 3]
    assert not any(score.truncated for score in scores)
    assert response.timing.inference_duration.ToNanoseconds() > 0
    assert response.timing.tokenization_duration.ToNanoseconds() > 0


async def test_a_score_is_calibrated_a_class_and_abstains_in_the_band_of_its_bundle(caller, registry):
    vector = Calibration(2.0, "vector", 9, (1.0, 0.5), (0.25, -0.25))
    registry.register("toxicity/3", make_bundle(calibration=vector, abstain_band=AbstainBand(0.0, 1.0)))

    with_band = (await caller.score("toxicity/3", "good")).results[0].outcomes[0].score
    without = (await caller.score("toxicity/1", "good")).results[0].outcomes[0].score

    assert with_band.abstained
    assert not without.abstained
    low, high = (entry.logit for entry in with_band.classes)
    odds = (high / 2 * 0.5 - 0.25) - (low / 2 + 0.25)
    assert with_band.classes[1].probability == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-6)


async def test_a_pinned_version_is_loaded_when_it_is_asked_for(caller):
    assert set(await caller.loaded()) == {"toxicity/1"}

    response = await caller.score("toxicity/2", "good")

    assert number_of(response.results[0].outcomes[0]) == 2
    assert (await caller.loaded())["toxicity/2"].state == pb.LoadedVersion.READY


async def test_several_metrics_are_answered_in_the_order_of_the_request(caller, registry):
    registry.register("tone/1", make_bundle(metric="tone", classes=("warm", "cold", "flat"), seed=3))
    registry.set_alias("tone/production", "tone/1")

    response = await caller.score(["tone/production", "toxicity/1", "toxicity/production"], "good", "bad")

    names = [[o.score.metric_version for o in result.outcomes] for result in response.results]
    assert (
        names
        == [["metrics/tone/versions/1", "metrics/toxicity/versions/1", "metrics/toxicity/versions/1"]] * 2
    )
    assert response.results[0].outcomes[1] == response.results[0].outcomes[2]
    tone = response.results[0].outcomes[0].score
    assert tone.label == max(tone.classes, key=lambda c: c.probability).label


async def test_an_unknown_metric_among_others_is_an_error_of_its_own_items(caller):
    response = await caller.score(["nothing/production", "toxicity/1"], "good", "bad")

    for result in response.results:
        assert isinstance(error_of(result.outcomes[0]), NotFoundError)
        assert number_of(result.outcomes[1]) == 1


@pytest.mark.parametrize("name", ["nothing/production", "toxicity/9", "toxicity/shadow"])
async def test_a_call_of_unknown_names_alone_is_not_found(caller, name):
    with pytest.raises(NotFoundError, match=name.rpartition("/")[2]):
        await caller.score(name, "good")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "toxicity",
        "metrics/toxicity",
        "metrics/../versions/1",
        "metrics/a\0b/versions/1",
        "metrics/x/versions/0",
    ],
)
async def test_a_malformed_name_is_refused_with_its_place(caller, name):
    request = pb.ScoreRequest(
        metric_versions=["metrics/toxicity/versions/1", name],
        instances=[instance_to_proto(text_span(output="good"))],
    )

    with pytest.raises(InvalidRequestError) as refusal:
        await caller.call(caller.stub.Score, request)

    assert refusal.value.violations[0].field == "metric_versions[1]"


@pytest.mark.parametrize(("names", "texts"), [(0, 1), (17, 1), (1, 0), (1, 257)])
async def test_too_few_or_too_many_are_refused(caller, names, texts):
    with pytest.raises(InvalidRequestError):
        await caller.score(["toxicity/1"] * names, *["good"] * texts)


async def test_a_full_request_is_scored(caller):
    response = await caller.score(["toxicity/1", "toxicity/2"] * 8, *["good movie"] * 256)

    assert len(response.results) == 256
    assert {len(result.outcomes) for result in response.results} == {16}


BROKEN = {
    "nothing": resources_pb2.Instance(),
    "no output": instance_to_proto(text_span(input="good")),
    "empty": instance_to_proto(text_span(output="")),
    "white space": instance_to_proto(text_span(output=" \n\t ")),
    "a trace": instance_to_proto(Trace((text_span(output="good"),))),
    "a trace without spans": resources_pb2.Instance(trace=resources_pb2.Trace()),
    "a tool's span": instance_to_proto(text_span(output="good", kind=SpanKind.TOOL)),
    "a tool call without tool": resources_pb2.Instance(
        span=resources_pb2.Span(
            output=[resources_pb2.Message(content="good", tool_calls=[resources_pb2.ToolCall(id="1")])]
        )
    ),
    "an unknown kind": resources_pb2.Instance(
        span=resources_pb2.Span(kind=77, output=[resources_pb2.Message(content="good")])
    ),
}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("what", BROKEN)
async def test_an_instance_that_cannot_be_read_fails_alone(caller, what, place):
    instances = ["the movie is good", "awful"]
    instances.insert(place, BROKEN[what])

    response = await caller.score("toxicity/1", *instances)

    for index, result in enumerate(response.results):
        if index == place:
            assert isinstance(error_of(result.outcomes[0]), InstanceInvalidError)
        else:
            assert number_of(result.outcomes[0]) == 1


@pytest.mark.parametrize("text", ["🙂🙂", "\x01\x02", "\u200b", "e\u0301", "日本語", "a" * 500, "\ufffd"])
async def test_odd_texts_are_scored(caller, text):
    response = await caller.score("toxicity/1", text)

    assert response.results[0].outcomes[0].score.token_count >= 2


async def test_a_long_instance_is_cut_and_that_is_told(caller):
    response = await caller.score("toxicity/1", "good " * 500, "good " * 30)

    first, second = (result.outcomes[0].score for result in response.results)
    assert (first.token_count, first.truncated) == (32, True)
    assert (second.token_count, second.truncated) == (32, False)
    assert logits_of(response.results[0].outcomes[0]) == logits_of(response.results[1].outcomes[0])


async def test_traces_and_sessions_are_scored_by_metrics_of_that_step(caller, registry):
    for metric, step, shape in (
        ("goal", Step.TRACE, InputShape.WHOLE_TRACE),
        ("mood", Step.SESSION, InputShape.WHOLE_SESSION),
    ):
        registry.register(f"{metric}/1", make_bundle(metric=metric, step=step, input_shape=shape, seed=5))
    trace = Trace(
        (
            Span(input=(Message("the movie", "user"),), output=(Message("is good", "assistant"),)),
            Span(input=(Message("very", "user"),), kind=SpanKind.TOOL),
        )
    )
    session = Session((trace, trace))

    response = await caller.score(
        ["goal/1", "mood/1"], instance_to_proto(trace), instance_to_proto(session), "good"
    )

    kinds = [[o.WhichOneof("outcome") for o in result.outcomes] for result in response.results]
    # A trace is a session of one trace; a session of two is no trace.
    assert kinds == [["score", "score"], ["error", "score"], ["error", "error"]]


async def test_a_pair_is_read_as_a_pair(caller, registry):
    registry.register("relevance/1", make_bundle(metric="relevance", input_shape=InputShape.INPUT_OUTPUT))
    pair = instance_to_proto(text_span(input="the movie", output="is good"))

    response = await caller.score("relevance/1", pair)

    assert response.results[0].outcomes[0].score.token_count == 7


@pytest.mark.parametrize("timeout_s", [0.0, 1e-9])
async def test_a_deadline_already_past_ends_the_call(caller, timeout_s):
    with pytest.raises((DeadlineExceededError, grpc.aio.AioRpcError)) as refusal:
        await caller.score("toxicity/1", "good", timeout_s=timeout_s)

    if isinstance(refusal.value, grpc.aio.AioRpcError):  # the client's own gRPC was faster
        assert refusal.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_message_over_the_limit_is_refused_and_the_next_call_is_served(caller):
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await caller.score("toxicity/1", "good " * 4_000_000)

    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert number_of((await caller.score("toxicity/1", "good")).results[0].outcomes[0]) == 1


async def test_the_versions_in_memory_are_listed_in_pages(caller):
    await caller.score("toxicity/2", "good")

    first = await caller.stub.ListLoadedVersions(pb.ListLoadedVersionsRequest(page_size=1))
    second = await caller.stub.ListLoadedVersions(
        pb.ListLoadedVersionsRequest(page_size=1, page_token=first.next_page_token)
    )

    listed = [*first.loaded_versions, *second.loaded_versions]
    assert [one.metric_version for one in listed] == [
        "metrics/toxicity/versions/1",
        "metrics/toxicity/versions/2",
    ]
    assert {one.format for one in listed} == {"onnx-fp32"}
    assert all(one.memory_bytes > 0 and one.state == pb.LoadedVersion.READY for one in listed)
    assert not second.next_page_token
    with pytest.raises(InvalidRequestError):
        await caller.call(caller.stub.ListLoadedVersions, pb.ListLoadedVersionsRequest(page_token="x"))


async def test_health_tells_of_the_service_and_of_each_version(caller, registry):
    assert await caller.is_healthy("")
    assert await caller.is_healthy("metrics/toxicity/versions/1")
    assert not await caller.is_healthy("metrics/toxicity/versions/2")

    registry.set_alias("toxicity/shadow", "toxicity/2")

    await caller.until_healthy("metrics/toxicity/versions/2")


async def test_nothing_stays_queued_or_held_after_the_calls(caller):
    await asyncio.gather(*(caller.score("toxicity/production", "good") for _ in range(50)))

    await until(lambda: caller.app.scheduler.queued_tokens == 0)
