"""How a call is repeated, given up, and what its errors become."""

import asyncio
import contextlib
import socket
import time
import uuid
from pathlib import Path
from typing import Any

import grpc
import pytest

from gnomon import AsyncClient, errors
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer
from tests.sdk.serving import Failing, collected, connected, serving

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def project(_: Any) -> pb.Project:
    return pb.Project(name="projects/support")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_call_is_repeated_until_the_service_is_back(kind: str) -> None:
    method = Failing(UNAVAILABLE, UNAVAILABLE, then=project)
    async with serving(GetProject=method) as address, connected(kind, address) as client:
        assert (await client.projects.get("support")).name == "projects/support"
    assert len(method.requests) == 3


async def test_every_attempt_of_a_create_carries_the_same_request_id(kind: str) -> None:
    method = Failing(UNAVAILABLE, UNAVAILABLE, then=project)
    async with serving(CreateProject=method) as address, connected(kind, address) as client:
        await client.projects.create("support")
        await client.projects.create("support")
    ids = [request.request_id for request in method.requests]
    assert len(ids) == 4
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]
    assert all(str(uuid.UUID(i)) == i for i in ids)


async def test_a_service_that_says_when_to_come_back_is_obeyed(kind: str) -> None:
    overloaded = errors.OverloadedError("Too many.", retry_after_s=0.3)
    method = Failing(overloaded, then=project)
    async with serving(GetProject=method) as address, connected(kind, address) as client:
        started = time.monotonic()
        await client.projects.get("support")
        assert time.monotonic() - started >= 0.3


async def test_a_wait_beyond_the_time_limit_is_not_begun(kind: str) -> None:
    method = Failing(errors.OverloadedError("Too many.", retry_after_s=60), then=project)
    async with serving(GetProject=method) as address, connected(kind, address) as client:
        with pytest.raises(errors.OverloadedError, match="Too many") as caught:
            await client.projects.get("support")
    assert caught.value.retry_after_s == 60
    assert len(method.requests) == 1


@pytest.mark.parametrize(
    "failure", [errors.NotFoundError("No.", resource="projects/x"), errors.StorageFullError("Full.")]
)
async def test_an_error_that_time_does_not_heal_is_raised_at_once(kind: str, failure: Exception) -> None:
    method = Failing(failure, failure, then=project)
    async with serving(GetProject=method) as address, connected(kind, address) as client:
        with pytest.raises(type(failure)) as caught:
            await client.projects.get("support")
    assert len(method.requests) == 1
    assert caught.value.metadata == failure.metadata  # type: ignore[attr-defined]
    assert not isinstance(caught.value.__context__, grpc.RpcError)


