"""Rows that stand in the training set and in the test set. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gnomon_trainer.domain.texts import fingerprint, normalised, rendered
from gnomon_trainer.domain.training import MetricDefinition, Row


@dataclass(frozen=True, slots=True)
class Overlap:
    """Numbers of training rows whose text a test row has too; `near` only case and punctuation aside.

    `conflicting` are those of them whose label is another one there.
    """

    exact: tuple[int, ...]
    near: tuple[int, ...]
    conflicting: tuple[int, ...]

    @property
    def rows(self) -> frozenset[int]:
        return frozenset((*self.exact, *self.near))


def overlap(training: Iterable[Row], test: Iterable[Row], metric: MetricDefinition) -> Overlap:
    """Compare the rendered texts of two sets; `training` is read once, row by row."""
    exact_texts: set[int] = set()
    near_texts: dict[int, set[str]] = {}
    for row in test:
        text = rendered(row.instance, metric)
        exact_texts.add(fingerprint(text))
        near_texts.setdefault(fingerprint(normalised(text)), set()).add(row.label)
    exact: list[int] = []
    near: list[int] = []
    conflicting: list[int] = []
    for row in training:
        text = rendered(row.instance, metric)
        labels = near_texts.get(fingerprint(normalised(text)))
        if labels is None:
            continue
        (exact if fingerprint(text) in exact_texts else near).append(row.number)
        if row.label not in labels:
            conflicting.append(row.number)
    return Overlap(tuple(exact), tuple(near), tuple(conflicting))


def without(training: Sequence[Row], numbers: frozenset[int]) -> tuple[Row, ...]:
    return tuple(row for row in training if row.number not in numbers)
