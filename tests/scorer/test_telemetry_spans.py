"""What a scorer tells OpenTelemetry, over the real wire."""

import contextlib

import grpc
import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

from gnomon.convert import instance_to_proto
from gnomon.instances import text_span
from gnomon.v1 import scorer_service_pb2 as pb
from gnomon_rpc.telemetry import Telemetry
from gnomon_scorer.wiring import App
from tests.rpc.telemetry_collector import Memory, collecting
from tests.scorer.evaluators import make_bundle
from tests.scorer.fakes import until, version_name
from tests.scorer.serving import HeldRuntime, scoring

V1, V2 = "metrics/toxicity/versions/1", "metrics/toxicity/versions/2"
SCORE = "gnomon.v1.ScorerService/Score"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
CANARY = "canary7f3a"


@contextlib.asynccontextmanager
async def traced(registry, cache, memory, **settings):
    """Serve a scorer that tells its spans to a memory."""

    def app(settings, runtime):
        return App(settings, runtime, Telemetry("scorer", settings, memory.spans))

    async with scoring(registry, cache, HeldRuntime(), make_app=app, cache_bytes=0, **settings) as caller:
        await caller.until_healthy()
        yield caller


async def told(registry, tmp_path, versions, *texts, lane=pb.ONLINE, parent=SAMPLED):
    """Return all that is told of one call."""
    memory = Memory()
    async with traced(registry, tmp_path / "cache", memory) as caller:
        instances = [instance_to_proto(text_span(output=text)) for text in texts]
        request = pb.ScoreRequest(metric_versions=versions, instances=instances, lane=lane)
        await caller.stub.Score(request, metadata=[("traceparent", parent)], timeout=20)
    return memory


async def test_a_call_is_a_span_below_the_callers_with_what_took_its_time_below(registry, tmp_path):
    memory = await told(registry, tmp_path, [V1], "good movie", "bad")
    [call] = memory.named(SCORE)
    [tokenize] = memory.named("tokenize")
    [queue] = memory.named("queue")
    [inference] = memory.named("inference")

    assert call.kind is SpanKind.SERVER
    assert (f"{call.context.trace_id:032x}", f"{call.parent.span_id:016x}") == (TRACE, PARENT)
    assert {one.parent.span_id for one in (tokenize, queue, inference)} == {call.context.span_id}
    assert call.attributes["gnomon.lane"] == "online"
    assert call.attributes["gnomon.instances"] == 2
    assert call.attributes["gnomon.tokens"] == 4 + 3
    assert queue.attributes["gnomon.metric_version"] == V1
    assert inference.attributes["gnomon.metric_version"] == V1
    assert inference.attributes["gnomon.sequences"] == 2
    assert inference.attributes["gnomon.batch.sequences"] in {1, 2}
    assert inference.attributes["gnomon.format"] == "onnx-fp32"
    assert call.start_time <= tokenize.start_time <= tokenize.end_time <= queue.start_time
    assert queue.end_time == inference.start_time
    assert inference.start_time < inference.end_time <= call.end_time + 1_000_000


async def test_each_version_has_its_own_spans(registry, tmp_path):
    memory = await told(registry, tmp_path, [V1, V2], "good")

    assert {one.attributes["gnomon.metric_version"] for one in memory.named("inference")} == {V1, V2}
    assert len(memory.named("tokenize")) == 1


async def test_every_score_is_an_evaluation_event_of_the_call(registry, tmp_path):
    memory = Memory()
    registry.register("tone/1", make_bundle(metric="tone", classes=("calm", "angry", "sad"), seed=3))
    async with traced(registry, tmp_path / "cache", memory) as caller:
        response = await caller.score(["toxicity/1", "tone/1"], "good", "nanword", "bad movie")
    [call] = memory.named(SCORE)
    scores = [one.score for row in response.results for one in row.outcomes if one.HasField("score")]

    assert len(memory.events) == len(scores) == 4
    for event, score in zip(memory.events, scores, strict=True):
        attributes = dict(event.attributes)
        shares = {one.label: one.probability for one in score.classes}
        assert event.event_name == "gen_ai.evaluation.result"
        assert (event.trace_id, event.span_id) == (call.context.trace_id, call.context.span_id)
        assert attributes["gen_ai.evaluation.name"] == score.metric_version.split("/")[1]
        assert attributes["gen_ai.evaluation.score.label"] == score.label
        expected = shares["true"] if "true" in shares else shares[score.label]
        assert attributes["gen_ai.evaluation.score.value"] == pytest.approx(expected, abs=1e-6)
        assert attributes["gnomon.metric_version"] == score.metric_version
        assert attributes["gnomon.flagged"] == score.flagged


async def test_bulk_work_is_told_in_events_only(registry, tmp_path):
    memory = await told(registry, tmp_path, [V1], "good", lane=pb.BULK)

    assert len(memory.named(SCORE)) == 1
    assert len(memory.events) == 1
    assert memory.named("inference") == []


async def test_a_stream_of_rows_is_one_span_with_an_event_a_score(registry, tmp_path):
    memory = Memory()
    async with traced(registry, tmp_path / "cache", memory) as caller:
        call = caller.stub.ScoreStream(metadata=[("traceparent", SAMPLED)])
        instances = [instance_to_proto(text_span(output="good"))] * 70
        await call.write(pb.ScoreStreamRequest(metric_versions=[V1], instances=instances))
        await call.done_writing()
        answered = sum([len(response.results) async for response in call])
    [span] = memory.named("gnomon.v1.ScorerService/ScoreStream")

    assert answered == len(memory.events) == 70
    assert f"{span.parent.span_id:016x}" == PARENT
    assert {event.span_id for event in memory.events} == {span.context.span_id}
    assert memory.named("inference") == []


