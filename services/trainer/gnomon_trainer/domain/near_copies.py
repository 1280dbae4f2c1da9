"""Whether the rows that a guarantee counts are more than copies of a few with a word changed. Pure.

`Nearness` does not tell: to it, what many texts share is a form around them
and says nothing. Here just that is asked: rows that fill one form, as with
another order number, say no more of other texts than one of them does.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate

from gnomon_trainer.domain.set_aside import SetAside, kinds, needed
from gnomon_trainer.domain.training import Parameters

_FEWEST_WORDS = 8  # shorter texts are often a word apart and yet different
_MOST_WORDS = 5_000_000  # of all texts together: some ten seconds, and less than a GiB
_TEXTS_BETWEEN_PAUSES = 500
_COPIES = (
    "Of the {counted} rows of {kind} that the guarantee counts, {near} differ from other training rows in "
    "one word or in numbers alone, and so say little more than one row. The guarantee holds for instances "
    "like these; of others more may be decided wrongly."
)
_NOT_LOOKED_FOR = (
    "The training set has more than {words:,} words, so that it was not looked for rows that the guarantee "
    "counts and that differ from others in one word alone: it may rest on fewer different texts than rows."
)
_NUMBER = re.compile(r"\d+")


def caution(
    found: SetAside,
    texts: Sequence[str],
    labels: Sequence[str],
    flagged: Collection[str],
    parameters: Parameters,
    *,
    pause: Callable[[], None],
) -> str | None:
    """Return what to say where too few of the counted rows are more than copies; None if there are enough.

    `texts` are normalised, those of all rows to learn from or to set aside.
    `pause` is called now and then.
    """
    wanted = needed(parameters)
    if wanted is None:
        return None
    if sum(text.count(" ") + 1 for text in texts) > _MOST_WORDS:
        return _NOT_LOOKED_FOR.format(words=_MOST_WORDS)
    near = _near(found.counted, texts, pause)
    left = kinds([place for place in found.counted if place not in near], labels, flagged)
    counted = kinds(found.counted, labels, flagged)
    kind = next((kind for kind, rows in wanted.rows.items() if left[kind] < rows), None)
    if kind is None:
        return None
    return _COPIES.format(counted=counted[kind], kind=kind, near=counted[kind] - left[kind])


def _near(asked: Sequence[int], texts: Sequence[str], pause: Callable[[], None]) -> set[int]:
    """Return those of the asked places whose text has a shape that a different text has too."""
    shapes = {place: set(_shapes(texts[place])) for place in asked}
    first: dict[int, str | None] = {shape: None for found in shapes.values() for shape in found}
    shared = set()
    for number, text in enumerate(texts):
        if number % _TEXTS_BETWEEN_PAUSES == 0:
            pause()
        for shape in _shapes(text):
            if shape in first:
                known = first[shape]
                if known is None:
                    first[shape] = text
                elif known != text:
                    shared.add(shape)
    return {place for place, found in shapes.items() if not found.isdisjoint(shared)}


def _shapes(text: str) -> Iterator[int]:
    """Yield the text without its numbers, and that without each of its words in turn."""
    words = _NUMBER.sub("0", text).split()
    before = list(accumulate(words, lambda start, word: hash((start, word)), initial=0))
    yield before[-1]
    if len(words) >= _FEWEST_WORDS:
        after = list(accumulate(reversed(words), lambda end, word: hash((end, word)), initial=0))[::-1]
        yield from (hash((before[place], after[place + 1])) for place in range(len(words)))
