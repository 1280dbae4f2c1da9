"""Which training rows are held out for early stopping, calibration and the threshold. Pure."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

LEAST_HELD_OUT_FROM = 4  # rows of a class: of fewer, all are needed to learn it from
_FEWEST_CONTEXTS = 8
_LARGEST_CONTEXT = 0.5  # of the rows to hold out


def hold_out(
    labels: Sequence[str], duplicate_keys: Sequence[Hashable], share: float, seed: int
) -> tuple[list[int], list[int]]:
    """Split the indices 0…n-1 into (training, validation), both ascending.

    Stratified by label. Rows with equal duplicate keys stay on one side, so
    that nothing validated on was trained on. Every label keeps a row in
    training; a label of fewer than `LEAST_HELD_OUT_FROM` rows is not held out at all.
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(duplicate_keys):
        groups[key].append(index)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for group in groups.values():
        by_label[labels[group[0]]].append(group)

    left = Counter(labels)
    held: set[int] = set()
    shuffler = random.Random(seed)  # noqa: S311  the same seed must give the same split
    for label in sorted(by_label):
        rows = sum(map(len, by_label[label]))
        wanted = max(1, round(share * rows)) if rows >= LEAST_HELD_OUT_FROM else 0
        candidates = by_label[label]
        shuffler.shuffle(candidates)
        for group in candidates:
            lost = Counter(labels[index] for index in group)
            if wanted >= len(group) and all(left[name] > count for name, count in lost.items()):
                held.update(group)
                left -= lost
                wanted -= len(group)
    training = [index for index in range(len(labels)) if index not in held]
    return training, sorted(held)


def most_unheld(classes: int, share: float) -> int:
    """Return how many different duplicate keys rows can have at most of which `hold_out` holds out none.

    A class of few rows has few keys. Of a key of any other class no row is held out if it has more rows
    than are wanted, and there are fewer than `1 / share` such keys; or if it has all rows of some class,
    and there is one such key for each class.
    """
    return classes * (LEAST_HELD_OUT_FROM + math.ceil(1 / share))


def hold_out_contexts(
    labels: Sequence[str],
    duplicate_keys: Sequence[Hashable],
    contexts: Sequence[Hashable],
    share: float,
    seed: int,
) -> tuple[list[int], list[int]]:
    """Split as `hold_out` does, and rows of one context stay on one side too, as far as that can be.

    Several rows may be judged against one document. What is learned of it does
    not hold of others, and rows held out that share it would not show that. It
    cannot be where there are few contexts, or one has many of the rows, or a
    class would be missing among the rows held out. Rows with equal duplicate
    keys are of one context.
    """
    plain = hold_out(labels, duplicate_keys, share, seed)
    sizes = Counter(contexts)
    wanted = share * len(labels)
    if len(sizes) < _FEWEST_CONTEXTS or max(sizes.values()) > _LARGEST_CONTEXT * wanted:
        return plain
    apart = hold_out(labels, contexts, share, seed)
    enough = len(apart[1]) >= len(plain[1]) / 2
    classes = {labels[index] for index in plain[1]} <= {labels[index] for index in apart[1]}
    return apart if enough and classes else plain
