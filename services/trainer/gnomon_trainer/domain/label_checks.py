"""What is checked of labels once a dataset is stored. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gnomon.rendering import Rendered
from gnomon_trainer.domain.findings import Finding, finding, matched
from gnomon_trainer.domain.nearness import Nearness, Neighbours

MOST_ROWS = 20_000  # of a dataset; with more, some are drawn
LEAST_CLASS_ROWS = 5  # so that each of the probe's folds has one


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that a probe does not believe.

    `place` counts from 0; `suggested` is an index of the classes.
    """

    place: int
    suggested: int
    label_probability: float
    suggested_probability: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a probe, which learned from other rows, expects of a row.

    `expected` is an index of the classes; `margin` is how much less probable
    the next class is.
    """

    expected: int
    label_probability: float
    expected_probability: float
    margin: float


class LabelProbe(Protocol):
    """Predicts each row's label by what it learned from other rows."""

    async def suspects(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Suspect]:
        """Return the labels that are likely wrong, likeliest first. Ends when it is cancelled.

        `labels` are indices of the metric's classes, each with at least `LEAST_CLASS_ROWS` rows.

        Raises:
            InternalError: it broke down.
        """
        ...

    async def opinions(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Opinion]:
        """Return what it expects of every row, in order. Takes, raises and ends as `suspects` does."""
        ...


def near_conflicts(
    texts: Sequence[str], labels: Sequence[str], neighbours: Neighbours, pause: Callable[[], None]
) -> Iterator[Finding]:
    """Find rows that are near another of the same set, but labelled otherwise. `texts` are normalised.

    `pause` is called now and then; what it raises ends the work.
    """
    places: dict[str, int] = {}
    for place, text in enumerate(texts):
        places.setdefault(text, place)
    different = list(places)
    nearness = Nearness(different)
    conflicts: dict[int, int] = {}
    for known, asked in neighbours.candidates(different, different):
        pause()
        one, other = places[different[known]], places[different[asked]]
        if one < other and labels[one] != labels[other] and nearness.near(texts[one], texts[other]):
            conflicts.setdefault(other + 1, one + 1)
    if conflicts:
        yield matched(
            "NEAR_CONFLICTING_LABELS",
            f"{len(conflicts)} rows differ from another row in hardly a word and have another label. If that "
            "word does not make the difference, one of the two labels is wrong.",
            conflicts,
        )


def examined(labels: Sequence[int]) -> list[int]:
    """Return the places of the rows that a probe can judge: of every class with enough rows, evenly drawn."""
    counts = Counter(labels)
    places = [place for place, label in enumerate(labels) if counts[label] >= LEAST_CLASS_ROWS]
    step = max(1.0, len(places) / MOST_ROWS)
    return [places[int(n * step)] for n in range(int(len(places) / step))]


def mislabelled(suspects: Sequence[int], rows: int, judged: int) -> Iterator[Finding]:
    """Say which rows, counted from 1, are suspects of how many that were judged."""
    if suspects:
        yield finding(
            "LIKELY_MISLABELLED",
            f"{len(suspects)} of {judged} rows are likely mislabelled: a quick probe that learned from the "
            "other rows expects another label. Look at them before training; some will be right and hard.",
            suspects,  # the finding names the first ones; the check's own answer has all, likeliest first
        )
    if judged < rows:
        yield finding(
            "LABELS_PARTLY_CHECKED",
            f"The labels of {judged} of {rows} rows were checked: at most {MOST_ROWS} are, and only of "
            f"classes with {LEAST_CLASS_ROWS} or more rows.",
        )