async def test_nothing_is_told_of_a_call_that_is_not_sampled(registry, tmp_path):
    memory = await told(registry, tmp_path, [V1], "good", parent=NOT_SAMPLED)

    assert memory.events == []
    assert TRACE not in memory.everything()


async def test_no_text_of_a_user_is_told(registry, tmp_path):
    memory = await told(registry, tmp_path, [V1], CANARY, f"nanword {CANARY}", f"crash {CANARY}")

    assert memory.named(SCORE)
    assert CANARY not in memory.everything()


async def test_a_real_collector_gets_spans_and_events(registry, tmp_path, monkeypatch):
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address}")
        async with scoring(registry, tmp_path / "cache", HeldRuntime()) as caller:
            await caller.until_healthy()
            await caller.score("toxicity/1", "good")

    assert {span.name for span in collector.spans()} >= {SCORE, "tokenize", "queue", "inference"}
    [record] = [
        one
        for request in collector.logs
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for one in scope.log_records
    ]
    assert record.event_name == "gen_ai.evaluation.result"


@pytest.mark.parametrize(
    ("setting", "header", "parent", "events"),
    [
        ("sampled", None, SAMPLED, 1), ("sampled", None, NOT_SAMPLED, 0), ("sampled", "on", NOT_SAMPLED, 1),
        ("sampled", "off", SAMPLED, 0), ("sampled", "nonsense", SAMPLED, 1), ("all", None, NOT_SAMPLED, 1),
        ("all", "off", SAMPLED, 0), ("none", None, SAMPLED, 0), ("none", "on", SAMPLED, 1),
    ],
)  # fmt: skip
async def test_scores_are_told_as_the_call_asks_else_as_the_settings_say(
    registry, tmp_path, setting, header, parent, events
):
    memory = Memory()
    metadata = [("traceparent", parent), *([("x-gnomon-evaluation-events", header)] if header else [])]
    async with traced(registry, tmp_path / "cache", memory, evaluation_events=setting) as caller:
        instances = [instance_to_proto(text_span(output="good"))]
        for lane in (pb.ONLINE, pb.BULK):
            request = pb.ScoreRequest(metric_versions=[V1], instances=instances, lane=lane)
            await caller.stub.Score(request, metadata=metadata, timeout=20)
        call = caller.stub.ScoreStream(metadata=metadata)
        await call.write(pb.ScoreStreamRequest(metric_versions=[V1], instances=instances))
        await call.done_writing()
        assert sum([len(response.results) async for response in call]) == 1

    assert len(memory.events) == 3 * events
    assert {f"{event.trace_id:032x}" for event in memory.events} <= {TRACE}
    assert bool(memory.named(SCORE)) == (parent == SAMPLED)


async def test_the_names_of_an_evaluation_are_those_of_the_conventions(registry, tmp_path):
    [event] = (await told(registry, tmp_path, [V1], "good")).events

    assert {name for name in event.attributes if name.startswith("gen_ai.")} == {
        gen_ai_attributes.GEN_AI_EVALUATION_NAME,
        gen_ai_attributes.GEN_AI_EVALUATION_SCORE_VALUE,
        gen_ai_attributes.GEN_AI_EVALUATION_SCORE_LABEL,
    }


async def test_a_version_that_a_call_asks_for_is_loaded_in_its_trace(registry, tmp_path):
    memory = Memory()
    async with traced(registry, tmp_path / "cache", memory) as caller:
        request = pb.ScoreRequest(
            metric_versions=[V1], instances=[instance_to_proto(text_span(output="good"))]
        )
        caller.app.versions.unload(version_name("toxicity/1"))
        caller.app.versions.unload(version_name("toxicity/2"))
        await caller.stub.Score(request, metadata=[("traceparent", SAMPLED)], timeout=20)
    [call] = memory.named(SCORE)
    loads = [one for one in memory.named("load") if one.context.trace_id == call.context.trace_id]

    assert [one.parent.span_id for one in loads] == [call.context.span_id]
    assert loads[0].attributes["gnomon.metric_version"] == V1


async def test_a_load_that_fails_is_an_error_and_its_retries_are_no_part_of_the_call(registry, tmp_path):
    memory = Memory()
    registry.register("toxicity/3", make_bundle(model=b"no model"))

    def loads():
        of_it = (one for one in memory.named("load") if one.attributes["gnomon.metric_version"].endswith("3"))
        return sorted(of_it, key=lambda one: one.start_time)

    async with traced(registry, tmp_path / "cache", memory) as caller:
        instances = [instance_to_proto(text_span(output="good"))]
        request = pb.ScoreRequest(metric_versions=["metrics/toxicity/versions/3"], instances=instances)
        with pytest.raises(grpc.aio.AioRpcError):
            await caller.stub.Score(request, metadata=[("traceparent", SAMPLED)], timeout=20)
        registry.set_alias("toxicity/shadow", "toxicity/3")  # a failed version with an alias is tried again
        await until(lambda: len(loads()) >= 2)
    first, second = loads()[:2]

    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, None)
    assert first.attributes["error.type"] == "BUNDLE_INVALID"
    assert f"{first.context.trace_id:032x}" == TRACE
    assert second.parent is None
