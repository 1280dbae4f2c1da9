"""The next training set: the last one's rows, with what people said of scores since. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gnomon_trainer.domain import soft_labels
from gnomon_trainer.domain.checks import RowChecks
from gnomon_trainer.domain.columns import LABEL
from gnomon_trainer.domain.datasets import Dataset, DatasetDraft, RowStore
from gnomon_trainer.domain.feedback import Feedback
from gnomon_trainer.domain.nearness import Neighbours, affordable
from gnomon_trainer.domain.overlap import Overlap, overlap
from gnomon_trainer.domain.rows import StoredRow, row_of
from gnomon_trainer.domain.run_checks import read_rows
from gnomon_trainer.domain.texts import fingerprint, normalised, rendered
from gnomon_trainer.domain.training import JUDGE_EXPLANATION, MetricDefinition, Row

Labels = Mapping[int, Counter[str]]
"""How often each text of a training set has which label, by the text's fingerprint."""

# What feedback says beside the label, and whether it was held out.
COLUMNS = ("score_label", "score_probability", "reviewer", "review_time", "metric_version")
HELD_OUT = "held_out"


@dataclass(frozen=True, slots=True)
class Sorted:
    """Where each word goes; none goes to two places.

    `relabelled` holds words on texts of the training set by their fingerprint,
    and `relabelled_rows` counts the rows there that get another label.
    """

    added: tuple[Feedback, ...]
    held_out: tuple[Feedback, ...]
    relabelled: Mapping[int, Feedback]
    relabelled_rows: int
    known: int

    @property
    def changes_nothing(self) -> bool:
        return not self.added and not self.relabelled


def text_of(row: Row, metric: MetricDefinition) -> int:
    return fingerprint(normalised(rendered(row.instance, metric)))


def labels_of(rows: Iterable[Row], metric: MetricDefinition) -> Labels:
    found: dict[int, Counter[str]] = {}
    for row in rows:
        found.setdefault(text_of(row, metric), Counter())[row.label] += 1
    return found


def sort_words(words: Sequence[Feedback], there: Labels) -> Sorted:
    """Sort the last words by what they mean for a training set.

    A text that the set holds was learned already, so it is corrected and not
    compared on, whichever side it was put on when it was recorded.
    """
    relabelled: dict[int, Feedback] = {}
    relabelled_rows = 0
    for said in words:
        others = sum(count for label, count in there.get(said.text, {}).items() if label != said.label)
        if others:
            relabelled[said.text] = said
            relabelled_rows += others
    new = [said for said in words if said.text not in there]
    return Sorted(
        added=tuple(said for said in new if not said.held_out),
        held_out=tuple(said for said in new if said.held_out),
        relabelled=relabelled,
        relabelled_rows=relabelled_rows,
        known=len(words) - len(new) - len(relabelled),
    )


def overlapping(
    words: Sequence[Feedback],
    other: Dataset,
    metric: MetricDefinition,
    rows: RowStore,
    neighbours: Neighbours,
) -> Overlap:
    """Find the words, numbered from 1, on texts that stand, exactly or nearly, in a dataset."""
    looks_near = affordable(len(words) + other.row_count, other.size_bytes)
    asked = (row_of(n, {**said.cells, LABEL: said.label}, metric) for n, said in enumerate(words, 1))
    known = read_rows(rows, other.digest, metric)
    return overlap(asked, known, metric, neighbours if looks_near else None)


def without(words: Sequence[Feedback], found: Overlap) -> list[Feedback]:
    return [said for number, said in enumerate(words, 1) if number not in found.rows]


def training_records(
    base: Iterable[Mapping[str, Any]], found: Sorted, metric: MetricDefinition
) -> Iterator[Mapping[str, Any]]:
    """Yield the records of the next training set: the last one's, corrected, then those that are new."""
    for record in base:
        row = row_of(1, record, metric)
        said = found.relabelled.get(text_of(row, metric))
        yield record if said is None or said.label == row.label else _corrected(record, said.label)
    yield from map(feedback_record, found.added)


def _corrected(record: Mapping[str, Any], label: str) -> dict[str, Any]:
    # Shares that a judge gave the old label would be learned in place of the new
    # one, and its reasons would make the new one a judge's.
    gone = {soft_labels.COLUMN, JUDGE_EXPLANATION}
    return {name: cell for name, cell in record.items() if name not in gone} | {LABEL: label}


def feedback_record(said: Feedback, *, with_side: bool = False) -> dict[str, Any]:
    """Return the row of a dataset that a word makes, with the columns that say where it is from."""
    record = {**said.cells, **({"id": said.external_id} if said.external_id else {}), LABEL: said.label}
    record |= {name: getattr(said, name) for name in COLUMNS}
    return record | ({HELD_OUT: said.held_out} if with_side else {})


def write(
    dataset: str,
    records: Iterable[Mapping[str, Any]],
    metric: MetricDefinition,
    rows: RowStore,
    *,
    source: str,
    columns: Iterable[str] = (),
    labelling: str = "",
    generation: str = "",
) -> DatasetDraft:
    """Keep records as a dataset's next version; `columns` are extra ones beside those of feedback."""
    sink, checks = rows.sink(), RowChecks(metric)
    extra = {*columns, *COLUMNS}
    try:
        for number, record in enumerate(records, 1):
            row = row_of(number, record, metric)
            checks.add(StoredRow(dict(record), row.label, rendered(row.instance, metric)))
            sink.write(record)
            extra |= {HELD_OUT} & record.keys()
        digest, size_bytes = sink.keep()
    finally:
        sink.discard()
    return DatasetDraft(
        dataset=dataset,
        metric=metric.name,
        digest=digest,
        findings=checks.findings(),
        row_count=checks.row_count,
        class_counts=checks.class_counts(),
        extra_columns=tuple(sorted(extra)),
        size_bytes=size_bytes,
        source_filename=source,
        labelling=labelling,
        generation=generation,
    )
