"""From rows and what a judge said of them to the next version of a dataset. Pure."""

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from gnomon_trainer.domain import soft_labels
from gnomon_trainer.domain.checks import RowChecks
from gnomon_trainer.domain.columns import LABEL
from gnomon_trainer.domain.datasets import DatasetDraft, RowStore
from gnomon_trainer.domain.doubtful_labels import doubtful
from gnomon_trainer.domain.labellings import LabellingSpec, RowJudgement
from gnomon_trainer.domain.review_corrections import COLUMN as REVIEWED
from gnomon_trainer.domain.rows import StoredRow, row_of
from gnomon_trainer.domain.texts import rendered
from gnomon_trainer.domain.training import JUDGE_EXPLANATION, JUDGE_LABEL

_ADDED = (soft_labels.COLUMN, JUDGE_LABEL, JUDGE_EXPLANATION)


def labelled_draft(
    labelling: str, spec: LabellingSpec, judged: Iterable[tuple[int, RowJudgement]], rows: RowStore
) -> tuple[DatasetDraft, int]:
    """Write the rows that were judged, which come in their order, with their labels.

    Returns what to store, and how many rows people should look at.
    """
    sink, checks = rows.sink(), RowChecks(spec.metric)
    doubted, extra = array("l"), set(_ADDED)
    outcomes = iter(judged)
    number, outcome = next(outcomes, (0, None))
    try:
        for place, record in enumerate(rows.read(spec.dataset_digest), 1):
            if place != number or outcome is None:
                continue
            labelled = with_judgement(record, outcome)
            row = row_of(place, labelled, spec.metric)
            checks.add(StoredRow(labelled, row.label, rendered(row.instance, spec.metric)))
            sink.write(labelled)
            extra |= row.extra.keys()
            if outcome.is_doubtful:
                doubted.append(checks.row_count)
            number, outcome = next(outcomes, (0, None))
        digest, size_bytes = sink.keep()
    finally:
        sink.discard()
    draft = DatasetDraft(
        dataset=spec.target,
        metric=spec.metric.name,
        digest=digest,
        findings=(*checks.findings(), *doubtful(spec.target, doubted)),
        row_count=checks.row_count,
        class_counts=checks.class_counts(),
        extra_columns=tuple(sorted(extra - {"id"})),
        size_bytes=size_bytes,
        source_filename=spec.dataset,
        labelling=labelling,
    )
    return draft, len(doubted)


def with_judgement(record: Mapping[str, Any], judged: RowJudgement) -> dict[str, Any]:
    """Return a stored row with the label that a judge gave it, how sure it was, and why.

    That people settled another label before says nothing of this one.
    """
    gone = {LABEL, REVIEWED, *_ADDED}
    kept = {name: cell for name, cell in record.items() if name not in gone}
    return kept | {
        LABEL: judged.label,
        soft_labels.COLUMN: dict(judged.shares),
        JUDGE_LABEL: judged.label,
        JUDGE_EXPLANATION: judged.explanation,
    }
