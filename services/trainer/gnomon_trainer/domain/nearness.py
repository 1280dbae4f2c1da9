"""When two texts are near duplicates. Pure.

Near are texts that differ in one word, or in a twentieth of the words of a
long one, and share enough to be no coincidence: "How do I pay?" and "How may I
pay?" are written by people who never met, and so is what a form or a prompt
puts around every text.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

CHANGED_SHARE = 0.05
# Near texts are looked for among so many, so that it takes some ten seconds and a GiB at most.
NEAR_ROWS = 50_000
NEAR_BYTES = 256 * 1024 * 1024
# The information in the shared words, in nats: Σ ln(texts / texts with the word). Measured on short
# questions of one domain, where two people most often write nearly the same.
ENOUGH_SHARED = 16.0
# Han and kana are written without spaces: each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+")


def affordable(rows: int, size_bytes: int) -> bool:
    """Tell whether near texts can be looked for among so many rows."""
    return rows <= NEAR_ROWS and size_bytes <= NEAR_BYTES


class Neighbours(Protocol):
    """Finds which of many texts may be near, so that not every pair need be compared."""

    def candidates(self, known: Sequence[str], asked: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield places (of a known text, of an asked one) of texts that share most of their parts.

        Not all of them are near, but nearly all that are near are among them.
        The same texts give the same pairs.
        """
        ...


class Nearness:
    """Tells whether normalised texts are near; how much a word says is learned from all of them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = 0
        self._with_word: Counter[str] = Counter()
        for text in texts:
            self._texts += 1
            self._with_word.update(set(_WORD.findall(text)))

    def near(self, one: str, other: str) -> bool:
        words, others = _WORD.findall(one), _WORD.findall(other)
        shared = Counter(words) & Counter(others)
        longer = max(len(words), len(others))
        few_changed = longer - shared.total() <= CHANGED_SHARE * longer
        return (few_changed or _one_word_apart(words, others)) and self._information(shared) >= ENOUGH_SHARED

    def _information(self, words: Counter[str]) -> float:
        known = self._texts + 1
        return sum(n * math.log(known / (self._with_word[word] + 1)) for word, n in words.items())


def copies(known: Sequence[str], asked: Sequence[str], neighbours: Neighbours | None) -> dict[int, int]:
    """Return which asked texts are equal or near to a known one: {its place: that of the known one}.

    All texts are normalised. Labels play no part: who wrote one text with another in view may
    have given it another label. Without `neighbours`, only equal texts are found.
    """
    places = {text: place for place, text in reversed(list(enumerate(known)))}
    found = {place: places[text] for place, text in enumerate(asked) if text in places}
    if neighbours is None or not known or not asked:
        return found
    nearness = Nearness([*known, *asked])
    for there, place in neighbours.candidates(known, asked):
        if place not in found and nearness.near(asked[place], known[there]):
            found[place] = there
    return dict(sorted(found.items()))


def _one_word_apart(words: Sequence[str], others: Sequence[str]) -> bool:
    """Tell whether one word was replaced, added or removed, at most."""
    shorter, longer = sorted((words, others), key=len)
    start = _same(shorter, longer)
    end = _same(shorter[start:][::-1], longer[start:][::-1])
    return len(longer) - start - end <= 1


def _same(words: Sequence[str], others: Sequence[str]) -> int:
    """Return how many words two texts begin with alike."""
    pairs = enumerate(zip(words, others, strict=False))
    return next((place for place, (word, other) in pairs if word != other), min(len(words), len(others)))
