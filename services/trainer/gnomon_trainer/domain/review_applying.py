"""From a review to the next version of its dataset. Pure."""

from collections.abc import Callable, Sequence

from gnomon.errors import ReviewStateError
from gnomon_trainer.domain.checks import RowChecks
from gnomon_trainer.domain.datasets import Dataset, DatasetDraft, RowStore
from gnomon_trainer.domain.review_agreement import Progress
from gnomon_trainer.domain.review_corrections import COLUMN, corrected
from gnomon_trainer.domain.review_reading import check_labels
from gnomon_trainer.domain.reviews import Outcome, Review, Verdict
from gnomon_trainer.domain.rows import checked_row, row_of
from gnomon_trainer.domain.training import MetricDefinition


def next_draft(
    progress: Progress,
    newest: Dataset,
    between: Sequence[Dataset],
    *,
    metric: MetricDefinition,
    rows: RowStore,
    pause: Callable[[], None],
) -> DatasetDraft:
    """Return the rows of the newest version with the labels that a review settled.

    `between` are the versions after the reviewed one: where reviews made all of
    them, they hold the same rows in the same order.

    Raises:
        ReviewStateError: nothing was settled, or other rows were uploaded since.
        DatasetUnsuitableError: there are labels that the metric declares no longer.
    """
    review = progress.review
    settled = {
        item.row: reached for item, reached in progress.verdicts() if reached.outcome is Outcome.SETTLED
    }
    if not settled:
        raise _refused(review, "nothing_settled", f"No row of {review.name} has got a label yet.")
    if foreign := [version for version in between if not version.review]:
        raise _refused(
            review,
            "dataset_changed",
            f"{foreign[0].name} was uploaded since {review.reviewed} was reviewed. Make a review of it.",
        )
    check_labels(newest, [*newest.labels, *(reached.label for reached in settled.values())], metric)
    return _draft(review, newest, settled, metric=metric, rows=rows, pause=pause)


def _draft(
    review: Review,
    newest: Dataset,
    settled: dict[int, Verdict],
    *,
    metric: MetricDefinition,
    rows: RowStore,
    pause: Callable[[], None],
) -> DatasetDraft:
    sink, checks = rows.sink(), RowChecks(metric)
    try:
        for number, before in enumerate(rows.read(newest.digest), 1):
            pause()
            record = corrected(before, settled[number], review.name) if number in settled else before
            checks.add(checked_row(row_of(number, record, metric), record, metric))
            sink.write(record)
        digest, size_bytes = sink.keep()
    finally:
        sink.discard()
    return DatasetDraft(
        dataset=newest.dataset,
        metric=newest.metric,
        digest=digest,
        findings=checks.findings(),
        row_count=checks.row_count,
        class_counts=checks.class_counts(),
        extra_columns=tuple(sorted({*newest.extra_columns, COLUMN})),
        size_bytes=size_bytes,
        source_filename=str(newest.name),
        review=str(review.name),
        labelling=newest.labelling,
        generation=newest.generation,
    )


def _refused(review: Review, state: str, message: str) -> ReviewStateError:
    return ReviewStateError(message, resource=str(review.name), state=state)
