"""Which training rows are held out for early stopping, calibration and the threshold. Pure."""

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence


def hold_out(
    labels: Sequence[str], duplicate_keys: Sequence[Hashable], share: float, seed: int
) -> tuple[list[int], list[int]]:
    """Split the indices 0…n-1 into (training, validation), both ascending.

    Stratified by label. Rows with equal duplicate keys stay on one side, so
    that nothing validated on was trained on. Every label keeps a row in
    training; a label of fewer than four rows is not held out at all.
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
        wanted = max(1, round(share * rows)) if rows >= 4 else 0
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
