"""Examples that a judge is shown: rows that people labelled. Pure."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gnomon_trainer.domain.texts import normalised

MOST_EXAMPLES = 16
LONGEST_EXAMPLE = 4_000  # characters: every question pays for them
_NEAR = 0.8  # of the words of the longer of two texts


@dataclass(frozen=True, slots=True)
class Example:
    """The one or two texts of an instance by their titles, and the label that people gave it."""

    item: Mapping[str, str]
    label: str


def apart(examples: Sequence[Example], item: Mapping[str, str]) -> list[Example]:
    """Return the examples that are neither an item itself nor nearly so."""
    if not examples:
        return []
    words = _words(item)
    return [each for each in examples if not _near(_words(each.item), words)]


def _words(item: Mapping[str, str]) -> Counter[str]:
    return Counter(normalised("\n".join(item.values())).split())


def _near(words: Counter[str], others: Counter[str]) -> bool:
    return (words & others).total() >= _NEAR * max(words.total(), others.total())


def drawn(candidates: Iterable[Example], count: int, seed: int) -> tuple[Example, ...]:
    """Draw examples, as evenly over the labels as they allow; long ones are left out.

    Reads the candidates once, and keeps no more than `count` of each label
    (Vitter, "Random Sampling with a Reservoir", 1985, algorithm R).
    """
    chance = random.Random(seed)  # noqa: S311  nothing is kept secret by it
    kept: dict[str, list[Example]] = defaultdict(list)
    seen: Counter[str] = Counter()
    for each in candidates:
        if sum(map(len, each.item.values())) > LONGEST_EXAMPLE:
            continue
        seen[each.label] += 1
        place = chance.randrange(seen[each.label])
        if len(kept[each.label]) < count:
            kept[each.label].append(each)
        elif place < count:
            kept[each.label][place] = each
    taken: list[Example] = []
    for turn in range(count):
        taken += [kept[label][turn] for label in sorted(kept) if turn < len(kept[label])]
    shown = taken[:count]
    chance.shuffle(shown)  # so that the order tells no class
    return tuple(shown)
