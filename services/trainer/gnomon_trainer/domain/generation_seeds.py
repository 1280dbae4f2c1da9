"""Seeds: the rows of a test set that a generator is shown. Pure.

They never count in an evaluation of what was generated from them, and so have
no context in common with those that do, where that can be.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gnomon.errors import DatasetUnsuitableError, GenerationSeedsMissingError
from gnomon_trainer.domain.generation_parts import context_of, copied_column, written_text
from gnomon_trainer.domain.nearness import Neighbours, affordable, copies
from gnomon_trainer.domain.splitting import split
from gnomon_trainer.domain.texts import normalised, rendered
from gnomon_trainer.domain.training import MetricDefinition, Row

DEFAULT_SHARE = 0.2
LARGEST_SHARE = 0.5  # the rest is what there is to measure on
MOST_SEEDS = 2_000  # more than that teach a generator nothing new


@dataclass(frozen=True, slots=True)
class Seed:
    """A row that a generator is shown; `number` counts from 1 in `dataset`."""

    dataset: str  # datasets/{dataset}@{version}
    number: int
    label: str
    record: Mapping[str, Any]
    text: str  # what was written of it, normalised

    @property
    def place(self) -> str:
        """Where it stands, as the column `generated_from` has it."""
        return f"{self.dataset}#{self.number}"


def choose(rows: Iterable[Row], metric: MetricDefinition, share: float, seed: int) -> tuple[int, ...]:
    """Return the numbers of the rows of a test set that become seeds, ascending.

    As large a share of every class as whole contexts allow; rows that share a context go together.
    Where that leaves none, rows go one by one. The same rows and seed give the same answer.

    Raises:
        GenerationSeedsMissingError: there are too few rows.
    """
    numbers, labels, contexts = [], [], []
    for row in rows:
        numbers.append(row.number)
        labels.append(row.label)
        contexts.append(context_of(row.instance, metric))
    share = min(share, MOST_SEEDS / max(1, len(labels)))
    places = _divided(labels, contexts, share, seed)
    if not places:
        raise GenerationSeedsMissingError(
            f"{len(labels)} rows are too few to take a share of {share:g} of them as seeds. Add rows to the "
            "test set, or raise seed_share.",
            row_count=str(len(labels)),
        )
    return tuple(sorted(numbers[place] for place in places))


def _divided(labels: Sequence[str], contexts: Sequence[int], share: float, seed: int) -> frozenset[int]:
    for groups in (contexts, None):
        try:
            found = split(labels, groups, share, seed)
        except DatasetUnsuitableError:
            continue
        if {labels[place] for place in found} == _with_enough(labels, share) or groups is None:
            return found
    return frozenset()


def _with_enough(labels: Sequence[str], share: float) -> set[str]:
    """Return the classes of which a share is at least a row."""
    return {label for label, rows in Counter(labels).items() if rows * share > 0.5}


def kept_out(
    rows: Iterable[Row], seeds: Sequence[Row], metric: MetricDefinition, neighbours: Neighbours
) -> dict[int, int]:
    """Return the rows of a test set that a generator saw, or nearly: {number: that of the seed}.

    Both what an evaluator reads of a row and what was written of it are compared.
    """
    there = list(rows)
    size = sum(len(rendered(row.instance, metric)) for row in there)
    looking = neighbours if affordable(len(there) + len(seeds), size) else None
    found: dict[int, int] = {}
    copied = copied_column(metric.input_shape)  # otherwise the two texts are one
    for text_of in (_whole, written_text) if copied else (_whole,):
        known = [text_of(seed.instance, metric) for seed in seeds]
        asked = [text_of(row.instance, metric) for row in there]
        for place, seed in copies(known, asked, looking).items():
            found.setdefault(there[place].number, seeds[seed].number)
    return dict(sorted(found.items()))


def _whole(instance: Any, metric: MetricDefinition) -> str:
    return normalised(rendered(instance, metric))
