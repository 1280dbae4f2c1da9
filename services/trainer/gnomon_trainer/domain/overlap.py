"""Rows that stand in the training set and in the test set. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gnomon_trainer.domain.nearness import Nearness, Neighbours
from gnomon_trainer.domain.texts import fingerprint, normalised, rendered
from gnomon_trainer.domain.training import MetricDefinition, Row


@dataclass(frozen=True, slots=True)
class Overlap:
    """Rows of the training set that the test set has too, each with the number of such a row there.

    `exact` have the same text; `normalised` the same but for case and
    punctuation; `near` one as `Nearness` says, and the same label: with another
    label, the word that differs is what makes the difference. `conflicting`
    are those of `exact` and `normalised` whose label is another one there.
    """

    exact: dict[int, int]
    normalised: dict[int, int]
    near: dict[int, int]
    conflicting: dict[int, int]

    @property
    def rows(self) -> frozenset[int]:
        return frozenset((*self.exact, *self.normalised, *self.near))


@dataclass(slots=True)
class _Known:
    """The rows of the test set that share a normalised text."""

    rows: list[int] = field(default_factory=list)
    texts: set[int] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Free:
    """A row of the training set whose text the test set does not have as it is."""

    number: int
    text: str
    label: str


def overlap(
    training: Iterable[Row], test: Iterable[Row], metric: MetricDefinition, neighbours: Neighbours | None
) -> Overlap:
    """Compare the rendered texts of two sets; each is read once, row by row.

    Without `neighbours`, near rows are not looked for; with it, the normalised
    texts of both sets are held in memory.
    """
    known: dict[int, _Known] = {}
    texts: dict[int, str] = {}
    for row in test:
        text = rendered(row.instance, metric)
        plain = normalised(text)
        entry = known.setdefault(fingerprint(plain), _Known())
        entry.rows.append(row.number)
        entry.texts.add(fingerprint(text))
        entry.labels.add(row.label)
        if neighbours is not None:
            texts[fingerprint(plain)] = plain
    found, free = Overlap({}, {}, {}, {}), []
    for row in training:
        text = rendered(row.instance, metric)
        plain = normalised(text)
        same = known.get(fingerprint(plain))
        if same is not None:
            _add(found, row, same, is_exact=fingerprint(text) in same.texts)
        elif neighbours is not None:
            free.append(_Free(row.number, plain, row.label))
    if neighbours is None:
        return found
    near = _near(free, [(text, known[key]) for key, text in texts.items()], neighbours)
    return replace(found, near=near)


def _add(found: Overlap, row: Row, same: _Known, *, is_exact: bool) -> None:
    (found.exact if is_exact else found.normalised)[row.number] = same.rows[0]
    if row.label not in same.labels:
        found.conflicting[row.number] = same.rows[0]


def _near(
    free: Sequence[_Free], known: Sequence[tuple[str, _Known]], neighbours: Neighbours
) -> dict[int, int]:
    texts = [text for text, _ in known]
    asked = [row.text for row in free]
    nearness = Nearness([*texts, *asked])
    found: dict[int, int] = {}
    for place, asking in neighbours.candidates(texts, asked):
        row, (text, test) = free[asking], known[place]
        if row.number not in found and row.label in test.labels and nearness.near(row.text, text):
            found[row.number] = test.rows[0]
    return dict(sorted(found.items()))


def without(training: Sequence[Row], numbers: frozenset[int]) -> tuple[Row, ...]:
    return tuple(row for row in training if row.number not in numbers)
