"""From a dataset's rows to what speaks for and against their labels. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gnomon.errors import DatasetUnsuitableError
from gnomon.names import DatasetName
from gnomon.rendering import Rendered, render, template_for
from gnomon_trainer.domain import soft_labels
from gnomon_trainer.domain.datasets import Dataset, RowStore
from gnomon_trainer.domain.label_checks import Opinion, examined
from gnomon_trainer.domain.label_origins import has_judges_label
from gnomon_trainer.domain.labels import LabelError, parse_label
from gnomon_trainer.domain.review_corrections import reviewed_at
from gnomon_trainer.domain.reviews import Order, Signals
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.training import JUDGE_LABEL, MetricDefinition, Row


@dataclass(frozen=True, slots=True)
class ReviewOrder:
    """What to review, and how. Zeros and empty texts stand for defaults."""

    dataset: DatasetName
    review: str
    order: Order
    limit: int
    blind: bool
    reviewers_per_row: int
    judge_column: str
    include_reviewed: bool


@dataclass(frozen=True, slots=True)
class Questioned:
    """Rows that may be asked about, with their numbers, and the rows that a probe learns from.

    `labels` are indices of the metric's classes, `texts` what an evaluator
    reads: of every row of the dataset, or empty where no probe is asked. `judged`
    are the numbers of rows with a judge's label that nobody has settled: people
    are asked about them before they are asked about each other's.
    """

    signals: list[tuple[int, Signals]]
    texts: list[Rendered]
    labels: list[int]
    judged: set[int] = field(default_factory=set)

    def to_probe(self) -> tuple[list[Rendered], list[int]]:
        """Return what a probe can judge."""
        places = examined(self.labels)
        return [self.texts[place] for place in places], [self.labels[place] for place in places]


def questioned(
    dataset: Dataset,
    metric: MetricDefinition,
    order: ReviewOrder,
    rows: RowStore,
    pause: Callable[[], None],
) -> Questioned:
    """Read a dataset once. `pause` is called at every row; what it raises ends the work.

    Raises:
        DatasetUnsuitableError: it carries labels that the metric has no longer.
        ArtifactCorruptError: its rows cannot be read.
    """
    check_labels(dataset, dataset.labels, metric)
    asks_probe = order.order is not Order.JUDGE_DISAGREEMENT
    template = template_for(metric.input_shape)
    found = Questioned([], [], [])
    for number, record in enumerate(rows.read(dataset.digest), 1):
        pause()
        row = row_of(number, record, metric)
        if order.include_reviewed or not reviewed_at(record):
            found.signals.append((number, _of_judge(row, metric, order.judge_column or JUDGE_LABEL)))
        if has_judges_label(record):
            found.judged.add(number)
        if asks_probe:
            found.texts.append(render(row.instance, template, metric.step))
            found.labels.append(metric.classes.index(row.label))
    return found


def check_labels(dataset: Dataset, labels: Iterable[str], metric: MetricDefinition) -> None:
    """Raise DatasetUnsuitableError if the metric declares one of the labels no longer."""
    if unknown := sorted(set(labels) - set(metric.classes)):
        raise DatasetUnsuitableError(
            f"{dataset.name} has labels that {metric.name} declares no longer, such as {unknown[0]!r}. "
            "Upload the rows again.",
            resource=str(dataset.name),
        )


def _of_judge(row: Row, metric: MetricDefinition, column: str) -> Signals:
    shares = soft_labels.shares_of(row, metric)
    said = _class(row.extra.get(column), metric)
    if shares is None:
        return Signals(row.label, judge_label=said)
    likeliest = max(shares, key=lambda label: shares[label])
    first, second = sorted((*shares.values(), 0.0), reverse=True)[:2]
    return Signals(
        row.label,
        judge_label=said or likeliest,
        judge_share=shares.get(row.label, 0.0),
        margin=first - second,  # until a probe tells its own
    )


def _class(cell: Any, metric: MetricDefinition) -> str:
    """Return the class that a judge's cell names; empty if it names none."""
    try:
        return parse_label(cell, metric)
    except LabelError:
        return ""


def with_opinions(found: Questioned, opinions: Sequence[Opinion], metric: MetricDefinition) -> Questioned:
    """Add what a probe said of the rows that `to_probe` gave, in their order."""
    by_number = {place + 1: said for place, said in zip(examined(found.labels), opinions, strict=True)}
    signals = [
        (number, _believed(signals, by_number[number], metric) if number in by_number else signals)
        for number, signals in found.signals
    ]
    return replace(found, signals=signals)


def _believed(signals: Signals, said: Opinion, metric: MetricDefinition) -> Signals:
    return replace(
        signals,
        expected_label=metric.classes[said.expected],
        label_probability=said.label_probability,
        expected_probability=said.expected_probability,
        margin=said.margin,
    )
