"""Two runs row by row on one test set. Pure, with NumPy."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gnomon.errors import RunsNotComparableError
from gnomon.instances import OutputType
from gnomon_trainer.domain import measures, pairing, slicing
from gnomon_trainer.domain.answers import Answers, flags, resampled
from gnomon_trainer.domain.measures import Draws, Floats
from gnomon_trainer.domain.run_use_cases import PredictedRow, PredictionStore
from gnomon_trainer.domain.runs import Run
from gnomon_trainer.domain.slicing import FEW_ROWS, Part
from gnomon_trainer.domain.training import MetricDefinition, ReportOptions, Row

_FLIPPED = 200
_SLICES = 20
_ERROR_KINDS = 100
_MOST_DRAWN = 200_000_000  # rows × resamples: they are in memory, a byte each


def check_comparable(first: Run, second: Run) -> None:
    """Raise RunsNotComparableError unless both were measured on the same rows for the same metric."""
    a, b = first.spec, second.spec
    if a.metric.name != b.metric.name:
        problem = f"{first.name} is of {a.metric.name}, {second.name} of {b.metric.name}."
    elif a.metric.classes != b.metric.classes:
        problem = f"{a.metric.name} had other classes when {second.name} was created."
    elif a.test_set_digest != b.test_set_digest:
        problem = f"{first.name} was measured on {a.test_set}, {second.name} on {b.test_set}: other rows."
    else:
        return
    raise RunsNotComparableError(
        f"{problem} Only runs of one metric, measured on the same rows, can be compared row by row: create "
        "one of them again with the test set of the other.",
        resource=str(first.name),
        other=str(second.name),
    )


def on_shared_rows(
    first: Run, second: Run, predictions: PredictionStore
) -> tuple[Iterator[PredictedRow], Iterator[PredictedRow]]:
    """Return what both said of the rows that both were measured on, in the order of the test set.

    A row that seeded the training set of one says nothing of that one, so it is left out for both.

    Raises:
        RunsNotComparableError: there is no such row.
    """
    left_out = frozenset((*first.spec.test_left_out, *second.spec.test_left_out))

    def shared(run: Run) -> Iterator[PredictedRow]:
        return (said for said in predictions.all(run) if said.row.number not in left_out)

    said = shared(first)
    if (head := next(said, None)) is None:
        raise RunsNotComparableError(
            f"{first.name} and {second.name} were measured on no row in common: what seeded the training set "
            "of one is all that the other was measured on. Create both with another test set.",
            resource=str(first.name),
            other=str(second.name),
        )
    return itertools.chain([head], said), shared(second)


def compared(
    first: Iterable[PredictedRow],
    second: Iterable[PredictedRow],
    metric: MetricDefinition,
    options: ReportOptions,
) -> dict[str, Any]:
    """Return what a `gnomon.v1.CompareRunsResponse` says of the rows; the two come in the same order."""
    rows = _Read(metric)
    parts = slicing.parts(rows.keeping(first), metric, options)
    a, numbers = rows.answers(), rows.numbers
    rows = _Read(metric)
    for _ in rows.keeping(second):
        pass
    b = rows.answers()
    draws = measures.draw(len(numbers), 0, min(measures.RESAMPLES, max(100, _MOST_DRAWN // len(numbers))))
    of_a, of_b = resampled(a, draws).overall, resampled(b, draws).overall
    flipped = np.flatnonzero(a.predicted != b.predicted)
    return {
        "row_count": len(numbers),
        "measures": [pair for key in of_a if (pair := _pair(key, of_a[key], of_b[key]))],
        "comparison": pairing.compared(a.right, b.right, of_a, of_b),
        "flipped_rows": _flipped(a, b, flipped, numbers),
        "flipped_row_count": len(flipped),
        "slices": _slices(a, b, parts, draws),
        "error_kinds": _error_kinds(a, b),
    }


class _Read:
    """Keeps of predicted rows what the measures need, and lets their texts go."""

    def __init__(self, metric: MetricDefinition) -> None:
        self.numbers: list[int] = []
        self._metric = metric
        self._index = {label: i for i, label in enumerate(metric.classes)}
        self._truth: list[int] = []
        self._predicted: list[int] = []
        self._flagged: list[bool] = []
        self._probabilities: list[tuple[float, ...]] = []

    def keeping(self, predicted: Iterable[PredictedRow]) -> Iterator[Row]:
        for entry in predicted:
            self.numbers.append(entry.row.number)
            self._truth.append(self._index[entry.row.label])
            self._predicted.append(self._index[entry.label])
            self._flagged.append(entry.flagged)
            self._probabilities.append(entry.probabilities)
            yield entry.row

    def answers(self) -> Answers:
        is_boolean = self._metric.output_type is OutputType.BOOLEAN
        truth = np.array(self._truth, dtype=np.int64)
        return Answers(
            classes=self._metric.classes,
            truth=truth,
            predicted=np.array(self._predicted, dtype=np.int64),
            probabilities=np.array(self._probabilities),
            positive=self._index["true"] if is_boolean else None,
            flags=flags(self._metric, truth, self._flagged),
        )


def _pair(key: str, first: Floats, second: Floats) -> dict[str, Any] | None:
    found = pairing.difference(key, first, second)
    return found and {"key": key, "first": float(first[0]), "second": float(second[0]), "difference": found}


def _flipped(a: Answers, b: Answers, flipped: measures.Ints, numbers: Sequence[int]) -> list[dict[str, Any]]:
    of_a, of_b = a.true_probability, b.true_probability
    order = np.argsort(-np.abs(of_a - of_b)[flipped], kind="stable")[:_FLIPPED]
    return [
        {
            "row": numbers[row],
            "true_label": a.classes[a.truth[row]],
            "first_label": a.classes[a.predicted[row]],
            "second_label": a.classes[b.predicted[row]],
            "first_true_probability": float(of_a[row]),
            "second_true_probability": float(of_b[row]),
        }
        for row in flipped[order]
    ]


def _error_kinds(a: Answers, b: Answers) -> list[dict[str, Any]]:
    """Return which class each took for which other one, most errors of both together first."""
    errors = Counter(
        (int(t), int(p)) for x in (a, b) for t, p in zip(x.truth, x.predicted, strict=True) if t != p
    )
    return [_error_kind(a, b, *kind) for kind, _ in errors.most_common(_ERROR_KINDS)]


def _error_kind(a: Answers, b: Answers, truth: int, said: int) -> dict[str, Any]:
    of_class = a.truth == truth
    first, second = of_class & (a.predicted == said), of_class & (b.predicted == said)
    return {
        "true_label": a.classes[truth],
        "label": a.classes[said],
        "rows": int(of_class.sum()),
        "first": int(first.sum()),
        "second": int(second.sum()),
        "mcnemar_p": pairing.mcnemar_p(int((first & ~second).sum()), int((second & ~first).sum())),
    }


def _slices(a: Answers, b: Answers, parts: Sequence[Part], draws: Draws) -> list[dict[str, Any]]:
    found = [entry for part in parts if (entry := _slice(a, b, part, draws))]
    return sorted(found, key=_by_difference)[:_SLICES]


def _by_difference(entry: Mapping[str, Any]) -> tuple[bool, float]:
    return entry["few_rows"], -abs(entry["accuracy"]["difference"]["value"])


def _slice(a: Answers, b: Answers, part: Part, draws: Draws) -> dict[str, Any] | None:
    drawn = draws[part.rows]
    accuracies = [measures.weighted_mean(answers.right[part.rows], drawn) for answers in (a, b)]
    pair = _pair("accuracy", *accuracies)
    if pair is None or not pair["difference"]["value"]:
        return None
    return {
        "key": part.key,
        "value": part.value,
        "rows": len(part.rows),
        "few_rows": len(part.rows) < FEW_ROWS,
        "accuracy": pair,
    }
