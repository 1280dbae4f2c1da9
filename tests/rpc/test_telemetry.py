import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import ValidationError

from gnomon.errors import NotFoundError
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import registry_service_pb2_grpc as registry
from gnomon.v1 import resources_pb2
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings, SettingError
from gnomon_rpc.telemetry import Telemetry
from tests.rpc.serving import NAME, Scripted
from tests.rpc.telemetry_pages import look, read_text

GET = f"/{NAME}/GetMetric"
WATCH = f"/{NAME}/WatchCatalog"


@contextlib.asynccontextmanager
async def serving(spans=None, metrics_listen="127.0.0.1:0", **methods):
    """Serve the methods with telemetry; yield a channel and the telemetry."""
    settings = ServerSettings(listen="127.0.0.1:0", grace_s=0.1, metrics_listen=metrics_listen)
    telemetry = Telemetry("test", settings, spans)
    add = registry.add_RegistryServiceServicer_to_server
    server = Server(settings, [Service(NAME, add, Scripted(**methods))], telemetry=telemetry)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield channel, telemetry
    finally:
        await server.stop()


async def get_metric(channel, name="metrics/x", **arguments):
    return await registry.RegistryServiceStub(channel).GetMetric(pb.GetMetricRequest(name=name), **arguments)


async def answer(request, context):
    if request.name == "metrics/none":
        raise NotFoundError("There is none.")
    return resources_pb2.Metric(name=request.name)


async def test_calls_are_counted_by_method_and_code():
    async with serving(GetMetric=answer) as (channel, telemetry):
        for _ in range(3):
            await get_metric(channel)
        for name in ("metrics/none", ""):
            with contextlib.suppress(grpc.aio.AioRpcError):
                await get_metric(channel, name)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await registry.RegistryServiceStub(channel).GetProject(pb.GetProjectRequest(name="projects/x"))
        page = await look(telemetry.page.address)

    calls = {
        (labels["method"], labels["code"]): page.value("gnomon_rpc_calls_total", **labels)
        for labels in page.labels("gnomon_rpc_calls_total")
    }
    assert calls == {
        (GET, "OK"): 3,
        (GET, "NOT_FOUND"): 1,
        (GET, "INVALID_ARGUMENT"): 1,
        (f"/{NAME}/GetProject", "UNIMPLEMENTED"): 1,
    }
    assert page.value("gnomon_rpc_call_duration_seconds_count", method=GET) == 5
    assert page.value("gnomon_rpc_calls_in_flight", method=GET) == 0


async def test_health_checks_and_unknown_methods_are_not_counted():
    async with serving() as (channel, telemetry):
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=NAME))
        with contextlib.suppress(grpc.aio.AioRpcError):
            await channel.unary_unary("/made.up/Method")(b"")
        page = await look(telemetry.page.address)

    assert page.labels("gnomon_rpc_calls_total") == []


async def test_a_call_is_in_flight_until_its_caller_leaves():
    begun = asyncio.Event()

    async def slow(request, context):
        begun.set()
        await asyncio.sleep(60)

    async with serving(GetMetric=slow) as (channel, telemetry):
        call = asyncio.ensure_future(get_metric(channel))
        await begun.wait()
        during = await look(telemetry.page.address)
        call.cancel()
        async with asyncio.timeout(10):
            while not (after := await look(telemetry.page.address)).labels("gnomon_rpc_calls_total"):
                await asyncio.sleep(0.01)

    assert during.value("gnomon_rpc_calls_in_flight", method=GET) == 1
    assert after.value("gnomon_rpc_calls_in_flight", method=GET) == 0
    assert after.value("gnomon_rpc_calls_total", method=GET, code="CANCELLED") == 1


async def test_streams_are_counted_once():
    async def watch(request, context):
        for number in range(5):
            yield pb.WatchCatalogResponse(metric_version=f"metrics/x/versions/{number + 1}")

    async with serving(WatchCatalog=watch) as (channel, telemetry):
        stub = registry.RegistryServiceStub(channel)
        assert len([one async for one in stub.WatchCatalog(pb.WatchCatalogRequest())]) == 5
        page = await look(telemetry.page.address)

    assert page.value("gnomon_rpc_calls_total", method=WATCH, code="OK") == 1


async def test_the_process_itself_is_measured():
    async with serving() as (_, telemetry):
        page = await look(telemetry.page.address)

    assert page.value("process_resident_memory_bytes") > 1e6


async def test_servers_in_one_process_count_for_themselves():
    async with serving(GetMetric=answer) as (channel, one), serving(GetMetric=answer) as (_, other):
        await get_metric(channel)
        counted, untouched = await look(one.page.address), await look(other.page.address)

    assert counted.value("gnomon_rpc_calls_total", method=GET, code="OK") == 1
    assert untouched.labels("gnomon_rpc_calls_total") == []


async def test_a_taken_address_is_an_error_in_words():
    async with serving() as (_, telemetry):
        with pytest.raises(SettingError, match=r"metrics at 127\.0\.0\.1:.*taken"):
            async with serving(metrics_listen=telemetry.page.address):
                pass


@pytest.mark.parametrize("value", ["9412", "localhost", "localhost:x", "localhost:99999"])
def test_an_address_without_host_and_port_is_refused(value):
    with pytest.raises(ValidationError, match="host:port"):
        ServerSettings(metrics_listen=value)


async def test_only_metrics_are_served():
    async with serving() as (_, telemetry):

        def get(path, **arguments):
            request = urllib.request.Request(f"http://{telemetry.page.address}{path}", **arguments)
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=10)
            caught.value.close()
            return caught.value.code

        codes = await asyncio.to_thread(get, "/"), await asyncio.to_thread(get, "/metrics", data=b"x")

    assert codes == (404, 405)


async def test_whoever_asks_for_open_metrics_gets_them():
    async with serving() as (_, telemetry):

        def get():
            accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
            request = urllib.request.Request(f"http://{telemetry.page.address}/metrics", headers=accept)
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.headers["Content-Type"], response.read()

        content_type, body = await asyncio.to_thread(get)

    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


async def test_visitors_who_say_nothing_or_too_much_hold_nobody_up():
    threads = threading.active_count()
    async with serving() as (_, telemetry):
        host, _, port = telemetry.page.address.rpartition(":")
        mute = socket.create_connection((host, int(port)))
        loud = socket.create_connection((host, int(port)))
        loud.sendall(b"x" * 100_000)
        page = await read_text(telemetry.page.address)
    mute.close()
    loud.close()

    assert "process_cpu_seconds_total" in page
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)))
    workers = [one for one in threading.enumerate() if one.name.startswith("asyncio_")]  # the loop's own
    assert threading.active_count() - len(workers) <= threads


async def test_nothing_is_served_unless_asked_for():
    async with serving(metrics_listen="", GetMetric=answer) as (channel, telemetry):
        await get_metric(channel)

    assert telemetry.page is None
    assert telemetry.watches == []


def test_what_is_off_is_not_imported():
    code = (
        "import sys\n"
        "from gnomon_rpc.settings import ServerSettings\n"
        "from gnomon_rpc.telemetry import Telemetry\n"
        "import gnomon_rpc.server\n"
        "Telemetry('test', ServerSettings())\n"
        "print(*{name.partition('.')[0] for name in sys.modules} & {'prometheus_client', 'opentelemetry'})"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert run.stdout.strip() == ""
