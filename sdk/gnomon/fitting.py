"""What of a long transcript is kept, and what goes first. Pure.

A trace or a session is rendered as parts, one a message, call, result or
document, each with a `Rank`. Where they are more than an evaluator reads, they
are shortened in the order of `_STEPS`, longest parts of a rank first: of each
its beginning and its end stay. What is left over then goes whole, the oldest
first; the first request of a user and the last turns go last of all.

This order is part of the templates that make parts: a template's evaluator was
trained on what is kept here, so that it never changes either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Rank(IntEnum):
    """What a part is; the higher, the longer it is kept."""

    SYSTEM = 0  # what the application tells its model
    RESULT = 1  # what a tool gave back, and documents
    TURN = 2  # what was said or called between the first request and the last turns
    LAST = 3  # the first request and the last turns


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a rendered text, by its length in characters."""

    characters: int
    rank: Rank


# Parts of the rank are shortened to a length that they share, but to no fewer tokens than these.
_STEPS = ((Rank.SYSTEM, 16), (Rank.RESULT, 64), (Rank.TURN, 64), (Rank.RESULT, 16), (Rank.TURN, 16))


def fit(lengths: Sequence[int], ranks: Sequence[Rank], room: int, unit: int = 1) -> list[int]:
    """Return how much of each part is kept, so that together they are at most `room`.

    `lengths` and `room` are tokens, or stretches of which a token has `unit`.
    What fits is kept whole.
    """
    kept = list(lengths)
    for rank, tokens in _STEPS:
        _shorten(kept, [i for i, other in enumerate(ranks) if other is rank], room, tokens * unit)
    _drop_oldest(kept, [i for i, rank in enumerate(ranks) if rank in {Rank.RESULT, Rank.TURN}], room)
    _drop_oldest(kept, [i for i, rank in enumerate(ranks) if rank is Rank.SYSTEM], room)
    _shorten(kept, range(len(kept)), room, 0)
    return kept


def _shorten(kept: list[int], members: Sequence[int], room: int, least: int) -> None:
    """Bring the longest of the members down to one length, `least` at least, as far as is needed."""
    excess = sum(kept) - room
    if excess <= 0:
        return
    descending = sorted((kept[i] for i in members), reverse=True)
    total = 0
    limit = least
    for count, length in enumerate(descending, 1):
        total += length
        shorter = descending[count] if count < len(descending) else 0
        if total - count * max(shorter, least) >= excess:  # these, brought down to the next one, suffice
            limit = max(least, (total - excess) // count)
            break
    for i in members:
        kept[i] = min(kept[i], limit)


def _drop_oldest(kept: list[int], members: Sequence[int], room: int) -> None:
    excess = sum(kept) - room
    for i in members:
        if excess <= 0:
            return
        excess -= kept[i]
        kept[i] = 0


def shares(kept: int, marker: int) -> tuple[int, int]:
    """Return how much of a shortened part's beginning and of its end is kept, with a marker between.

    A part in which there is no room for a word on either side is its beginning.
    """
    words = kept - marker
    return (kept, 0) if words < 2 else (words - words // 2, words // 2)
