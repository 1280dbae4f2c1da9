"""Keys that are known and refused are written down, as far as nobody fills the disk with it."""

import asyncio
import contextlib

import grpc
import pytest

from gnomon.errors import (
    ApiKeyRevokedError,
    ApiKeyUnknownError,
    NotFoundError,
    ProjectDeniedError,
    ScopeMissingError,
)
from gnomon.v1 import access_service_pb2 as access_pb
from gnomon.v1 import audit_service_pb2 as pb
from gnomon.v1 import audit_service_pb2_grpc
from gnomon.v1 import registry_service_pb2 as registry_pb
from gnomon.v1.registry_service_pb2_grpc import RegistryServiceStub, add_RegistryServiceServicer_to_server
from gnomon_rpc.access import check_owner
from gnomon_rpc.audit_refusals import Refusals
from gnomon_rpc.audit_writer import AuditWriter
from gnomon_rpc.caller import current
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings
from tests.audit.things import START, MemoryLog
from tests.registry.running import error_of
from tests.registry.test_api_keys import ADMIN, bearer, guarded, make_project
from tests.rpc.serving import NAME, Scripted
from tests.rpc.test_gate import KEY, Keys


class Ticks:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
async def refusals():
    log, ticks = MemoryLog(), Ticks()
    writer = AuditWriter(log)
    noted = Refusals(writer, lambda: START, ticks)

    async def written():
        await writer.flush()
        return [(entry.record.caller, entry.record.count) for entry in log.kept]

    yield noted, ticks, written
    await writer.stop()


def refused(key="apiKeys/a"):
    return ScopeMissingError("No.", resource=key)


async def test_a_key_that_is_refused_without_end_makes_few_entries_that_tell_how_often(refusals):
    noted, ticks, written = refusals
    for _ in range(1000):
        noted.note("/s/M", refused())
    ticks.now = 6.5
    noted.note("/s/M", refused())
    found = await written()

    assert found == [("apiKeys/a", 1)] * 10 + [("apiKeys/a", 991)]


async def test_no_number_of_keys_makes_more_than_an_entry_a_second_in_the_long_run(refusals):
    noted, ticks, written = refusals
    for second in range(100):
        ticks.now = float(second)
        for key in range(300):
            noted.note("/s/M", refused(f"apiKeys/k{key}"))

    assert len(await written()) <= 60 + 100


@contextlib.asynccontextmanager
async def scripted(**methods):
    """Serve the methods to a key that is bound to one project; yield a stub, and what tells the log."""
    log = MemoryLog()
    writer = AuditWriter(log)
    settings = ServerSettings(listen="127.0.0.1:0", grace_s=0.1, access="keys")
    service = Service(NAME, add_RegistryServiceServicer_to_server, Scripted(**methods))
    server = Server(settings, [service], keys=Keys("registry:write", projects=["mine"]), audit=writer)
    await server.start()

    async def written():
        await writer.flush()
        told = [entry.record for entry in log.kept]
        return [(r.method.rpartition("/")[2], r.caller, r.outcome, r.reason, r.begun) for r in told]

    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield RegistryServiceStub(channel), written
    finally:
        await server.stop()
        await writer.stop()


async def test_what_a_handler_refuses_is_written_down_once_whether_it_reads_or_changes():
    async def refuse(request, context):
        check_owner(current(), "theirs", "metrics/m")

    own = bearer(KEY.text)
    async with scripted(GetMetric=refuse, DeleteMetric=refuse) as (stub, written):
        errors = [
            await error_of(stub.GetMetric(registry_pb.GetMetricRequest(name="metrics/m"), metadata=own)),
            await error_of(
                stub.DeleteMetric(registry_pb.DeleteMetricRequest(name="metrics/m"), metadata=own)
            ),
            await error_of(
                stub.GetProject(registry_pb.GetProjectRequest(name="projects/theirs"), metadata=own)
            ),
            await error_of(
                stub.DeleteProject(registry_pb.DeleteProjectRequest(name="projects/theirs"), metadata=own)
            ),
        ]
        found = await written()

    assert [type(error) for error in errors] == [ProjectDeniedError] * 4
    key, refusal = f"apiKeys/{KEY.id}", ("PERMISSION_DENIED", "PROJECT_DENIED")
    assert found == [
        ("GetMetric", key, *refusal, 0),
        ("DeleteMetric", key, "", "", 0),
        ("DeleteMetric", key, *refusal, 2),  # an audited call has this one, and no third
        ("GetProject", key, *refusal, 0),
        ("DeleteProject", key, *refusal, 0),
    ]