async def test_a_service_that_is_not_there_is_named_with_what_to_do(kind: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with connected(kind, address, timeout_s=0.4) as client:
        started = time.monotonic()
        with pytest.raises(errors.ServiceUnavailableError) as caught:
            await client.projects.get("support")
        assert time.monotonic() - started < 5
        for said in ("registry", address, "gnomon up"):
            assert said in str(caught.value)
        with pytest.raises(errors.ServiceUnavailableError, match="trainer"):
            await client.datasets.get("tickets")
        with pytest.raises(errors.ServiceUnavailableError, match="scorer"):
            await client.score("toxicity", output="x")


async def test_a_restart_is_seen_as_a_delay(kind: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with connected(kind, address) as client:
        async with serving(address, GetProject=Failing(then=project)):
            await client.projects.get("support")
        waiting = asyncio.ensure_future(client.projects.get("support"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        async with serving(address, GetProject=Failing(then=project)):
            assert (await waiting).name == "projects/support"


async def test_a_service_that_stops_in_the_middle_of_a_call_is_waited_for(kind: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    begun = asyncio.Event()

    async def slow(request: Any, context: Any) -> pb.Project:
        begun.set()
        await asyncio.sleep(30)
        return pb.Project()

    async with connected(kind, address) as client:
        async with serving(address, GetProject=slow):
            waiting = asyncio.ensure_future(client.projects.get("support"))
            await begun.wait()
        async with serving(address, GetProject=Failing(then=project)):
            assert (await waiting).name == "projects/support"


async def test_a_call_that_spends_money_is_not_repeated_and_says_what_it_may_have_cost(kind: str) -> None:
    silent = Failing(UNAVAILABLE, then=lambda _: trainer.JudgeInstancesResponse())
    async with serving(JudgeInstances=silent) as address, connected(kind, address) as client:
        with pytest.raises(errors.ServiceUnavailableError, match="up to 2 instances, 3 times each, and bill"):
            await client.judges.judge("toxicity", [{"output": "a"}, {"output": "b"}], provider="p", votes=3)
    assert len(silent.requests) == 1


async def test_a_call_that_was_turned_away_on_arrival_has_cost_nothing_and_is_repeated(kind: str) -> None:
    overloaded = errors.OverloadedError("Too many.", retry_after_s=0.01)
    busy = Failing(overloaded, then=lambda _: trainer.JudgeInstancesResponse(input_tokens=7))
    async with serving(JudgeInstances=busy) as address, connected(kind, address) as client:
        answer = await client.judges.judge("toxicity", [{"output": "a"}], provider="p")
    assert (answer.input_tokens, len(busy.requests)) == (7, 2)


async def test_a_service_that_does_not_answer_ends_with_the_time_limit(kind: str) -> None:
    async def silent(request: Any, context: Any) -> pb.Project:
        await asyncio.sleep(30)
        return pb.Project()

    async with serving(GetProject=silent) as address, connected(kind, address, timeout_s=0.2) as client:
        with pytest.raises(errors.DeadlineExceededError, match="registry"):
            await client.projects.get("support")


async def test_a_time_limit_that_is_over_already_is_a_deadline_error(kind: str) -> None:
    async with serving(Score=Failing(then=project)) as address, connected(kind, address) as client:
        with pytest.raises(errors.DeadlineExceededError):
            await client.score("toxicity", output="x", timeout_s=0.0)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.OverloadedError),
        (grpc.StatusCode.UNIMPLEMENTED, errors.UnimplementedError),
        (grpc.StatusCode.INTERNAL, errors.InternalError),
        (grpc.StatusCode.CANCELLED, errors.CancelledError),
        (grpc.StatusCode.NOT_FOUND, errors.NotFoundError),
        (grpc.StatusCode.PERMISSION_DENIED, errors.PermissionDeniedError),
        (grpc.StatusCode.UNAUTHENTICATED, errors.UnauthenticatedError),
        (grpc.StatusCode.UNKNOWN, errors.GnomonError),
    ],
)
async def test_a_bare_status_becomes_the_nearest_error(
    kind: str, code: grpc.StatusCode, expected: type[errors.GnomonError]
) -> None:
    method = Failing(code, then=project)
    async with serving(GetProject=method) as address, connected(kind, address) as client:
        with pytest.raises(errors.GnomonError, match="as the test wants it") as caught:
            await client.projects.get("support")
    assert type(caught.value) is expected
    assert str(caught.value)[0].isupper()
    assert str(caught.value).endswith(".")


async def test_details_that_cannot_be_read_leave_the_code_and_the_text(kind: str) -> None:
    async def garbled(request: Any, context: Any) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff\xff"),))
        await context.abort(grpc.StatusCode.NOT_FOUND, "not here")

    async with serving(GetProject=garbled) as address, connected(kind, address) as client:
        with pytest.raises(errors.NotFoundError, match="not here"):
            await client.projects.get("support")


async def test_a_request_over_the_services_limit_is_said_to_be_too_large(kind: str) -> None:
    async with serving() as address, connected(kind, address) as client:
        with pytest.raises(errors.MessageTooLargeError, match="too large; send less"):
            await client.projects.create("support", description="x" * 3 * 1024 * 1024)


async def test_a_response_over_the_clients_limit_is_said_to_be_too_large(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = [("grpc.max_receive_message_length", 1024)]
    monkeypatch.setattr("gnomon._async.connection.OPTIONS", limit)
    monkeypatch.setattr("gnomon._sync.connection.OPTIONS", limit)
    method = Failing(then=lambda _: pb.Project(description="x" * 4096))
    async with serving(GetProject=method) as address, connected(kind, address) as client:
        with pytest.raises(errors.MessageTooLargeError, match="ask for less at once"):
            await client.projects.get("support")


async def test_a_delete_whose_first_attempt_went_through_is_a_success(kind: str) -> None:
    gone = errors.NotFoundError("No such project.", resource="projects/support")
    method = Failing(UNAVAILABLE, gone, gone, then=project)
    async with serving(DeleteProject=method) as address, connected(kind, address) as client:
        await client.projects.delete("support")
        with pytest.raises(errors.NotFoundError):
            await client.projects.delete("support")


@pytest.mark.parametrize(
    "refusal",
    [
        errors.QuotaExceededError("Too fast.", retry_after_s=0.01),
        errors.AuditUnavailableError("Nothing can be written down.", retry_after_s=0.01),
        errors.AccessUnverifiedError("The registry is away.", retry_after_s=0.01),
        errors.OverloadedError("Too many.", retry_after_s=0.01),
    ],
    ids=lambda refusal: refusal.reason,
)
async def test_a_refusal_after_one_that_kept_the_call_from_beginning_is_no_success(
    kind: str, refusal: errors.GnomonError
) -> None:
    gone = errors.NotFoundError("No such dataset.", resource="datasets/typo")
    approved = errors.WorkStateError("Somebody has it made anew.", resource="generations/g", state="SAMPLING")
    deleting, approving = (
        Failing(refusal, refusal, gone, then=project),
        Failing(refusal, approved, then=project),
    )
    served = serving(DeleteDataset=deleting, ApproveSample=approving)
    async with served as address, connected(kind, address) as client:
        with pytest.raises(errors.NotFoundError):
            await client.datasets.delete("typo")
        with pytest.raises(errors.WorkStateError):
            await client.generations.approve("g", sample_number=1)
    assert (len(deleting.requests), len(approving.requests)) == (3, 2)


@pytest.mark.parametrize(
    "unanswered",
    [UNAVAILABLE, errors.ServiceUnavailableError("The database does not answer.", retry_after_s=0.01)],
)
async def test_a_call_of_unknown_fate_may_have_gone_through_whatever_turned_it_away_since(
    kind: str, unanswered: Any
) -> None:
    refusal = errors.QuotaExceededError("Too fast.", retry_after_s=0.01)
    method = Failing(unanswered, refusal, errors.NotFoundError("No such dataset."), then=project)
    async with serving(DeleteDataset=method) as address, connected(kind, address) as client:
        await client.datasets.delete("tickets")
    assert len(method.requests) == 3


async def test_all_pages_of_a_list_are_read(kind: str) -> None:
    def page(request: registry.ListProjectsRequest) -> registry.ListProjectsResponse:
        number = int(request.page_token or 1)
        projects = [pb.Project(name=f"projects/p{number}"), pb.Project(name=f"projects/q{number}")]
        return registry.ListProjectsResponse(
            projects=projects if number < 4 else [], next_page_token="" if number == 4 else str(number + 1)
        )

    method = Failing(UNAVAILABLE, then=page)
    async with serving(ListProjects=method) as address, connected(kind, address) as client:
        names = [p.name for p in await collected(client.projects.list())]
    assert names == [f"projects/{letter}{number}" for number in (1, 2, 3) for letter in "pq"]


async def test_a_stream_that_breaks_raises_a_gnomon_error(kind: str) -> None:
    async def breaking(request: Any, context: Any) -> Any:
        yield registry.WatchCatalogResponse(kind=registry.WatchCatalogResponse.SNAPSHOT_COMPLETE)
        await context.abort(UNAVAILABLE, "gone")

    async with serving(WatchCatalog=breaking) as address, connected(kind, address) as client:
        events = aiter(client.watch_catalog())
        assert (await anext(events)).kind == registry.WatchCatalogResponse.SNAPSHOT_COMPLETE
        with pytest.raises(errors.ServiceUnavailableError):
            await anext(events)


async def test_leaving_a_stream_ends_it_at_the_service(kind: str) -> None:
    left = asyncio.Event()

    async def endless(request: Any, context: Any) -> Any:
        try:
            while True:
                yield registry.WatchCatalogResponse(kind=registry.WatchCatalogResponse.HEARTBEAT)
                await asyncio.sleep(0.01)
        finally:
            left.set()

    async with serving(WatchCatalog=endless) as address, connected(kind, address) as client:
        async with contextlib.aclosing(client.watch_catalog()) as events:
            async for _ in events:
                break
        assert await asyncio.wait_for(left.wait(), 5)


async def test_a_cancelled_task_is_cancelled_and_nothing_else() -> None:
    async def silent(request: Any, context: Any) -> pb.Project:
        await asyncio.sleep(30)
        return pb.Project()

    async with serving(GetProject=silent) as address, connected("async", address) as client:
        waiting = asyncio.create_task(client.projects.get("support"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.projects.get("support"), 0.1)


async def test_closing_a_client_ends_its_calls_with_a_gnomon_error(kind: str) -> None:
    begun = asyncio.Event()

    async def silent(request: Any, context: Any) -> pb.Project:
        begun.set()
        await asyncio.sleep(30)
        return pb.Project()

    async with serving(GetProject=silent) as address, connected(kind, address) as client:
        waiting = asyncio.ensure_future(client.projects.get("support"))
        await begun.wait()
        await client.close()
        await client.close()
        with pytest.raises(errors.CancelledError):
            await waiting
        with pytest.raises(RuntimeError, match="closed"):
            await client.projects.get("support")


def test_making_a_client_needs_no_service_and_no_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    client = AsyncClient(registry="127.0.0.1:1")

    asyncio.run(client.close())


async def test_a_service_that_refuses_early_is_understood_while_the_client_still_sends(
    kind: str, tmp_path: Path
) -> None:
    """grpc.aio loses the status of such a call now and then; the next attempt shows it."""

    async def refuse(requests: Any, context: Any) -> Any:
        await anext(requests)
        raise errors.UploadTooLargeError("Too large.", limit_bytes="1")

    path = tmp_path / "rows.csv"
    path.write_bytes(b"x" * 4 * 1024 * 1024)
    async with serving(UploadDataset=refuse) as address, connected(kind, address) as client:
        for _ in range(20):
            with pytest.raises(errors.UploadTooLargeError):
                await client.datasets.upload("tickets", path, metric="tone")
