"""Where generated rows are from: who wrote them, and the rows that this generator was shown. Pure."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any, Protocol

from gnomon_trainer.domain.datasets import RowStore
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.training import MetricDefinition, Row

FROM = "generated_from"
_PLACE = re.compile(r"(datasets/[a-z0-9-]{1,63}@[1-9][0-9]{0,8})#([1-9][0-9]{0,8})")


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


def named_seeds(rows: Iterable[Row]) -> dict[str, Set[int]]:
    """Return which rows of which datasets the rows of a training set say they were generated from.

    So it is known also of rows that were downloaded, put together with others
    and uploaded again. What cannot be read names none.
    """
    found: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        for place in _places(row.extra.get(FROM)):
            if isinstance(place, str) and (match := _PLACE.fullmatch(place)):
                found[match[1]].add(int(match[2]))
    return dict(found)


def _places(cell: Any) -> list[Any]:
    if isinstance(cell, str) and cell.startswith("["):  # of a CSV file
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return []
    return cell if isinstance(cell, list) else []


class Origins(Protocol):
    """Knows generations."""

    def of(self, generation: str) -> Origin:
        """Return where the rows of a generation are from, or raise NotFoundError."""
        ...
