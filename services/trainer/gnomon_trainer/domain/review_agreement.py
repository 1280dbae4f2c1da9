"""How far a review is, and how well its reviewers agree. Pure, with NumPy."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gnomon_trainer.domain import measures
from gnomon_trainer.domain.measures import Floats, Ints, Measure
from gnomon_trainer.domain.reviews import Answer, Decision, Item, Outcome, Review, Verdict, verdict

MOST_PAIRS = 100  # of people; beyond it those that share most rows are told
_SEED = 0
_BLOCK = 4_000_000  # cells of confusion matrices that are computed at once


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two people on the rows that both labelled; `kappa` is None where it is not defined."""

    first_reviewer: str
    second_reviewer: str
    row_count: int
    agreement: Measure
    kappa: Measure | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A review with its queue and the decisions that were not withdrawn, at one moment."""

    review: Review
    items: Sequence[Item]
    live: Sequence[Decision]

    def of_rows(self) -> dict[int, list[Decision]]:
        """Return the decisions of each row that has any."""
        return by_row(self.live)

    def verdicts(self) -> Iterator[tuple[Item, Verdict]]:
        """Yield where every row stands, in the order of the queue."""
        decisions = self.of_rows()
        for item in self.items:
            yield item, verdict(decisions.get(item.row, ()), self.review.reviewers_per_row)

    def counts(self) -> Counter[str]:
        """Return the rows of each `Outcome`, and how many are `corrected`."""
        found: Counter[str] = Counter()
        for item, reached in self.verdicts():
            found[reached.outcome] += 1
            found["corrected"] += reached.outcome is Outcome.SETTLED and reached.label != item.signals.label
        return found

    def of_reviewers(self) -> dict[str, Counter[Answer]]:
        """Return how often each person gave each answer, by name; without adjudications."""
        found: dict[str, Counter[Answer]] = defaultdict(Counter)
        for decision in self.live:
            if not decision.adjudicates:
                found[decision.reviewer][decision.answer] += 1
        return dict(sorted(found.items()))

    def agreements(self) -> list[Agreement]:
        """Return how well each two people agree that labelled the same rows, at most 100 pairs by name."""
        pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for decisions in self.of_rows().values():
            labels = {
                d.reviewer: d.label for d in decisions if d.answer is Answer.LABEL and not d.adjudicates
            }
            for pair in itertools.combinations(sorted(labels), 2):
                pairs[pair].append((labels[pair[0]], labels[pair[1]]))
        most = sorted(pairs.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:MOST_PAIRS]
        return [agreement(*people, labels) for people, labels in sorted(most)]


def by_row(decisions: Iterable[Decision]) -> dict[int, list[Decision]]:
    """Return the decisions of each row."""
    found: dict[int, list[Decision]] = defaultdict(list)
    for decision in decisions:
        found[decision.row].append(decision)
    return found


def agreement(first: str, second: str, labels: Sequence[tuple[str, str]]) -> Agreement:
    """Return how well two people agree, with 95 % bootstrap intervals. `labels` has a pair for each row."""
    classes = {label: n for n, label in enumerate(sorted({label for pair in labels for label in pair}))}
    said = np.array([[classes[label] for label in pair] for pair in labels], dtype=np.int64)
    cells, rows = np.unique(said[:, 0] * len(classes) + said[:, 1], return_counts=True)
    found = [_of_matrices(block) for block in _resampled(cells, rows, len(classes))]
    observed, kappa = (np.concatenate(values) for values in zip(*found, strict=True))
    shared = measures.interval("agreement", observed)
    assert shared is not None  # there is a row
    return Agreement(first, second, len(labels), shared, measures.interval("kappa", kappa))


def _resampled(cells: Ints, rows: Ints, classes: int) -> Iterator[Floats]:
    """Yield confusion matrices, shape (some, classes, classes): of the rows first, then of resamples.

    How many rows of each cell a bootstrap draws is multinomial. Drawing that at
    once takes as long for a million rows as for a hundred.
    """
    random = np.random.default_rng(_SEED)
    drawn = np.vstack([rows, random.multinomial(rows.sum(), rows / rows.sum(), size=measures.RESAMPLES)])
    at_once = max(1, _BLOCK // classes**2)
    for start in range(0, len(drawn), at_once):
        block = drawn[start : start + at_once]
        matrices = np.zeros((len(block), classes**2))
        matrices[:, cells] = block
        yield matrices.reshape(-1, classes, classes)


def _of_matrices(matrices: Floats) -> tuple[Floats, Floats]:
    """Return the agreement and Cohen's kappa of confusion matrices."""
    right, first, second = (
        np.diagonal(matrices, axis1=1, axis2=2),
        matrices.sum(axis=2),
        matrices.sum(axis=1),
    )
    return right.sum(axis=1) / first.sum(axis=1), cohens_kappa(right, first, second)


def cohens_kappa(right: Floats, first: Floats, second: Floats) -> Floats:
    """Return Cohen's kappa of each sample of rows; NaN where it is not defined.

    κ = (o - e) / (1 - e), with the observed agreement o and that of two people
    who give the same shares of labels at random, e (Cohen, 1960).

    Args:
        right: the rows on which the two agree, shape (samples, classes).
        first: the rows of each class by the first of them, of the same shape.
        second: the same by the second.
    """
    rows = first.sum(axis=1)
    observed, chance = right.sum(axis=1) / rows, (second * first).sum(axis=1) / rows**2
    beyond = 1 - chance
    found: Floats = np.divide(observed - chance, beyond, out=np.full(len(rows), np.nan), where=beyond > 1e-12)
    return found
