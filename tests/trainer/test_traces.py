"""What the trainer tells OpenTelemetry of runs, labellings and calls of providers, over the real wire."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc import telemetry
from tests.rpc.telemetry_collector import Collector, Memory, collecting
from tests.trainer.fake_endpoint import KEY, FakeEndpoint, failure
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.labelling import create, ended, labelling_trainer, request_of, upload_logs
from tests.trainer.running import State, Trainer, run_of, run_request, trainer_at, two_sets

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
CANARY = "canary7f3a"


@contextlib.contextmanager
def remembered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the trainer that is built next tell its spans to a memory."""
    memory = Memory()
    monkeypatch.setattr(telemetry, "_spans_asked_for", lambda service: memory.spans)
    yield memory


def by_name(collector: Collector) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for span in collector.spans():
        found.setdefault(span.name, []).append(span)
    return found


def attributes_of(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


async def run_in(trainer: Trainer, parent: str, *states: Any, **fields: Any) -> Any:
    await two_sets(trainer)
    metadata = [("traceparent", parent)]
    run_of(await trainer.stub.CreateRun(run_request(**fields), metadata=metadata))
    return await trainer.until(*states)


async def test_a_run_is_in_the_trace_of_the_call_that_created_it_stage_by_stage(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address}")
        async with trainer_at(tmp_path, registry, workers=1) as trainer:
            await run_in(trainer, SAMPLED, State.REGISTERED)
    found = by_name(collector)
    [run] = found["run"]

    assert run.trace_id.hex() == TRACE
    [created] = found["gnomon.v1.TrainerService/CreateRun"]
    assert created.parent_span_id.hex() == PARENT
    assert run.parent_span_id == created.span_id
    stages = ("preparing", "fine_tuning", "evaluating", "registering")
    assert all(found[stage][0].parent_span_id == run.span_id for stage in stages)
    assert [found[stage][0].start_time_unix_nano for stage in stages] == sorted(
        found[stage][0].start_time_unix_nano for stage in stages
    )
    told = attributes_of(run)
    assert told["gnomon.run"] == "projects/demo/runs/first"
    assert (told["gnomon.state"], told["gnomon.attempt"]) == ("registered", 1)
    assert [event.name for event in found["fine_tuning"][0].events].count("evaluation") >= 1
    gates = [event for span in (run, *found["evaluating"]) for event in span.events if event.name == "gate"]
    assert [attributes_of(gate) for gate in gates] == [{"gnomon.format": "onnx-fp32", "gnomon.passed": True}]


async def test_a_failed_run_is_an_error_without_what_the_error_says(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address}")
        async with trainer_at(tmp_path, registry, workers=1) as trainer:
            await run_in(trainer, SAMPLED, State.FAILED, parameters={"batch_size": 13})
    [run] = by_name(collector)["run"]

    assert attributes_of(run)["error.type"] == "TRAINING_FAILED"
    assert (run.status.code, run.status.message) == (2, "")
    assert "a text of a user" not in str(collector.traces)


@pytest.mark.slow
async def test_what_the_caller_does_not_sample_is_not_recorded_in_the_worker_either(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address}")
        async with trainer_at(tmp_path, registry, workers=1) as trainer:
            await run_in(trainer, NOT_SAMPLED, State.REGISTERED)

    assert not {"run", "fine_tuning", "registering"} & by_name(collector).keys()


async def test_each_answer_of_a_labelling_is_a_trace_linked_to_it(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remembered(monkeypatch) as memory:
        async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
            await upload_logs(trainer, 6)
            request = request_of("first")
            await trainer.stub.CreateLabelling(request, metadata=[("traceparent", SAMPLED)])
            await ended(trainer)
    [work], calls = memory.named("labellings"), memory.named("chat tiny-1")

    assert f"{work.context.trace_id:032x}" == TRACE
    assert work.attributes["gnomon.work"] == "labellings/first"
    assert work.attributes["gnomon.state"] == "done"
    assert len(calls) == 6
    assert len({one.context.trace_id for one in calls} - {work.context.trace_id}) == 6
    assert all(one.links[0].context.span_id == work.context.span_id for one in calls)
    assert dict(calls[0].attributes) == {
        gen_ai_attributes.GEN_AI_OPERATION_NAME: "chat",
        gen_ai_attributes.GEN_AI_PROVIDER_NAME: "openai",
        gen_ai_attributes.GEN_AI_REQUEST_MODEL: "tiny-1",
        gen_ai_attributes.GEN_AI_USAGE_INPUT_TOKENS: 20,
        gen_ai_attributes.GEN_AI_USAGE_OUTPUT_TOKENS: 5,
        "server.address": "127.0.0.1",
        "server.port": int(endpoint.host.rpartition(":")[2]),
        "gnomon.provider": "providers/main",
    }
    assert calls[0].kind is SpanKind.CLIENT


async def test_a_labelling_without_a_caller_who_traces_is_a_trace_of_its_own(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remembered(monkeypatch) as memory:
        async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
            await upload_logs(trainer, 2)
            await create(trainer)
            await ended(trainer)
    [work] = memory.named("labellings")
    [created] = memory.named("gnomon.v1.TrainerService/CreateLabelling")

    assert work.parent.span_id == created.context.span_id
    assert created.parent is None


async def test_a_provider_that_is_asked_in_a_call_is_below_it_and_its_failure_has_a_reason_and_no_words(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.reply = lambda body: failure("401 Unauthorized", f"Wrong key {KEY} {CANARY}")
    with remembered(monkeypatch) as memory:
        async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
            with contextlib.suppress(Exception):
                await trainer.stub.TestProvider(pb.TestProviderRequest(name="providers/main"))
    [call] = memory.named("gnomon.v1.TrainerService/TestProvider")
    [asked] = memory.named("chat tiny-1")

    assert asked.parent.span_id == call.context.span_id
    assert asked.attributes["error.type"] == "PROVIDER_REFUSED"
    assert asked.status.status_code is StatusCode.ERROR
    assert not asked.status.description
    assert not asked.events
    everything = memory.everything()
    assert CANARY not in everything
    assert KEY not in everything
