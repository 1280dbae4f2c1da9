"""Runs, and waiting for them over restarts of the trainer."""

import asyncio
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gnomon import errors
from gnomon.status import to_status
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer
from tests.sdk.serving import Failing, connected, serving

NAME = "projects/support/runs/first"
SETS = {"metric": "tone", "training_set": "tickets", "test_set": "tickets-test@2"}


def operation(_: Any) -> operations_pb2.Operation:
    answer = operations_pb2.Operation(name="operations/first")
    answer.metadata.Pack(pb.Run(name=NAME))
    return answer


def event(state: Any, step: int = 0, **fields: Any) -> trainer.WatchRunResponse:
    points = [pb.TrainingPoint(step=step, loss=1.0)] if step else []
    return trainer.WatchRunResponse(run=pb.Run(name=NAME, state=state, **fields), points=points)


class Watched:
    """Plays one list of events after another, one a call; each but the last breaks off at its end."""

    def __init__(self, *plays: list[trainer.WatchRunResponse]) -> None:
        self._plays = list(plays)
        self.after: list[int] = []

    async def __call__(self, request: Any, context: Any) -> Any:
        self.after.append(request.after_step)
        for message in self._plays.pop(0):
            yield message
        if self._plays:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")


async def test_a_run_is_created_from_short_names_and_parameters(kind: str) -> None:
    create = Failing(grpc.StatusCode.UNAVAILABLE, then=operation)
    async with serving(CreateRun=create) as address, connected(kind, address) as client:
        made = await client.runs.create("support", **SETS, epochs=3, learning_rate=2e-5, seed=None)
        assert made.run_name == NAME
    first, second = create.requests
    assert first == second
    assert first.parent == "projects/support"
    run = first.run
    assert (run.metric, run.training_set, run.test_set, run.recipe) == (
        "metrics/tone",
        "datasets/tickets",
        "datasets/tickets-test@2",
        "recipes/small",
    )
    assert (run.parameters.epochs, run.parameters.HasField("seed")) == (3, False)


@pytest.mark.parametrize(
    ("given", "named"), [("labelling", "labellings/first"), ("generation", "generations/first")]
)
async def test_a_run_may_wait_for_its_training_set(kind: str, given: str, named: str) -> None:
    create = Failing(then=operation)
    sets = {"metric": "tone", "test_set": "tickets-test"}
    async with serving(CreateRun=create) as address, connected(kind, address) as client:
        await client.runs.create("support", **sets, **{given: "first"})
    run = create.requests[0].run
    assert (getattr(run, given), run.training_set) == (named, "")


async def test_a_run_is_validated_with_what_would_create_it_and_needs_no_training_set(kind: str) -> None:
    create = Failing(then=operation)
    async with serving(CreateRun=create) as address, connected(kind, address) as client:
        found = await client.runs.validate(
            "support", run_id="first", metric="tone", test_set="tickets-test", allow_small=True, epochs=3
        )
    (request,) = create.requests
    assert (found.name, request.validate_only, request.run_id, request.request_id) == (
        NAME,
        True,
        "first",
        "",
    )
    assert (request.run.allow_small, request.run.parameters.epochs, request.run.training_set) == (True, 3, "")


async def test_a_run_that_is_tried_again_makes_its_training_set_once(kind: str) -> None:
    old = pb.Run(name=NAME, metric="metrics/tone", test_set="datasets/t@1", labelling="labellings/first")
    create = Failing(then=operation)
    for training_set in ("", "datasets/tickets@2"):
        old.training_set = training_set
        services = {"CreateRun": create, "GetRun": Failing(then=lambda _: old)}
        async with serving(**services) as address, connected(kind, address) as client:
            await client.runs.retry("support/first")
    waiting, made = (request.run for request in create.requests)
    assert (waiting.labelling, waiting.training_set) == ("labellings/first", "")
    assert (made.labelling, made.training_set) == ("", "datasets/tickets@2")


