"""From the domain's values to messages."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2

from gnomon import convert
from gnomon.errors import BY_REASON, GnomonError
from gnomon.status import to_status
from gnomon.v1 import resources_pb2 as pb
from gnomon_trainer.domain import parameter_search, settled_parameters
from gnomon_trainer.domain.datasets import Dataset
from gnomon_trainer.domain.findings import Finding
from gnomon_trainer.domain.recipes import Recipe
from gnomon_trainer.domain.run_use_cases import PredictedRow
from gnomon_trainer.domain.runs import Run, RunFailure, RunState
from gnomon_trainer.domain.training import Point, ReportOptions
from gnomon_trainer.domain.work_progress import WorkProgress


def dataset_message(dataset: Dataset, *, is_checked_now: bool = False) -> pb.Dataset:
    message = pb.Dataset(
        name=f"datasets/{dataset.dataset}",
        version=dataset.version,
        digest=dataset.digest,
        display_name=dataset.display_name,
        metric=dataset.metric,
        state=dataset.state(is_checked_now=is_checked_now).name,
        findings=map(finding_message, dataset.findings),
        row_count=dataset.row_count,
        class_counts=dataset.class_counts,
        extra_columns=dataset.extra_columns,
        size_bytes=dataset.size_bytes,
        source_filename=dataset.source_filename,
        review=dataset.review,
        labelling=dataset.labelling,
        generation=dataset.generation,
        unlabelled=dataset.unlabelled,
        create_time=timestamp(dataset.create_time),
    )
    if dataset.delete_time is not None:
        message.delete_time.CopyFrom(timestamp(dataset.delete_time))
    return message


def finding_message(finding: Finding) -> pb.Dataset.Finding:
    return pb.Dataset.Finding(
        code=finding.code,
        message=finding.message,
        rows=finding.rows,
        row_count=finding.row_count,
        matches=finding.matches,
    )


def recipe_message(recipe: Recipe, problem: str | None) -> pb.Recipe:
    return pb.Recipe(
        name=f"recipes/{recipe.recipe}",
        display_name=recipe.display_name,
        description=recipe.description,
        base_model=recipe.base_model,
        parameters=pb.TrainingParameters(**asdict(recipe.parameters)),
        available=problem is None,
        unavailable_reason=problem or "",
    )


def run_message(run: Run, latest: Point | None = None) -> pb.Run:
    """Return the run; `latest` is the newest point of its curves."""
    spec = run.spec
    message = pb.Run(
        name=str(run.name),
        display_name=run.display_name,
        metric=spec.metric.name,
        training_set=spec.training_set,
        test_set=spec.test_set,
        labelling=spec.made_by if spec.made_by.startswith("labellings/") else "",
        generation=spec.made_by if spec.made_by.startswith("generations/") else "",
        recipe=spec.recipe,
        parameters=pb.TrainingParameters(**spec.requested),
        allow_small=spec.allow_small,
        state=run.state.name,
        operation=str(run.operation),
        error=status_message(run.error),
        progress=_progress(run, latest),
        resolved_parameters=_resolved(run),
        findings=map(finding_message, spec.findings),
        metric_version=run.metric_version,
        chosen_recipe=spec.chosen_recipe,
        attempts=run.attempts,
        etag=run.etag,
        create_time=timestamp(run.create_time),
    )
    if (objective := spec.service_objective) is not None:
        asked = asdict(objective) | {"on_miss": objective.on_miss.name}
        message.service_objective.CopyFrom(pb.ServiceObjective(**asked))
    if spec.report_options != ReportOptions():
        message.report_options.CopyFrom(pb.ReportOptions(**asdict(spec.report_options)))
    if (origin := spec.feedback_origin) is not None:
        message.feedback_origin.CopyFrom(pb.FeedbackOrigin(**asdict(origin)))
    if run.report is not None:
        _read_report(run.report, message.report)
    if run.start_time is not None:
        message.start_time.CopyFrom(timestamp(run.start_time))
    if run.end_time is not None:
        message.end_time.CopyFrom(timestamp(run.end_time))
    return message


def _resolved(run: Run) -> list[pb.ResolvedParameter]:
    """Return every parameter as the run used it; what its rows or a search settled is told by its report.

    While the training set is open, so are they.
    """
    if run.spec.is_open:
        return []
    settled = settled_parameters.found(run.report)
    found = parameter_search.found(run.report)
    origins = {
        **run.spec.origins,
        **dict.fromkeys(settled, settled_parameters.ORIGIN),
        **dict.fromkeys(found, parameter_search.ORIGIN),
    }
    return [
        pb.ResolvedParameter(
            key=key,
            value=f"{value:g}" if isinstance(value, float) else str(value),
            origin=origins.get(key, "recipe"),
        )
        for key, value in {**asdict(run.spec.parameters), **settled, **found}.items()
    ]


def _read_report(report: Mapping[str, Any], message: pb.EvaluationReport) -> None:
    json_format.ParseDict(dict(report), message, ignore_unknown_fields=True)


def _progress(run: Run, latest: Point | None) -> pb.RunProgress:
    progress = pb.RunProgress(
        stage=run.progress.stage.name if run.progress.stage else pb.RunProgress.STAGE_UNSPECIFIED,
        step=run.progress.step,
        total_steps=run.progress.total_steps,
    )
    if run.progress.remaining_s is not None:
        progress.remaining.CopyFrom(duration(run.progress.remaining_s))
    if latest is not None:
        progress.latest.CopyFrom(point_message(latest))
    if run.progress.work is not None:
        progress.work.CopyFrom(_work_progress(run.progress.work))
    return progress


def _work_progress(work: WorkProgress) -> pb.TrainingSetProgress:
    message = pb.TrainingSetProgress(
        done_count=work.done,
        failed_count=work.failed,
        total_count=work.total,
        input_tokens=work.input_tokens,
        output_tokens=work.output_tokens,
        cost=work.cost,
        estimated_cost=work.estimated_cost,
        awaits_review=work.awaits_review,
    )
    if work.remaining_s is not None:
        message.remaining.CopyFrom(duration(work.remaining_s))
    return message


def point_message(point: Point) -> pb.TrainingPoint:
    return pb.TrainingPoint(**{key: value for key, value in asdict(point).items() if value is not None})


def operation_message(run: Run, latest: Point | None = None) -> operations_pb2.Operation:
    """Return the operation that is a view of the run."""
    message = run_message(run, latest)
    operation = operations_pb2.Operation(name=str(run.operation), done=run.is_done)
    operation.metadata.Pack(message)
    if run.error is not None:
        operation.error.CopyFrom(message.error)
    elif run.state is RunState.REGISTERED:
        operation.response.Pack(message)
    return operation


def prediction_message(predicted: PredictedRow) -> pb.Prediction:
    classes = zip(predicted.classes, predicted.probabilities, predicted.logits, strict=True)
    return pb.Prediction(
        row=predicted.row.number,
        instance=convert.instance_to_proto(predicted.row.instance),
        true_label=predicted.row.label,
        score=pb.Score(
            label=predicted.label,
            classes=[pb.Score.ClassScore(label=c, probability=p, logit=x) for c, p, x in classes],
            flagged=predicted.flagged,
            threshold=predicted.threshold,
            token_count=predicted.token_count,
            truncated=predicted.truncated,
            window_count=predicted.window_count,
            deciding_window=predicted.deciding_window,
            abstained=predicted.abstained,
        ),
    )


def status_message(error: RunFailure | None) -> status_pb2.Status | None:
    if error is None:
        return None
    raised = BY_REASON.get(error.reason, GnomonError)(error.message)
    raised.metadata = dict(error.metadata)
    status = to_status(raised)
    status.code = error.code
    return status


def timestamp(seconds: float) -> Timestamp:
    """Return seconds since the epoch as a message."""
    stamp = Timestamp()
    stamp.FromMicroseconds(int(seconds * 1e6))
    return stamp


def duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(int(seconds * 1000))
    return duration
