"""Killed at random, or several at once: the chain stays one, and no effect is without its entry."""

import asyncio
import contextlib
import random
import sqlite3

import grpc
import pytest

from gnomon.audit import AuditEntry, Head, verify
from gnomon.audit_messages import entry_of
from gnomon.local import ServiceProcess
from gnomon.v1 import audit_service_pb2 as pb
from gnomon.v1 import audit_service_pb2_grpc, registry_service_pb2_grpc
from gnomon.v1 import registry_service_pb2 as rpc


def process(folder, name):
    return ServiceProcess(
        "registry",
        folder / name,
        {
            "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{folder / 'registry.db'}",
            "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{folder / 'artifacts'}",
        },
    )


@pytest.fixture
def processes(tmp_path):
    made = []

    def start(name):
        made.append(process(tmp_path, name))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()


@contextlib.asynccontextmanager
async def stubs(service):
    async with grpc.aio.insecure_channel(service.address) as channel:
        yield (
            registry_service_pb2_grpc.RegistryServiceStub(channel),
            audit_service_pb2_grpc.AuditServiceStub(channel),
        )


async def create(registry, project):
    """Return the project's name, or None if the registry died meanwhile."""
    try:
        return (await registry.CreateProject(rpc.CreateProjectRequest(project_id=project))).name
    except grpc.aio.AioRpcError as error:
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN), error
        return None


async def log_of(audit) -> list[AuditEntry]:
    found, token = [], ""
    while True:
        page = await audit.ListAuditEntries(pb.ListAuditEntriesRequest(page_size=1000, page_token=token))
        found += map(entry_of, page.entries)
        token = page.next_page_token
        if not token:
            return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_a_kill_at_random_leaves_a_whole_chain_and_no_effect_without_an_entry(
    processes, tmp_path, seed
):
    draw = random.Random(seed)
    service = processes("one")
    noted, answered = Head(), set()
    for round_ in range(3):
        async with stubs(service) as (registry, _):
            tasks = [asyncio.ensure_future(create(registry, f"p{round_}-{i}")) for i in range(60)]
            wanted = draw.randint(1, 50)
            while sum(task.done() for task in tasks) < wanted:
                await asyncio.sleep(draw.random() * 0.004)
            service.kill()
            answered |= set(await asyncio.gather(*tasks)) - {None}
        service.start()
        async with stubs(service) as (_, audit):
            entries = await log_of(audit)
        verdict = verify(entries, noted)
        assert verdict.problem is None
        noted = verdict.head

    with sqlite3.connect(tmp_path / "registry.db") as connection:
        made = {f"projects/{row[0]}" for row in connection.execute("SELECT project FROM projects")}
    begun = {entry.record.resource for entry in entries if not entry.record.begun}
    told = {entry.record.resource for entry in entries if entry.record.outcome == "OK"}
    assert answered <= made <= begun
    assert told <= made
    assert {entries[number - 1].record.resource for number in verdict.unfinished} >= made - told


async def test_two_registries_on_one_database_append_to_one_chain(processes):
    first, second = processes("one"), processes("two")
    async with stubs(first) as (one, audit), stubs(second) as (two, _):
        await asyncio.gather(
            *(create(stub, f"{n}-{i}") for i in range(50) for n, stub in (("a", one), ("b", two)))
        )
        await asyncio.to_thread(second.stop)
        entries = await log_of(audit)

    verdict = verify(entries)
    assert (verdict.problem, verdict.count, verdict.unfinished) == (None, 200, ())
    assert sum(entry.record.outcome == "OK" for entry in entries) == 100