@pytest.mark.parametrize(("key", "value"), [("epoch", 3), ("epochs", "three"), ("epochs", 2**40)])
async def test_a_wrong_parameter_is_named_before_anything_is_sent(kind: str, key: str, value: Any) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidRequestError, match=f"parameters.{key}"):
            await client.runs.create("support", **SETS, **{key: value})


async def test_a_result_is_waited_for_over_restarts_of_the_trainer(kind: str) -> None:
    watched = Watched(
        [event(pb.Run.TRAINING, 10), event(pb.Run.TRAINING, 20)],
        [],
        [event(pb.Run.TRAINING, 30), event(pb.Run.REGISTERED, metric_version="metrics/tone/versions/1")],
    )
    told: list[tuple[Any, list[int]]] = []
    async with (
        serving(CreateRun=Failing(then=operation), WatchRun=watched) as address,
        connected(kind, address) as client,
    ):
        made = await client.runs.create("support", **SETS)
        run = await made.result(
            on_progress=lambda run, points: told.append((run.state, [p.step for p in points]))
        )
    assert run.metric_version == "metrics/tone/versions/1"
    assert watched.after == [0, 20, 20]
    assert [steps for _, steps in told] == [[10], [20], [30], []]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (
            event(pb.Run.FAILED, error=to_status(errors.StorageFullError("The disk is full."))),
            errors.StorageFullError,
        ),
        (event(pb.Run.FAILED), errors.TrainingFailedError),
        (event(pb.Run.CANCELLED), errors.CancelledError),
        (
            event(pb.Run.FINE_TUNED, error=to_status(errors.RegistryUnavailableError("Away."))),
            errors.RegistryUnavailableError,
        ),
    ],
)
async def test_a_run_that_ends_badly_raises_its_own_error(
    kind: str, last: trainer.WatchRunResponse, expected: type[Exception]
) -> None:
    watched = Watched([event(pb.Run.FINE_TUNED), last])  # fine-tuned without an error is on its way
    async with (
        serving(CreateRun=Failing(then=operation), WatchRun=watched) as address,
        connected(kind, address) as client,
    ):
        made = await client.runs.create("support", **SETS)
        with pytest.raises(expected):
            await made.result()


async def test_waiting_ends_with_its_time_limit_and_the_run_goes_on(kind: str) -> None:
    async def endless(request: Any, context: Any) -> Any:
        yield event(pb.Run.TRAINING)
        await asyncio.sleep(30)

    async with (
        serving(CreateRun=Failing(then=operation), WatchRun=endless) as address,
        connected(kind, address) as client,
    ):
        made = await client.runs.create("support", **SETS)
        with pytest.raises(errors.DeadlineExceededError, match=r"not ended within 0\.3 s"):
            await made.result(timeout_s=0.3)


async def test_a_run_nobody_knows_is_said_at_once(kind: str) -> None:
    async def unknown(request: Any, context: Any) -> Any:
        raise errors.NotFoundError("No such run.", resource=request.name)
        yield

    async with serving(WatchRun=unknown) as address, connected(kind, address) as client:
        with pytest.raises(errors.NotFoundError):
            async for _ in client.runs.watch("support/first"):
                pass


async def test_a_run_is_cancelled_by_its_operation(kind: str) -> None:
    asked: list[str] = []

    async def get(request: Any, context: Any) -> pb.Run:
        return pb.Run(name=request.name, operation="operations/first", state=pb.Run.CANCELLED)

    async def cancel(request: Any, context: Any) -> empty_pb2.Empty:
        asked.append(request.name)
        return empty_pb2.Empty()

    methods = {"GetRun": get, "CancelOperation": cancel, "CreateRun": Failing(then=operation)}
    async with serving(**methods) as address, connected(kind, address) as client:
        await client.runs.cancel("support/first")
        made = await client.runs.create("support", **SETS)
        await made.cancel()
        assert await made.done()
    assert asked == ["operations/first"] * 2


