import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import threading

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from gnomon.errors import NotFoundError
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import registry_service_pb2_grpc as registry
from gnomon.v1 import resources_pb2
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings, SettingError
from gnomon_rpc.telemetry import Telemetry
from tests.rpc.serving import NAME, Scripted
from tests.rpc.telemetry_collector import Memory, collecting

METHOD = f"{NAME}/GetMetric"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


@contextlib.asynccontextmanager
async def serving(telemetry, **methods):
    settings = ServerSettings(listen="127.0.0.1:0", grace_s=0.1)
    add = registry.add_RegistryServiceServicer_to_server
    server = Server(settings, [Service(NAME, add, Scripted(**methods))], telemetry=telemetry)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield registry.RegistryServiceStub(channel)
    finally:
        await server.stop()


async def answer(request, context):
    if request.name == "metrics/none":
        raise NotFoundError("There is none.")
    if request.name == "metrics/defect":
        raise ValueError("a defect")
    return resources_pb2.Metric(name=request.name)


async def spans_of(name="metrics/x", *metadata):
    memory = Memory()
    async with serving(Telemetry("test", ServerSettings(), memory.spans), GetMetric=answer) as stub:
        with contextlib.suppress(grpc.aio.AioRpcError):
            await stub.GetMetric(pb.GetMetricRequest(name=name), metadata=metadata)
    return memory.named(METHOD)


async def test_a_call_is_a_server_span_below_the_callers():
    [span] = await spans_of("metrics/x", ("traceparent", SAMPLED))

    assert span.kind is SpanKind.SERVER
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert dict(span.attributes) == {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "rpc.response.status_code": "OK",
    }


@pytest.mark.parametrize("value", ["", "nonsense", "00-0-0-01"])
async def test_a_call_without_a_sound_parent_begins_a_trace(value):
    [span] = await spans_of("metrics/x", ("traceparent", value))

    assert span.parent is None


async def test_what_the_caller_does_not_sample_is_not_recorded():
    assert await spans_of("metrics/x", ("traceparent", NOT_SAMPLED)) == []


async def test_a_defect_is_an_error_of_the_span_and_a_wrong_request_is_not():
    [defect] = await spans_of("metrics/defect")
    [wrong] = await spans_of("metrics/none")

    assert (defect.status.status_code, defect.attributes["error.type"]) == (StatusCode.ERROR, "INTERNAL")
    assert (wrong.status.status_code, wrong.attributes["rpc.response.status_code"]) == (
        StatusCode.UNSET,
        "NOT_FOUND",
    )
    assert not defect.events  # an exception's message may quote a user


async def test_a_stream_is_one_span_however_it_ends(caplog):
    async def watch(request, context):
        assert trace.get_current_span().is_recording()
        for number in itertools.count(1):
            yield pb.WatchCatalogResponse(metric_version=f"metrics/x/versions/{number}")
            await asyncio.sleep(0)

    memory = Memory()
    async with serving(Telemetry("test", ServerSettings(), memory.spans), WatchCatalog=watch) as stub:
        for _ in range(3):
            call = stub.WatchCatalog(pb.WatchCatalogRequest())
            async for _ in call:
                call.cancel()
                break
        async with asyncio.timeout(10):
            while len(memory.named(f"{NAME}/WatchCatalog")) < 3:
                await asyncio.sleep(0.01)

    spans = memory.named(f"{NAME}/WatchCatalog")
    assert [one.attributes["rpc.response.status_code"] for one in spans] == ["CANCELLED"] * 3
    assert len({one.context.trace_id for one in spans}) == 3
    assert not caplog.records


async def test_the_environment_sends_spans_to_a_collector(monkeypatch):
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address}")
        async with serving(Telemetry("test", ServerSettings()), GetMetric=answer) as stub:
            await stub.GetMetric(pb.GetMetricRequest(name="metrics/x"), metadata=[("traceparent", SAMPLED)])
        left = [one.name for one in threading.enumerate() if one.name.startswith("Otel")]

    [span] = collector.spans()
    resource = {
        one.key: one.value.string_value for one in collector.traces[0].resource_spans[0].resource.attributes
    }
    assert span.name == METHOD
    assert span.parent_span_id.hex() == PARENT
    assert resource["service.name"] == "gnomon-test"
    assert left == []


def test_the_name_of_the_service_can_be_given(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "guard")
    telemetry = Telemetry("test", ServerSettings())
    assert telemetry.spans is not None
    span = telemetry.spans.tracer.start_span("x")
    telemetry.spans.close()

    assert span.resource.attributes["service.name"] == "guard"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        },
    ],
)
def test_spans_are_off_unless_the_environment_wants_them(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert Telemetry("test", ServerSettings()).spans is None


def test_another_protocol_than_grpc_is_refused(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")

    with pytest.raises(SettingError, match="OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc"):
        Telemetry("test", ServerSettings())


WITHOUT_OTEL = """
import importlib.util, sys
find = importlib.util.find_spec
def find_less(name, *rest):
    if name.startswith("opentelemetry"):
        raise ModuleNotFoundError(name)
    return find(name, *rest)
importlib.util.find_spec = find_less
from gnomon_rpc.run import run
from gnomon_rpc.server import Server
from gnomon_rpc.settings import ServerSettings
from gnomon_rpc.telemetry import Telemetry
sys.exit(run("test", ServerSettings, lambda s: Server(s, [], telemetry=Telemetry("test", s))))
"""


def test_a_service_that_shall_send_spans_and_cannot_does_not_start():
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_OTEL],
        env=os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 2
    assert "pip install 'gnomon[otel]'" in run.stderr
    assert "Traceback" not in run.stderr
