"""Between `client.feedback` and the messages of the services. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gnomon._scoring import Outcome
from gnomon.cells import instance as read_cells
from gnomon.errors import EtagMismatchError, GnomonError, InternalError, RunStateError, VersionNotBetterError
from gnomon.feedback_comparison import FeedbackComparison, HeldOutRow, compare
from gnomon.instances import Instance, Step
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer

_MOST_ENTRIES = 256
_REQUEST_BYTES = 2 * 1024 * 1024  # far below what a service takes; one larger entry goes alone


def requests_of(entries: Iterable[pb.Feedback], new_id: Any) -> Iterator[trainer.RecordFeedbackRequest]:
    """Yield requests of at most 256 entries, and of at most 2 MiB where they hold more than one."""
    batch: list[pb.Feedback] = []
    size_bytes = 0
    for entry in entries:
        more_bytes = entry.ByteSize()
        if batch and (len(batch) == _MOST_ENTRIES or size_bytes + more_bytes > _REQUEST_BYTES):
            yield trainer.RecordFeedbackRequest(entries=batch, request_id=new_id())
            batch, size_bytes = [], 0
        batch.append(entry)
        size_bytes += more_bytes
    if batch:
        yield trainer.RecordFeedbackRequest(entries=batch, request_id=new_id())


def outcomes_of(response: trainer.RecordFeedbackResponse) -> list[pb.Feedback | GnomonError]:
    return [
        outcome.feedback if outcome.HasField("feedback") else from_status(outcome.error)
        for outcome in response.outcomes
    ]


def origin_of(run: pb.Run) -> pb.FeedbackOrigin:
    """Return what a run learned from.

    Raises:
        RunStateError: it did not learn from feedback, or has registered nothing yet.
    """
    state = pb.Run.State.Name(run.state)
    if not run.HasField("feedback_origin"):
        raise RunStateError(
            f"{run.name} did not learn from feedback; compare it by runs.compare.",
            resource=run.name,
            state=state,
        )
    if not run.metric_version:
        raise RunStateError(
            f"{run.name} is {state} and has registered no version to compare yet.",
            resource=run.name,
            state=state,
        )
    return run.feedback_origin


def instances_of(rows: Sequence[Mapping[str, Any]], metric: pb.Metric) -> list[Instance]:
    """Return what the rows of a held-out set hold."""
    step = Step[pb.Metric.Step.Name(metric.step)]
    return [read_cells(row, step) for row in rows]


def comparison_of(
    run: pb.Run,
    found: trainer.CompareRunsResponse,
    rows: Sequence[Mapping[str, Any]],
    scores: Sequence[Mapping[str, Outcome]],
) -> FeedbackComparison:
    """Put a run's comparison with the one before it together.

    Raises:
        GnomonError: a row could not be scored.
    """
    origin = run.feedback_origin
    held_out = [
        HeldOutRow(
            label=row["label"],
            score_label=row.get("score_label") or "",
            old_label=_label_of(score[origin.metric_version]),
            new_label=_label_of(score[run.metric_version]),
        )
        for row, score in zip(rows, scores, strict=True)
    ]
    return compare(run, found, held_out)


def _label_of(outcome: Outcome) -> str:
    if isinstance(outcome, GnomonError):
        raise outcome
    return outcome.label


def check_promotion(found: FeedbackComparison, alias: pb.Alias | None) -> None:
    """Raise an error unless the new version may take the place of the old one.

    Raises:
        VersionNotBetterError: it is worse on the test set, or not better on the feedback.
        EtagMismatchError: the alias points at a version that it was not compared with.
    """
    if alias is not None and alias.metric_version not in {found.old_version, found.new_version}:
        raise EtagMismatchError(
            f"{alias.name} points at {alias.metric_version} now; {found.new_version} was compared with "
            f"{found.old_version}. Train from {alias.metric_version}, or set the alias yourself.",
            resource=alias.name,
        )
    if not found.may_be_promoted:
        change = found.feedback.accuracy if found.feedback else None
        feedback = f"{change}: {change.verdict}" if change else "none held out"
        raise VersionNotBetterError(
            f"{found.new_version} is registered but takes no alias: it must not be worse on the test set, "
            "and must be better on the feedback that was held out. "
            f"Macro-F1 {found.test}: {found.test.verdict}. Right on feedback {feedback}. "
            "Record more feedback and train again, or set the alias yourself.",
            resource=found.new_version,
            other=found.old_version,
            macro_f1=str(found.test),
            feedback=feedback,
        )


def unpacked(operation: Any) -> str:
    """Return the name of the run that an operation shows."""
    run = pb.Run()
    if not operation.metadata.Unpack(run):
        raise InternalError("The trainer's operation does not tell its run; see the trainer's log.")
    return run.name
