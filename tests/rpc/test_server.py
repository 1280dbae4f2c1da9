import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc._cython import cygrpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from pydantic import ValidationError
from structlog.testing import capture_logs

from gnomon import AsyncClient
from gnomon._async import connection
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import registry_service_pb2_grpc as registry
from gnomon.v1 import resources_pb2
from gnomon_rpc import server as rpc_server
from gnomon_rpc.server import ListenError, Server, Service
from gnomon_rpc.settings import ServerSettings
from tests.rpc.serving import NAME, Scripted

ADD = registry.add_RegistryServiceServicer_to_server


def server(listen="127.0.0.1:0", ready=True, servicer=None, **settings):
    service = Service(NAME, ADD, servicer or Scripted(), ready)
    return Server(ServerSettings(listen=listen, **settings), [service])


async def health(address, service):
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service=service)
        )
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def test_health_follows_what_the_service_says_of_itself():
    one = server(ready=False, grace_s=0)
    await one.start()
    before = await health(one.address, NAME), await health(one.address, "")
    await one.set_ready(NAME, True)
    after = await health(one.address, NAME), await health(one.address, "")
    await one.stop()

    assert before == ("NOT_SERVING", "NOT_SERVING")
    assert after == ("SERVING", "SERVING")


async def test_a_connection_that_has_all_its_calls_under_way_keeps_no_other_connection_waiting():
    one = server(max_concurrent_streams=2, grace_s=0)
    await one.start()
    own_connection = [("grpc.use_local_subchannel_pool", 1)]
    ask = health_pb2.HealthCheckRequest(service=NAME)
    async with (
        grpc.aio.insecure_channel(one.address, options=own_connection) as greedy,
        grpc.aio.insecure_channel(one.address, options=own_connection) as other,
    ):
        watching = [health_pb2_grpc.HealthStub(greedy).Watch(ask) for _ in range(2)]
        for call in watching:
            await call.read()
        with pytest.raises(grpc.aio.AioRpcError) as held_back:
            await health_pb2_grpc.HealthStub(greedy).Check(ask, timeout=0.5)
        answered = await health_pb2_grpc.HealthStub(other).Check(ask, timeout=20)
        watching[0].cancel()
        freed = await health_pb2_grpc.HealthStub(greedy).Check(ask, timeout=20)
    await one.stop()

    assert held_back.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert answered == freed


