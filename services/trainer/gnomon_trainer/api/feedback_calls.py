"""The methods of `TrainerService` that concern feedback."""

from typing import Any

from gnomon import convert
from gnomon.errors import GnomonError, InvalidRequestError, Violation
from gnomon.names import MetricName, MetricVersionName, ProjectName, check_id
from gnomon.status import to_status
from gnomon.threads import in_thread
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc import caller, pages
from gnomon_rpc.request_ids import request_key
from gnomon_trainer.api.dataset_calls import as_request
from gnomon_trainer.api.messages import dataset_message, operation_message, timestamp
from gnomon_trainer.api.run_calls import number
from gnomon_trainer.domain.feedback import Feedback, FeedbackEntry, Outcome
from gnomon_trainer.domain.feedback_use_cases import FeedbackCases, NextRunOrder
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.run_use_cases import check_display_name
from gnomon_trainer.domain.training import MetricDefinition


class FeedbackCalls:
    """Answers calls about feedback."""

    def __init__(self, feedback: FeedbackCases) -> None:
        self._feedback = feedback

    async def record(self, request: pb.RecordFeedbackRequest) -> pb.RecordFeedbackResponse:
        entries = [_entry_or_error(entry) for entry in request.entries]
        outcomes = await self._feedback.record(entries, as_request(request_key(request)))
        return pb.RecordFeedbackResponse(outcomes=map(_outcome_message, outcomes, request.entries))

    async def list(self, request: pb.ListFeedbackRequest) -> pb.ListFeedbackResponse:
        name = MetricName.parse(request.parent, "parent")
        size = pages.page_size(request.page_size)
        found, metric = await self._feedback.page(name, number(pages.read_token(request)), size + 1)
        page, last = await in_thread(pages.filled, found, size, lambda said: _stored_message(said, metric))
        key = None if last is None else str(last.number)
        return pb.ListFeedbackResponse(feedback=page, next_page_token=pages.make_token(request, key))

    async def collect(self, request: pb.CollectFeedbackRequest) -> Any:
        dataset = check_id(request.dataset_id, "dataset_id") if request.dataset_id else ""
        return dataset_message(
            await self._feedback.collect(MetricName.parse(request.parent, "parent"), dataset)
        )

    async def train(self, request: pb.TrainFromFeedbackRequest) -> Any:
        order = NextRunOrder(
            metric_version=MetricVersionName.parse(request.metric_version, "metric_version"),
            project=_project(request),
            run=check_id(request.run_id, "run_id") if request.run_id else "",
            display_name=check_display_name(request.display_name),
        )
        return operation_message(await self._feedback.train(order, as_request(request_key(request))))


def _entry_or_error(entry: resources.Feedback) -> FeedbackEntry | GnomonError:
    try:
        return _entry(entry)
    except GnomonError as error:
        return error


def _entry(entry: resources.Feedback) -> FeedbackEntry:
    for field in ("metric_version", "label"):
        if not getattr(entry, field):
            raise InvalidRequestError(f"{field} is missing.", violations=[Violation(field, "must be set")])
    return FeedbackEntry(
        metric_version=MetricVersionName.parse(entry.metric_version, "metric_version"),
        instance=convert.instance_from_proto(entry.instance),
        label=entry.label,
        score_label=entry.score_label,
        score_probability=entry.score_probability if entry.HasField("score_probability") else None,
        reviewer=entry.reviewer,
        review_time=entry.review_time.ToNanoseconds() / 1e9 if entry.HasField("review_time") else None,
        comment=entry.comment,
        external_id=entry.external_id,
    )


def _outcome_message(outcome: Outcome, entry: resources.Feedback) -> pb.FeedbackOutcome:
    if isinstance(outcome, Feedback):
        return pb.FeedbackOutcome(feedback=feedback_message(outcome, entry.instance))
    return pb.FeedbackOutcome(error=to_status(outcome))


def _stored_message(said: Feedback, metric: MetricDefinition) -> resources.Feedback:
    instance = row_of(1, {**said.cells, "label": said.label}, metric).instance
    return feedback_message(said, convert.instance_to_proto(instance))


def feedback_message(said: Feedback, instance: resources.Instance) -> resources.Feedback:
    return resources.Feedback(
        name=said.name,
        metric_version=said.metric_version,
        instance=instance,
        label=said.label,
        score_label=said.score_label,
        score_probability=said.score_probability,
        reviewer=said.reviewer,
        review_time=timestamp(said.review_time),
        comment=said.comment,
        external_id=said.external_id,
        held_out=said.held_out,
        create_time=timestamp(said.create_time),
    )


def _project(request: pb.TrainFromFeedbackRequest) -> ProjectName | None:
    """Return the project to train in; None for that of the version's run, which a bound key may not use."""
    if request.project:
        return ProjectName.parse(request.project, "project")
    found = caller.current()
    return ProjectName(found.project) if found.projects else None
