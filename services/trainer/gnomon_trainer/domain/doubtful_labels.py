"""Which labels of a judge people should look at, and how that stays known of parts of a dataset. Pure."""

from collections.abc import Collection, Iterable, Mapping, Set
from typing import Any

from gnomon_trainer.domain.datasets import Dataset, RowStore
from gnomon_trainer.domain.findings import Finding, finding
from gnomon_trainer.domain.labellings import NARROW, margin
from gnomon_trainer.domain.soft_labels import COLUMN

CODE = "DOUBTFUL_LABELS"
_WHY = "the judge's votes differ, or its two likeliest classes are near each other"


def doubtful(dataset: str, rows: Collection[int]) -> tuple[Finding, ...]:
    """Return what is said of the doubtful rows of a dataset; nothing if there are none."""
    if not rows:
        return ()
    return (finding(CODE, f"Of {len(rows)} rows {_WHY}. {_ask(dataset)}", rows),)


def kept(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return those of a dataset's findings that no look at its rows makes again."""
    return tuple(entry for entry in findings if entry.code == CODE)


class Doubts:
    """The doubtful rows of a dataset, for the datasets that are made of some of its rows."""

    def __init__(self, source: Dataset, rows: RowStore) -> None:
        self._source = source
        self._known = kept(source.findings)
        count = self._known[0].row_count if self._known else 0
        self._rows = doubtful_rows(rows.read(source.digest), count) if count else None

    def of(self, dataset: str, numbers: Iterable[int]) -> tuple[Finding, ...]:
        """Return what is said of a dataset that is made of the rows with these numbers, in their order."""
        if not self._known:
            return ()
        if self._rows is None:
            return (self._of_source(dataset),)
        return doubtful(dataset, [place for place, row in enumerate(numbers, 1) if row in self._rows])

    def _of_source(self, dataset: str) -> Finding:
        count = self._known[0].row_count or "some"
        return finding(
            CODE,
            f"These rows are from {self._source.name}, where of {count} rows {_WHY}; which of them are here "
            f"is not known. {_ask(dataset)}",
        )


def doubtful_rows(records: Iterable[Mapping[str, Any]], count: int) -> Set[int] | None:
    """Return the numbers of the `count` rows that are doubtful; None if the rows do not tell.

    What shares were made from is not stored with a row: nine votes of ten are
    doubtful, and a probability of .9 is not. But shares that are near each other
    are doubtful whatever they were made from, and one of 1 never is. So where as
    many rows are near, or not certain, as are doubtful, it is these.
    """
    near, uncertain = set(), set()
    for number, record in enumerate(records, 1):
        shares = record.get(COLUMN)
        if not shares:
            continue
        if margin(shares) < NARROW:
            near.add(number)
        if max(shares.values()) < 1.0:
            uncertain.add(number)
    return next((rows for rows in (near, uncertain) if len(rows) == count), None)


def _ask(dataset: str) -> str:
    return f"Let people look at them: `gnomon review {dataset}`."
