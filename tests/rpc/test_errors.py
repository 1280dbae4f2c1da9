import errno

import grpc
import pytest
from structlog.testing import capture_logs

from gnomon import errors
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import resources_pb2
from tests.rpc.serving import refused, serving


@pytest.mark.parametrize("cls", errors.BY_REASON.values(), ids=lambda cls: cls.__name__)
async def test_an_error_of_the_domain_reaches_the_caller_as_itself(cls):
    async def get(request, context):
        raise cls(
            "Do this instead.",
            violations=[errors.Violation("name", "is wrong")],
            retry_after_s=0.25,
            resource="metrics/x",
        )

    async with serving(GetMetric=get) as stub:
        code, error = await refused(stub.GetMetric(pb.GetMetricRequest(name="metrics/x")))

    assert code.value[0] == cls.code
    assert type(error) is cls
    assert (error.message, error.retry_after_s) == ("Do this instead.", 0.25)
    assert error.violations == (errors.Violation("name", "is wrong"),)
    assert error.metadata == {"resource": "metrics/x"}


async def test_a_caller_told_to_wait_is_told_so_in_grpcs_own_way():
    async def get(request, context):
        raise errors.OverloadedError("Full.", retry_after_s=0.25)

    async with serving(GetMetric=get) as stub:
        call = stub.GetMetric(pb.GetMetricRequest(name="metrics/x"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call

    assert ("grpc-retry-pushback-ms", "250") in [tuple(pair) for pair in caught.value.trailing_metadata()]


async def test_a_defect_is_logged_and_its_text_is_hidden():
    async def get(request, context):
        raise ValueError("the user's secret")

    async with serving(GetMetric=get) as stub:
        with capture_logs() as logged:
            _, error = await refused(stub.GetMetric(pb.GetMetricRequest(name="metrics/x")))

    assert type(error) is errors.InternalError
    assert "secret" not in str(error)
    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == ["a call failed"]


async def test_what_a_library_in_rust_panics_with_is_a_defect_like_any_other():
    class Panic(BaseException):
        pass

    async def get(request, context):
        raise Panic("the user's secret")

    async with serving(GetMetric=get) as stub:
        code, error = await refused(stub.GetMetric(pb.GetMetricRequest(name="metrics/x"), timeout=2))

    assert code is grpc.StatusCode.INTERNAL
    assert type(error) is errors.InternalError
    assert "secret" not in str(error)


async def test_a_full_disk_is_told_as_such():
    async def get(request, context):
        raise OSError(errno.ENOSPC, "No space left on device")

    async with serving(GetMetric=get) as stub:
        code, error = await refused(stub.GetMetric(pb.GetMetricRequest(name="metrics/x")))

    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert type(error) is errors.StorageFullError


async def test_an_error_in_the_middle_of_a_stream_follows_what_was_sent():
    async def watch(request, context):
        yield pb.WatchCatalogResponse(alias="metrics/x/aliases/a")
        raise errors.NotFoundError("Gone.")

    async with serving(WatchCatalog=watch) as stub:
        call = stub.WatchCatalog(pb.WatchCatalogRequest())
        first = await call.read()
        _, error = await refused(call.read())

    assert first.alias == "metrics/x/aliases/a"
    assert type(error) is errors.NotFoundError


async def test_a_method_that_is_not_written_is_unimplemented():
    async with serving() as stub:
        code, _ = await refused(stub.GetMetric(pb.GetMetricRequest(name="metrics/x")))

    assert code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_refused_and_the_next_one_served():
    async def create(request, context):
        return resources_pb2.Project(name="projects/p")

    async with serving(CreateProject=create) as stub:
        big = resources_pb2.Project(description="x" * 100_000)
        code, _ = await refused(stub.CreateProject(pb.CreateProjectRequest(project_id="p", project=big)))
        answer = await stub.CreateProject(pb.CreateProjectRequest(project_id="p"))

    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert answer.name == "projects/p"


async def test_an_error_with_more_to_say_than_a_trailer_holds_still_arrives():
    async def get(request, context):
        violations = [errors.Violation(f"line {n}", "x" * 200) for n in range(1000)]
        raise errors.DatasetInvalidError("y" * 5000, violations=violations, bad_row_count="1000")

    async with serving(GetMetric=get) as stub:
        _, error = await refused(stub.GetMetric(pb.GetMetricRequest(name="metrics/x")))

    assert type(error) is errors.DatasetInvalidError
    assert error.violations[0].field == "line 0"
    assert error.metadata == {"bad_row_count": "1000"}
