"""The three services on one real port, with answers from memory: enough for the command line to talk to."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gnomon.errors import (
    AlreadyExistsError,
    DatasetInvalidError,
    InstanceInvalidError,
    NotFoundError,
    RunsNotComparableError,
    Violation,
)
from gnomon.status import to_status
from gnomon.v1 import registry_service_pb2 as registry_pb
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer_pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from tests.cli.fake_feedback import FakeFeedback
from tests.cli.fake_generations import FakeGenerations
from tests.cli.fake_reviews import FakeReviews
from tests.sdk.serving import serving


def a_comparison() -> pb.PairedComparison:
    """Return the lead of one method over another."""
    return pb.PairedComparison(
        rows=200,
        differences=[
            pb.Measure(key="accuracy", value=0.11, low=0.05, high=0.17),
            pb.Measure(key="macro_f1", value=0.02, low=-0.03, high=0.07),
        ],
        only_first_right=30,
        only_second_right=8,
        mcnemar_p=0.0005,
    )


def a_report() -> pb.EvaluationReport:
    """Return a small but whole report."""
    return pb.EvaluationReport(
        test_rows=200,
        training_rows=400,
        validation_rows=80,
        measures=[
            pb.Measure(key="macro_f1", value=0.91, low=0.88, high=0.94),
            pb.Measure(key="accuracy", value=0.92, low=0.89, high=0.95),
        ],
        classes=[
            pb.ClassReport(
                label=label, rows=100, measures=[pb.Measure(key="f1", value=0.9, low=0.8, high=0.95)]
            )
            for label in ("false", "true")
        ],
        confusion_matrix=[95, 5, 11, 89],
        baselines=[
            pb.Baseline(
                key="majority_class", measures=[pb.Measure(key="macro_f1", value=0.33, low=0.33, high=0.33)]
            ),
            pb.Baseline(
                key="tfidf_logistic_regression",
                measures=[pb.Measure(key="macro_f1", value=0.8, low=0.75, high=0.85)],
                comparison=a_comparison(),
            ),
        ],
        calibration=pb.CalibrationReport(
            method="temperature", temperature=1.5, rows=80, ece_before=0.09, ece_after=0.03
        ),
        threshold=pb.ThresholdReport(value=0.45, aim="best_f1", rows=80),
        slices=[
            pb.Slice(
                key="column:language",
                value="de",
                rows=12,
                few_rows=True,
                measures=[
                    pb.Measure(key="accuracy", value=0.75, low=0.5, high=1.0),
                    pb.Measure(key="accuracy_difference", value=-0.18, low=-0.4, high=0.05),
                ],
            )
        ],
        worst_rows=[
            pb.WorstRow(row=2, true_label="false", label="true", true_probability=0.1, probability=0.9)
        ],
        judge=pb.JudgeReport(
            column="judge_label",
            rows=150,
            unreadable_rows=3,
            measures=[pb.Measure(key="agreement", value=0.87, low=0.8, high=0.93)],
            comparison=a_comparison(),
        ),
        curves=[
            pb.Curve(key="roc", label="true", x=[0, 0.1, 1], y=[0, 0.8, 1]),
            pb.Curve(key="precision_recall", label="true", x=[0, 1], y=[1, 0.5]),
            pb.Curve(key="reliability", x=[0.2, 0.9], y=[0.25, 0.85], rows=[120, 80]),
        ],
        formats=[
            pb.FormatReport(
                format="onnx-fp32",
                passed=True,
                rows=80,
                measures=[pb.Measure(key="max_logit_difference", value=2e-6, low=2e-6, high=2e-6)],
            )
        ],
        warnings=["The test set has fewer than 300 rows."],
    )


class FakeServices(FakeReviews, FakeFeedback, FakeGenerations):
    """What the services would remember. Methods are named as in the protos."""

    def __init__(self) -> None:
        super().__init__()
        self.projects: dict[str, pb.Project] = {}
        self.metrics: dict[str, pb.Metric] = {}
        self.aliases: dict[str, pb.Alias] = {}
        self.runs: dict[str, pb.Run] = {}
        self.uploads: list[tuple[Any, bytes]] = []
        self.create_runs: list[trainer_pb.CreateRunRequest] = []
        self.score_requests: list[scorer_pb.ScoreRequest] = []
        self.run_ends_as: pb.Run.State.ValueType = pb.Run.REGISTERED

    # ------------------------------------------------------------ registry

    async def CreateProject(self, request: Any, context: Any) -> pb.Project:
        return self._create(self.projects, f"projects/{request.project_id}", request.project)

    async def GetProject(self, request: Any, context: Any) -> pb.Project:
        return _get(self.projects, request.name)

    async def ListProjects(self, request: Any, context: Any) -> Any:
        return registry_pb.ListProjectsResponse(projects=self.projects.values())

    async def UpdateProject(self, request: Any, context: Any) -> pb.Project:
        project = _get(self.projects, request.project.name)
        for path in request.update_mask.paths:
            setattr(project, path, getattr(request.project, path))
        return project

    async def DeleteProject(self, request: Any, context: Any) -> empty_pb2.Empty:
        _get(self.projects, request.name)
        del self.projects[request.name]
        return empty_pb2.Empty()

    async def CheckDataset(self, request: Any, context: Any) -> Any:
        finding = pb.Dataset.Finding(
            code="LIKELY_MISLABELLED", message="2 of 300 rows.", rows=[4, 9], row_count=2
        )
        dataset = pb.Dataset(
            name=request.name, version=1, state="VALIDATED_WITH_WARNINGS", findings=[finding]
        )
        said = [pb.Message(role="user", content="Where is my [red] card?")]
        suspects = [
            trainer_pb.SuspectLabel(
                row=row,
                instance=pb.Instance(span=pb.Span(input=said)),
                label="true",
                suggested_label="false",
                label_probability=0.04,
                suggested_probability=0.96,
            )
            for row in (9, 4)
        ]
        return trainer_pb.CheckDatasetResponse(dataset=dataset, suspect_labels=suspects)

    async def CreateMetric(self, request: Any, context: Any) -> pb.Metric:
        return self._create(self.metrics, f"metrics/{request.metric_id}", request.metric)

    async def GetMetric(self, request: Any, context: Any) -> pb.Metric:
        return _get(self.metrics, request.name)

    async def ListMetrics(self, request: Any, context: Any) -> Any:
        return registry_pb.ListMetricsResponse(metrics=self.metrics.values())

    async def GetMetricVersion(self, request: Any, context: Any) -> pb.MetricVersion:
        return pb.MetricVersion(name=request.name, report=a_report(), threshold=0.45, aliases=["production"])

    async def ListMetricVersions(self, request: Any, context: Any) -> Any:
        versions = [
            pb.MetricVersion(name=f"{request.parent}/versions/{n}", report=a_report()) for n in (2, 1)
        ]
        return registry_pb.ListMetricVersionsResponse(metric_versions=versions)

    async def SetAlias(self, request: Any, context: Any) -> pb.Alias:
        self.aliases[request.alias.name] = request.alias
        return request.alias

    async def GetAlias(self, request: Any, context: Any) -> pb.Alias:
        return _get(self.aliases, request.name)

    async def ListAliases(self, request: Any, context: Any) -> Any:
        return registry_pb.ListAliasesResponse(aliases=self.aliases.values())

    async def ListAliasEvents(self, request: Any, context: Any) -> Any:
        event = pb.AliasEvent(alias=request.parent, new_metric_version="metrics/tone/versions/1")
        return registry_pb.ListAliasEventsResponse(alias_events=[event])

    async def DeleteAlias(self, request: Any, context: Any) -> empty_pb2.Empty:
        _get(self.aliases, request.name)
        del self.aliases[request.name]
        return empty_pb2.Empty()

    # ------------------------------------------------------------- trainer

    async def UploadDataset(self, requests: AsyncIterator[Any], context: Any) -> Any:
        header, content = None, b""
        async for request in requests:
            if request.WhichOneof("part") == "header":
                header = request.header
            else:
                content += request.content
        assert header is not None
        self.uploads.append((header, content))
        if b",maybe\n" in content and not header.allow_partial:
            raise DatasetInvalidError(
                "1 of 2 rows is bad.",
                violations=[Violation('line 2, column "label"', "'maybe' is no label; use true or false")],
                bad_row_count="1",
                row_count="2",
            )
        dataset = pb.Dataset(
            name=f"datasets/{header.dataset_id}", version=1, row_count=2, metric=header.metric
        )
        dataset.class_counts.update({"true": 1, "false": 1})
        return trainer_pb.UploadDatasetResponse(dataset=dataset)

    async def ListRecipes(self, request: Any, context: Any) -> Any:
        parameters = pb.TrainingParameters(epochs=8, learning_rate=1e-4, search_minutes=0.0, pooling="mean")
        small = pb.Recipe(name="recipes/small", available=True, parameters=parameters)
        return trainer_pb.ListRecipesResponse(recipes=[small])

    async def CreateRun(self, request: Any, context: Any) -> operations_pb2.Operation:
        self.create_runs.append(request)
        run = pb.Run(name=f"{request.parent}/runs/{request.run_id or 'r1'}", state=pb.Run.QUEUED)
        run.MergeFrom(request.run)
        self.runs[run.name] = run
        operation = operations_pb2.Operation(name="operations/r1")
        operation.metadata.Pack(run)
        return operation

    async def GetRun(self, request: Any, context: Any) -> pb.Run:
        return _get(self.runs, request.name)

    async def ListRuns(self, request: Any, context: Any) -> Any:
        return trainer_pb.ListRunsResponse(runs=self.runs.values())

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        run = _get(self.runs, request.name)
        run.state = pb.Run.TRAINING
        run.progress.stage = pb.RunProgress.FINE_TUNING
        run.progress.total_steps = 3
        run.progress.remaining.FromSeconds(95)
        for step in (1, 2, 3):
            run.progress.step = step
            point = pb.TrainingPoint(step=step, loss=1 / step, validation_macro_f1=0.3 * step)
            yield trainer_pb.WatchRunResponse(run=run, points=[point])
        run.state = self.run_ends_as
        if run.state == pb.Run.REGISTERED:
            run.metric_version = f"{run.metric}/versions/1"
            run.report.CopyFrom(a_report())
        else:
            run.error.CopyFrom(to_status(NotFoundError("The disk went away.")))
        yield trainer_pb.WatchRunResponse(run=run)

    async def CompareRuns(self, request: Any, context: Any) -> Any:
        if "other" in request.second_run:
            raise RunsNotComparableError("They were measured on other rows.", resource=request.first_run)
        difference = pb.Measure(key="accuracy", value=0.11, low=0.05, high=0.17)
        pair = trainer_pb.MeasurePair(key="accuracy", first=0.92, second=0.81, difference=difference)
        return trainer_pb.CompareRunsResponse(
            first_run=request.first_run,
            second_run=request.second_run,
            test_set="datasets/test@2",
            measures=[pair],
            comparison=a_comparison(),
            flipped_rows=[
                trainer_pb.FlippedRow(
                    row=7,
                    true_label="true",
                    first_label="true",
                    second_label="false",
                    first_true_probability=0.8,
                    second_true_probability=0.3,
                )
            ],
            flipped_row_count=38,
            slices=[
                trainer_pb.SlicePair(
                    key="column:language", value="[b]de[/b]", rows=12, few_rows=True, accuracy=pair
                )
            ],
        )

    async def ListPredictions(self, request: Any, context: Any) -> Any:
        def prediction(row: int, true_label: str, label: str) -> pb.Prediction:
            span = pb.Span(input=[pb.Message(content=f"question [{row}]")])
            return pb.Prediction(
                row=row,
                true_label=true_label,
                instance=pb.Instance(span=span),
                score=a_score("metrics/tone", label),
            )

        predictions = [prediction(1, "true", "true"), prediction(2, "false", "true")]
        return trainer_pb.ListPredictionsResponse(predictions=predictions)

    # -------------------------------------------------------------- scorer

    async def Score(self, request: Any, context: Any) -> scorer_pb.ScoreResponse:
        self.score_requests.append(request)
        if any("unknown" in name for name in request.metric_versions):
            raise NotFoundError("There is no metric unknown.", resource="metrics/unknown")
        return scorer_pb.ScoreResponse(results=[_result(request, instance) for instance in request.instances])

    async def ScoreStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        versions: list[str] = []
        async for request in requests:
            if request.metric_versions:
                if any("unknown" in name for name in request.metric_versions):
                    raise NotFoundError("There is no metric unknown.", resource="metrics/unknown")
                versions = [name.replace("production", "3") for name in request.metric_versions]
                yield scorer_pb.ScoreStreamResponse(metric_versions=versions)
            if request.instances:
                self.score_requests.append(request)
                whole = scorer_pb.ScoreRequest(metric_versions=versions, instances=request.instances)
                yield scorer_pb.ScoreStreamResponse(results=[_result(whole, one) for one in whole.instances])

    async def ListLoadedVersions(self, request: Any, context: Any) -> Any:
        version = scorer_pb.LoadedVersion(
            metric_version="metrics/tone/versions/1",
            state=scorer_pb.LoadedVersion.READY,
            format="onnx-fp32",
            memory_bytes=90_000_000,
        )
        return scorer_pb.ListLoadedVersionsResponse(loaded_versions=[version])

    def _create(self, shelf: dict[str, Any], name: str, message: Any) -> Any:
        if name in shelf:
            raise AlreadyExistsError(f"{name} exists already.", resource=name)
        shelf[name] = message
        message.name = name
        return message


def _get(shelf: dict[str, Any], name: str) -> Any:
    if name not in shelf:
        raise NotFoundError(f"There is no {name}.", resource=name)
    return shelf[name]


def a_score(version: str, label: str) -> pb.Score:
    probability = 0.9 if label == "true" else 0.2
    return pb.Score(
        metric_version=version,
        label=label,
        flagged=label == "true",
        threshold=0.45,
        token_count=7,
        classes=[
            pb.Score.ClassScore(label="false", probability=1 - probability),
            pb.Score.ClassScore(label="true", probability=probability),
        ],
    )


def _result(request: scorer_pb.ScoreRequest, instance: pb.Instance) -> scorer_pb.InstanceResult:
    """A text that promises is `true`; one that is empty cannot be scored."""
    spans = instance.trace.spans or [instance.span]
    text = " ".join(message.content for span in spans for message in span.output)
    outcomes = []
    for name in request.metric_versions:
        if text:
            numbered = name.replace("production", "3")
            score = a_score(numbered, "true" if "promise" in text else "false")
            outcomes.append(scorer_pb.ScoreOutcome(score=score))
        else:
            error = InstanceInvalidError("The metric reads the output of a span; this one has none.")
            outcomes.append(scorer_pb.ScoreOutcome(error=to_status(error)))
    return scorer_pb.InstanceResult(outcomes=outcomes)


class RunningFake:
    """Serves a FakeServices from a thread of its own."""

    def __init__(self) -> None:
        self.services = FakeServices()
        self.address = ""
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> "RunningFake":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        methods = {name: getattr(self.services, name) for name in dir(self.services) if name[0].isupper()}
        async with serving(**methods) as self.address:
            self._ready.set()
            await self._stop.wait()
