"""What a report says below its figures: slices, worst rows, a judge. Pure, with NumPy."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gnomon_trainer.domain import measures, pairing
from gnomon_trainer.domain.answers import Answers, shares
from gnomon_trainer.domain.labels import LabelError, parse_label
from gnomon_trainer.domain.measures import Draws, Floats, Ints, Measure
from gnomon_trainer.domain.slicing import CLASS, FEW_ROWS, Part
from gnomon_trainer.domain.training import JUDGE_LABEL, MetricDefinition, ReportOptions, Row

_WORST = 20
_CLEARLY_RIGHT = 0.5


def slices(answers: Answers, parts: Sequence[Part], draws: Draws) -> list[dict[str, Any]]:
    """Return a `gnomon.v1.Slice` for every part of the rows."""
    right = measures.sums(answers.right, draws)
    return [_slice(answers, part, draws, right) for part in parts]


def _slice(answers: Answers, part: Part, draws: Draws, right: Floats) -> dict[str, Any]:
    drawn = draws[part.rows]
    right_here = measures.sums(answers.right[part.rows], drawn)
    others = len(draws) - drawn.sum(axis=0, dtype=np.int64)
    elsewhere = np.divide(right - right_here, others, out=np.full(len(others), np.nan), where=others > 0)
    accuracy = measures.weighted_mean(answers.right[part.rows], drawn)
    brier = measures.weighted_mean(answers.squares[part.rows], drawn)
    difference = accuracy - elsewhere
    found = [measures.interval("accuracy", accuracy)]
    if part.key != CLASS:
        found.append(measures.interval("macro_f1", _macro_f1(answers, part.rows, drawn)))
    found += [measures.interval("brier", brier), measures.interval("accuracy_difference", difference)]
    return {
        "key": part.key,
        "value": part.value,
        "rows": len(part.rows),
        "few_rows": len(part.rows) < FEW_ROWS,
        "measures": _defined(*found),
    }


def _macro_f1(answers: Answers, rows: Ints, drawn: Draws) -> Floats:
    """Return the macro-F1 over the classes that occur in some rows; NaN where none of them is drawn."""
    both = np.concatenate([answers.truth[rows], answers.predicted[rows]])
    classes, index = np.unique(both, return_inverse=True)
    found = measures.confusion(index[: len(rows)], index[len(rows) :], len(classes), drawn)
    result: Floats = np.where(found.rows == 0, np.nan, measures.macro_f1(found))
    return result


def worst_rows(answers: Answers, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return a `gnomon.v1.WorstRow` for the rows whose true class is least probable, at most 20.

    A row that is right and found more probable than not is not among them.
    `numbers` are those of the rows in the test set.
    """
    found = answers.true_probability
    chosen = answers.probabilities[np.arange(len(found)), answers.predicted]
    bad = np.flatnonzero(~answers.right | (found < _CLEARLY_RIGHT))
    worst = bad[np.argsort(found[bad], kind="stable")][:_WORST]
    return [
        {
            "row": numbers[row],
            "true_label": answers.classes[answers.truth[row]],
            "label": answers.classes[answers.predicted[row]],
            "true_probability": float(found[row]),
            "probability": float(chosen[row]),
        }
        for row in worst
    ]


def judge(
    answers: Answers, rows: Sequence[Row], metric: MetricDefinition, options: ReportOptions, seed: int
) -> dict[str, Any] | None:
    """Return a `gnomon.v1.JudgeReport`, or None if no row has a label of a judge."""
    column = options.judge_column or JUDGE_LABEL
    labels, unreadable = _judged(rows, metric, column)
    judged = np.flatnonzero(labels >= 0)
    if not judged.size and not unreadable:
        return None
    head = {"column": column, "rows": len(judged), "unreadable_rows": unreadable}
    if not judged.size:
        return head
    draws = measures.draw(len(judged), seed)
    truth, said, predicted = answers.truth[judged], labels[judged], answers.predicted[judged]
    size = len(answers.classes)
    of_judge = shares(measures.confusion(truth, said, size, draws))
    own = shares(measures.confusion(truth, predicted, size, draws))
    agreement = measures.interval("agreement", measures.mean(predicted == said, draws))
    return head | {
        "measures": _defined(*(measures.interval(k, v) for k, v in of_judge.items()), agreement),
        "comparison": pairing.compared(predicted == truth, said == truth, own, of_judge),
    }


def _judged(rows: Sequence[Row], metric: MetricDefinition, column: str) -> tuple[Ints, int]:
    """Return the classes that a judge gave, -1 where it gave none, and how many cells name no class."""
    index = {label: i for i, label in enumerate(metric.classes)}
    labels = np.full(len(rows), -1, dtype=np.int64)
    unreadable = 0
    for position, row in enumerate(rows):
        cell = row.extra.get(column)
        if cell is None or cell == "":
            continue
        try:
            labels[position] = index[parse_label(cell, metric)]
        except LabelError:
            unreadable += 1
    return labels, unreadable


def _defined(*found: Measure | None) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in found if entry is not None]
