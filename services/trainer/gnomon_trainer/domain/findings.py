"""What checks of data find. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SHOWN_ROWS = 20
LISTED_ROWS = 200  # where a row leaves the training set because of another


@dataclass(frozen=True, slots=True)
class Finding:
    """`rows` are the first it concerns, counted from 1; `row_count` is how many there are in all.

    `matches` are, for each of `rows`, the row that it was compared with, where there is one.
    """

    code: str
    message: str
    rows: tuple[int, ...] = ()
    row_count: int = 0
    matches: tuple[int, ...] = ()


def finding(code: str, message: str, rows: Iterable[int] = ()) -> Finding:
    """Make a finding about rows, of which the first are kept."""
    concerned = sorted(rows)
    return Finding(code, message, tuple(concerned[:SHOWN_ROWS]), len(concerned))


def matched(code: str, message: str, rows: Mapping[int, int]) -> Finding:
    """Make a finding about rows and what each was compared with."""
    first = sorted(rows.items())[:LISTED_ROWS]
    return Finding(code, message, tuple(r for r, _ in first), len(rows), tuple(other for _, other in first))
