"""Where generated rows are from: who wrote them, and the rows that this generator was shown. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gnomon_trainer.domain.datasets import RowStore
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.training import MetricDefinition, Row


@dataclass(frozen=True, slots=True)
class SeedRows:
    """Rows of one version of a dataset, by their numbers, which count from 1."""

    dataset: str  # datasets/{dataset}@{version}
    digest: str
    numbers: tuple[int, ...]

    def read(self, rows: RowStore, metric: MetricDefinition) -> Iterator[Row]:
        """Yield the rows in order; raises as `RowStore.pick`."""
        for number, record in sorted(rows.pick(self.digest, frozenset(self.numbers)).items()):
            yield row_of(number, record, metric)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run must know of the generation that its training set is from."""

    generation: str  # generations/{generation}
    generator: str  # the provider and its model
    seeds: tuple[SeedRows, ...]


class Origins(Protocol):
    """Knows generations."""

    def of(self, generation: str) -> Origin:
        """Return where the rows of a generation are from, or raise NotFoundError."""
        ...