async def test_a_retry_is_a_new_run_of_the_same_things(kind: str) -> None:
    old = pb.Run(
        name=NAME,
        metric="metrics/tone",
        training_set="datasets/a@1",
        test_set="datasets/b@2",
        recipe="recipes/small",
        parameters=pb.TrainingParameters(epochs=2),
        state=pb.Run.FAILED,
        allow_small=True,
        service_objective=pb.ServiceObjective(peak_qps=5, input_tokens=9, p95_ms=50),
    )
    create = Failing(then=operation)
    methods = {"GetRun": Failing(then=lambda _: old), "CreateRun": create}
    async with serving(**methods) as address, connected(kind, address) as client:
        await client.runs.retry("support/first", run_id="second")
    request = create.requests[0]
    assert (request.parent, request.run_id) == ("projects/support", "second")
    assert (request.run.training_set, request.run.parameters.epochs) == ("datasets/a@1", 2)
    assert request.run.service_objective == old.service_objective
    assert request.run.state == pb.Run.STATE_UNSPECIFIED


async def test_a_load_to_carry_is_given_in_plain_words(kind: str) -> None:
    create = Failing(then=operation)
    asked = {"peak_qps": 5, "input_tokens": 9, "p95_ms": 50.0, "on_miss": "refuse"}
    sets = {"metric": "tone", "training_set": "a", "test_set": "b"}
    async with serving(CreateRun=create) as address, connected(kind, address) as client:
        await client.runs.create("support", service_objective=asked, **sets)
        await client.runs.create("support", **sets)
        with pytest.raises(errors.InvalidRequestError, match="warn or refuse"):
            await client.runs.create("support", service_objective=asked | {"on_miss": "cry"}, **sets)
        with pytest.raises(errors.InvalidRequestError, match="service_objective"):
            await client.runs.create("support", service_objective={"qps": 5}, **sets)
    first, second = (request.run for request in create.requests)
    assert first.service_objective == pb.ServiceObjective(
        peak_qps=5, input_tokens=9, p95_ms=50, on_miss=pb.ServiceObjective.REFUSE
    )
    assert not second.HasField("service_objective")


async def test_renaming_writes_the_display_name_alone(kind: str) -> None:
    update = Failing(then=lambda request: request.run)
    async with serving(UpdateRun=update) as address, connected(kind, address) as client:
        assert (await client.runs.rename("support/first", "Second try")).display_name == "Second try"
    assert list(update.requests[0].update_mask.paths) == ["display_name"]


async def test_two_runs_are_compared_by_their_short_names(kind: str) -> None:
    async def compare(request: Any, context: Any) -> trainer.CompareRunsResponse:
        if request.second_run.endswith("/other"):
            raise errors.RunsNotComparableError("Other rows.", resource=request.first_run, other="x")
        return trainer.CompareRunsResponse(first_run=request.first_run, second_run=request.second_run)

    async with serving(CompareRuns=compare) as address, connected(kind, address) as client:
        found = await client.runs.compare("support/first", "support/second")
        assert (found.first_run, found.second_run) == (NAME, "projects/support/runs/second")
        with pytest.raises(errors.RunsNotComparableError) as caught:
            await client.runs.compare("support/first", "support/other")
    assert caught.value.metadata == {"resource": NAME, "other": "x"}


async def test_what_a_report_shall_show_goes_with_the_run_and_with_its_retry(kind: str) -> None:
    create = Failing(then=operation)

    async def get(request: Any, context: Any) -> pb.Run:
        run = pb.Run(name=NAME)
        run.MergeFrom(create.requests[0].run)
        return run

    async with serving(CreateRun=create, GetRun=get) as address, connected(kind, address) as client:
        await client.runs.create("support", **SETS, slice_columns=["language"], judge_column="gpt")
        await client.runs.retry(NAME)
        await client.runs.create("support", **SETS)
    asked = [request.run.report_options for request in create.requests]
    assert asked[0] == asked[1] == pb.ReportOptions(slice_columns=["language"], judge_column="gpt")
    assert not create.requests[2].run.HasField("report_options")
