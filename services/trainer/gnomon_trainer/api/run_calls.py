"""The methods of `TrainerService` that concern recipes and runs."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import json_format

from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import (
    DatasetName,
    GenerationName,
    LabellingName,
    MetricName,
    ProjectName,
    RecipeName,
    RunName,
    check_id,
)
from gnomon.threads import in_thread
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc import pages
from gnomon_rpc.request_ids import request_key
from gnomon_trainer.api.dataset_calls import as_request
from gnomon_trainer.api.messages import (
    operation_message,
    point_message,
    prediction_message,
    recipe_message,
    run_message,
)
from gnomon_trainer.domain.recipes import DEFAULT
from gnomon_trainer.domain.run_orders import RunOrder
from gnomon_trainer.domain.run_use_cases import Runs
from gnomon_trainer.domain.runs import Run
from gnomon_trainer.domain.service_objective import OnMiss, ServiceObjective
from gnomon_trainer.domain.training import ReportOptions

_ALL_PROJECTS = "projects/-"
_UPDATABLE = {"display_name"}


class RunCalls:
    """Answers calls about recipes and runs."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def list_recipes(self, request: pb.ListRecipesRequest) -> pb.ListRecipesResponse:
        size = pages.page_size(request.page_size)
        after = pages.read_token(request) or ""
        found = [recipe for recipe in self._runs.planner.recipes.all() if recipe.recipe > after][: size + 1]
        last = found[size - 1].recipe if len(found) > size else None
        problem = self._runs.planner.recipes.base_model_problem
        return pb.ListRecipesResponse(
            recipes=[recipe_message(recipe, problem(recipe.base_model)) for recipe in found[:size]],
            next_page_token=pages.make_token(request, last),
        )

    async def create(self, request: pb.CreateRunRequest) -> Any:
        run = request.run
        training_set, made_by = _training_set(request)
        order = RunOrder(
            project=ProjectName.parse(request.parent, "parent"),
            run=check_id(request.run_id, "run_id") if request.run_id else "",
            metric=MetricName.parse(run.metric, "run.metric"),
            training_set=training_set,
            test_set=DatasetName.parse(run.test_set, "run.test_set"),
            recipe=RecipeName.parse(run.recipe or f"recipes/{DEFAULT}", "run.recipe"),
            parameters={field.name: value for field, value in run.parameters.ListFields()},
            allow_small=run.allow_small,
            display_name=run.display_name,
            service_objective=_objective(run),
            report_options=_report_options(run),
            made_by=made_by,
        )
        if request.validate_only:
            return _validated(await self._runs.create(order, validate_only=True))
        return operation_message(await self._runs.create(order, as_request(request_key(request))))

    async def get(self, request: pb.GetRunRequest) -> resources.Run:
        run = await self._runs.get(RunName.parse(request.name))
        return run_message(run, await self._runs.latest_point(run))

    async def list(self, request: pb.ListRunsRequest) -> pb.ListRunsResponse:
        projects = None
        if request.parent != _ALL_PROJECTS:
            projects = frozenset({ProjectName.parse(request.parent, "parent").project})
        size = pages.page_size(request.page_size)
        before = pages.read_token(request)
        found = await self._runs.page(projects, number(before), size + 1)
        last = str(found[size - 1].number) if len(found) > size else None
        return pb.ListRunsResponse(
            runs=map(run_message, found[:size]), next_page_token=pages.make_token(request, last)
        )

    async def update(self, request: pb.UpdateRunRequest) -> resources.Run:
        name = RunName.parse(request.run.name, "run.name")
        paths = set(request.update_mask.paths)
        unknown = sorted(paths - _UPDATABLE - {"*"})
        if unknown:
            raise InvalidRequestError(
                f"{unknown[0][:40]!r} cannot be updated; only display_name can.",
                violations=[Violation("update_mask", "must be display_name")],
            )
        if not paths and not request.run.display_name:
            return run_message(await self._runs.get(name))
        return run_message(await self._runs.rename(name, request.run.display_name, request.run.etag))

    async def resume(self, request: pb.ResumeRunRequest) -> Any:
        return operation_message(await self._runs.resume(RunName.parse(request.name)))

    async def watch(self, request: pb.WatchRunRequest) -> AsyncIterator[pb.WatchRunResponse]:
        latest = None
        name = RunName.parse(request.name)
        async with aclosing(self._runs.watch(name, request.after_step)) as changes:
            async for run, points in changes:
                latest = points[-1] if points else latest
                yield pb.WatchRunResponse(run=run_message(run, latest), points=map(point_message, points))

    async def compare(self, request: pb.CompareRunsRequest) -> pb.CompareRunsResponse:
        names = RunName.parse(request.first_run, "first_run"), RunName.parse(request.second_run, "second_run")
        first, second, found = await self._runs.compare(*names)
        head = {"first_run": str(first.name), "second_run": str(second.name), "test_set": first.spec.test_set}
        return json_format.ParseDict({**head, **found}, pb.CompareRunsResponse())

    async def list_predictions(self, request: pb.ListPredictionsRequest) -> pb.ListPredictionsResponse:
        size = pages.page_size(request.page_size)
        after = number(pages.read_token(request)) or 0
        found = await self._runs.predictions_page(RunName.parse(request.parent, "parent"), after, size + 1)
        page, last = await in_thread(pages.filled, found, size, prediction_message)
        key = None if last is None else str(last.row.number)
        return pb.ListPredictionsResponse(predictions=page, next_page_token=pages.make_token(request, key))


def _training_set(request: pb.CreateRunRequest) -> tuple[DatasetName | None, str]:
    """Return the training set, and the work that makes it: exactly one of the two, if not only validated."""
    run = request.run
    match [field for field in ("training_set", "labelling", "generation") if getattr(run, field)]:
        case []:
            if request.validate_only:
                return None, ""
        case ["training_set"]:
            return DatasetName.parse(run.training_set, "run.training_set"), ""
        case ["labelling"]:
            return None, str(LabellingName.parse(run.labelling, "run.labelling"))
        case ["generation"]:
            return None, str(GenerationName.parse(run.generation, "run.generation"))
    rule = "must be set, or labelling, or generation: exactly one of the three"
    raise InvalidRequestError(f"run.training_set {rule}.", violations=[Violation("run.training_set", rule)])


def _validated(run: Run) -> Any:
    """Return the operation that tells what would be created."""
    message = run_message(run)
    message.ClearField("operation")
    operation = operations_pb2.Operation()
    operation.metadata.Pack(message)
    return operation


def _objective(run: resources.Run) -> ServiceObjective | None:
    if not run.HasField("service_objective"):
        return None
    asked = run.service_objective
    return ServiceObjective(
        input_tokens=asked.input_tokens,
        p95_ms=asked.p95_ms,
        average_qps=asked.average_qps,
        peak_qps=asked.peak_qps,
        on_miss=OnMiss.REFUSE if asked.on_miss == resources.ServiceObjective.REFUSE else OnMiss.WARN,
    )


def _report_options(run: resources.Run) -> ReportOptions:
    asked = run.report_options
    return ReportOptions(tuple(asked.slice_columns), asked.judge_column)


def number(key: str | None) -> int | None:
    """Return the number that a page token's key holds."""
    if key is None:
        return None
    if not key.isdecimal() or len(key) > 18:
        raise InvalidRequestError(
            "The page_token is not one that this service gave.",
            violations=[Violation("page_token", "is not one that this service gave")],
        )
    return int(key)
