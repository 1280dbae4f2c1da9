"""What checks of data find. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

SHOWN_ROWS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """`rows` are the first it concerns, counted from 1; `row_count` is how many there are in all."""

    code: str
    message: str
    rows: tuple[int, ...] = ()
    row_count: int = 0


def finding(code: str, message: str, rows: Iterable[int] = ()) -> Finding:
    """Make a finding about rows, of which the first are kept."""
    concerned = sorted(rows)
    return Finding(code, message, tuple(concerned[:SHOWN_ROWS]), len(concerned))