async def test_of_more_calls_than_a_connection_takes_at_once_all_are_answered():
    one = server(max_concurrent_streams=20, grace_s=0)
    await one.start()
    ask = health_pb2.HealthCheckRequest(service=NAME)
    async with grpc.aio.insecure_channel(one.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answers = await asyncio.gather(*(stub.Check(ask, timeout=60) for _ in range(1_000)))
    await one.stop()

    assert len(answers) == 1_000


async def test_connections_that_have_lived_long_enough_are_made_anew_and_no_call_or_stream_is_cut():
    peers, go_on = [], asyncio.Event()

    async def get(request, context):
        peers.append(context.peer())
        await asyncio.sleep(0.01)
        return resources_pb2.Project(name=request.name)

    async def watch(request, context):
        peers.append(context.peer())
        yield pb.WatchCatalogResponse(kind=pb.WatchCatalogResponse.HEARTBEAT)
        await go_on.wait()
        yield pb.WatchCatalogResponse(kind=pb.WatchCatalogResponse.SNAPSHOT_COMPLETE)

    async def call(client):
        while len(set(peers)) < 4:
            await client.projects.get("p")

    one = server(servicer=Scripted(GetProject=get, WatchCatalog=watch), grace_s=0, max_connection_age_s=0.2)
    await one.start()
    async with AsyncClient(registry=one.address, timeout_s=20) as client:
        stream = aiter(client.watch_catalog())
        events = [await anext(stream)]
        # Now and then one is begun on a connection that is just ending: gRPC says so, and the client repeats.
        await asyncio.gather(*(call(client) for _ in range(8)))
        go_on.set()
        events += [event async for event in stream]
    await one.stop()

    assert len(set(peers)) >= 4
    assert [event.kind for event in events] == [
        pb.WatchCatalogResponse.HEARTBEAT,
        pb.WatchCatalogResponse.SNAPSHOT_COMPLETE,
    ]


def test_connections_live_as_long_as_clients_want_unless_an_age_is_set():
    assert ServerSettings().max_connection_age_s is None
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.1"):
        ServerSettings(max_connection_age_s=0)


async def test_the_contract_can_be_read_from_a_running_server():
    one = server(grace_s=0)
    await one.start()
    async with grpc.aio.insecure_channel(one.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in stub.ServerReflectionInfo(iter([request])):
            names = [service.name for service in answer.list_services_response.service]
    await one.stop()

    assert NAME in names


async def test_the_address_file_is_there_only_while_calls_are_accepted(tmp_path):
    file = tmp_path / "deep" / "address"
    one = server(address_file=file, grace_s=0)
    await one.start()
    written = file.read_text()
    await one.stop()

    assert written == one.address
    assert not file.exists()


def test_every_option_is_one_that_grpc_knows():
    # A misspelt one is ignored in silence, and clients that wait for minutes are sent away.
    library = Path(cygrpc.__file__).read_bytes()
    sources = [Path(rpc_server.__file__), Path(connection.__file__)]
    named = {name for source in sources for name in re.findall(r'"(grpc\.[a-z0-9_.]+)"', source.read_text())}

    assert "grpc.http2.min_ping_interval_without_data_ms" in named
    assert [name for name in sorted(named) if name.encode() not in library] == []


async def test_a_taken_port_is_an_error_in_words():
    one = server(grace_s=0)
    await one.start()
    with pytest.raises(ListenError, match="taken"):
        await server(listen=one.address).start()
    await one.stop()


async def test_a_call_under_way_ends_before_the_server_does():
    begun = asyncio.Event()

    async def slow(request, context):
        begun.set()
        await asyncio.sleep(0.2)
        return resources_pb2.Metric(name=request.name)

    one = server(servicer=Scripted(GetMetric=slow), grace_s=5)
    await one.start()
    async with grpc.aio.insecure_channel(one.address) as channel:
        call = registry.RegistryServiceStub(channel).GetMetric(pb.GetMetricRequest(name="metrics/x"))
        task = asyncio.ensure_future(call)
        await begun.wait()
        await one.stop()
        answer = await task

    assert answer.name == "metrics/x"


async def test_a_server_says_which_calls_it_abandoned():
    begun = asyncio.Event()

    async def endless(request, context):
        begun.set()
        await asyncio.sleep(60)

    one = server(servicer=Scripted(GetMetric=endless), grace_s=0.1)
    await one.start()
    with capture_logs() as logs:
        async with grpc.aio.insecure_channel(one.address) as channel:
            call = registry.RegistryServiceStub(channel).GetMetric(pb.GetMetricRequest(name="metrics/x"))
            task = asyncio.ensure_future(call)
            await begun.wait()
            await asyncio.wait_for(one.stop(), 20)
            with pytest.raises(grpc.aio.AioRpcError):
                await task

    calls = {"/gnomon.v1.RegistryService/GetMetric": 1}
    assert [(line["event"], line["calls"]) for line in logs if "calls" in line] == [
        ("draining", calls),
        ("abandoned calls", calls),
    ]


async def test_the_process_is_alive_even_where_it_cannot_do_its_job():
    one = server(ready=False, grace_s=0)
    await one.start()
    answer = await health(one.address, "live")
    await one.stop()

    assert answer == "SERVING"


SERVICE = """
import sys
from gnomon_rpc.run import run
from gnomon_rpc.server import Server
from gnomon_rpc.settings import ServerSettings
from pydantic_settings import SettingsConfigDict

class Settings(ServerSettings):
    model_config = SettingsConfigDict(env_prefix="GNOMON_TEST_")

def build(settings):
    return Server(settings, [])

sys.exit(run("test", Settings, build))
"""


def spawn(**environment):
    return subprocess.Popen(
        [sys.executable, "-c", SERVICE],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_service_logs_json_and_stops_at_sigterm():
    process = spawn()
    line = json.loads(process.stderr.readline())
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=20)

    assert (line["event"], line["service"]) == ("listening", "test")
    assert process.returncode == 0
    assert json.loads(rest.splitlines()[-1])["event"] == "stopped"


FAILING = """
import logging
from gnomon_rpc import logs
logs.configure("info", "test")
said = "a user's secret"
try:
    raise ValueError(said)
except ValueError:
    logging.getLogger("x").exception("a call failed")
"""


def test_a_logged_exception_tells_where_and_not_what_a_user_wrote():
    done = subprocess.run([sys.executable, "-c", FAILING], check=True, capture_output=True, text=True)
    [line] = done.stderr.splitlines()

    assert "secret" not in line
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"
    assert json.loads(line)["exception"][0]["frames"]


GONE = """
import logging
from grpc._cython.cygrpc import ExecuteBatchError
from gnomon_rpc import logs
logs.configure("info", "test")
try:
    raise ExecuteBatchError()
except ExecuteBatchError:
    logging.getLogger("grpc._cython.cygrpc").exception("an answer could not be sent")
"""


def test_a_caller_who_left_before_the_answer_is_no_error_of_the_service():
    done = subprocess.run([sys.executable, "-c", GONE], check=True, capture_output=True, text=True)

    assert done.stderr == ""


def test_a_wrong_setting_is_named_with_its_variable():
    process = spawn(GNOMON_TEST_GRACE_S="soon")
    _, text = process.communicate(timeout=20)

    assert process.returncode == 2
    assert "GNOMON_TEST_GRACE_S" in text
    assert "Traceback" not in text


BUSY = SERVICE.replace(
    "    return Server(settings, [])",
    """    return Stuck()

class Stuck:
    async def start(self):
        print("up", file=sys.stderr, flush=True)

    async def stop(self):
        import asyncio
        print("stopping", file=sys.stderr, flush=True)
        await asyncio.sleep(600)
""",
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_service_at_once(number):
    process = subprocess.Popen([sys.executable, "-c", BUSY], stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "up\n"
    process.send_signal(number)
    assert process.stderr.readline() == "stopping\n"
    process.send_signal(number)
    _, rest = process.communicate(timeout=20)

    assert process.returncode == 128 + number
    assert json.loads(rest)["signal"] == number.name


def test_a_variable_that_means_nothing_is_told_with_the_one_that_was_meant():
    process = spawn(GNOMON_TEST_GRACE="3")
    line = json.loads(process.stderr.readline())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)

    assert (line["level"], line["variable"], line["perhaps_meant"]) == (
        "warning",
        "GNOMON_TEST_GRACE",
        "GNOMON_TEST_GRACE_S",
    )


def test_a_folder_that_cannot_be_used_is_named_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    process = spawn(GNOMON_TEST_ADDRESS_FILE=str(tmp_path / "file" / "address"))
    _, text = process.communicate(timeout=20)

    assert process.returncode == 2
    assert text.splitlines()[-1].startswith(f"gnomon test: {tmp_path / 'file'}")
    assert "Traceback" not in text


def test_a_service_does_not_outlive_the_parent_it_was_given():
    process = spawn(GNOMON_TEST_PARENT_PID="1")  # not our PID: as if the parent had gone
    _, _ = process.communicate(timeout=20)

    assert process.returncode == 0