async def test_a_refusal_of_the_service_s_own_key_elsewhere_is_no_refusal_of_the_caller():
    async def asks_another_service(request, context):
        raise ScopeMissingError("No.", resource="apiKeys/of-the-service")

    async with scripted(GetMetric=asks_another_service) as (stub, written):
        await error_of(
            stub.GetMetric(registry_pb.GetMetricRequest(name="metrics/m"), metadata=bearer(KEY.text))
        )
        assert await written() == []


async def test_only_refusals_of_known_keys_are_written_down(refusals):
    noted, _, written = refusals
    for error in (ApiKeyUnknownError("No."), NotFoundError("No.", resource="apiKeys/a")):
        noted.note("/s/M", error)

    assert await written() == []


async def revoked(call):
    """Return the error once the revocation is known."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(AssertionError):  # the call did not fail
                return await error_of(call())
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def audited(folder):
    async with guarded(folder) as access, grpc.aio.insecure_channel(access.app.address) as channel:
        stub = audit_service_pb2_grpc.AuditServiceStub(channel)

        async def entries():
            answer = await stub.ListAuditEntries(
                pb.ListAuditEntriesRequest(page_size=1000), metadata=bearer(ADMIN)
            )
            return list(answer.entries)

        yield access, stub, entries


async def test_refusals_are_in_the_log_with_the_key_and_the_reason_and_never_with_its_text(tmp_path):
    async with audited(tmp_path) as (access, stub, entries):
        await make_project(access, "mine")
        await make_project(access, "theirs")
        made = await access.create("score", projects=["projects/mine"])
        shown = bearer(made.key_text)
        create = access.registry.CreateProject
        request = registry_pb.CreateProjectRequest(project_id="more")
        errors = [
            await error_of(create(request, metadata=shown)),
            await error_of(
                access.registry.GetProject(
                    registry_pb.GetProjectRequest(name="projects/theirs"), metadata=shown
                )
            ),
            await error_of(stub.ListAuditEntries(pb.ListAuditEntriesRequest(), metadata=shown)),
        ]
        revoke = access_pb.RevokeApiKeyRequest(name=made.api_key.name)
        await access.access.RevokeApiKey(revoke, metadata=bearer(ADMIN))
        errors.append(await revoked(lambda: access.who(made.key_text)))
        found = await entries()

    told = [(e.method.rpartition("/")[2], e.outcome, e.reason) for e in found if e.outcome and not e.begun]
    assert [type(error) for error in errors] == [
        ScopeMissingError,
        ProjectDeniedError,
        ScopeMissingError,
        ApiKeyRevokedError,
    ]
    assert told == [
        ("CreateProject", "PERMISSION_DENIED", "SCOPE_MISSING"),
        ("GetProject", "PERMISSION_DENIED", "PROJECT_DENIED"),
        ("ListAuditEntries", "PERMISSION_DENIED", "SCOPE_MISSING"),
        ("IdentifyCaller", "UNAUTHENTICATED", "API_KEY_REVOKED"),
    ]
    assert {e.caller for e in found if e.outcome and not e.begun} == {made.api_key.name}
    assert ("CreateApiKey", made.api_key.name) in [
        (e.method.rpartition("/")[2], e.resource) for e in found if e.outcome == "OK"
    ]
    assert len({e.caller for e in found}) == 2  # the operator's key, which has an ID as well
    secret = made.key_text.rpartition("_")[2]
    assert secret not in repr(found)
    assert made.key_text not in repr(found)
