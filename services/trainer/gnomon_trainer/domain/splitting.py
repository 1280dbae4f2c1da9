"""Divides a dataset's rows into two sets. Pure.

Stratified by label; rows of one group stay together. The same seed gives the
same split on every machine.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from gnomon.errors import DatasetUnsuitableError


def split(
    labels: Sequence[str], groups: Sequence[Hashable] | None, test_share: float, seed: int
) -> frozenset[int]:
    """Return the places (from 0) of the rows that go to the test set.

    `groups` has one key a row, or is None where every row is its own group.
    The share of each class in the test set is as near to `test_share` as whole
    groups allow.

    Raises:
        DatasetUnsuitableError: one of the two sets would be empty.
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for place in range(len(labels)):
        members[groups[place] if groups is not None else place].append(place)
    parcels = list(members.values())
    random.Random(seed).shuffle(parcels)  # noqa: S311  a seeded split, no secret
    parcels.sort(key=len, reverse=True)  # large groups first, while there is room to balance them
    test = _fill(parcels, labels, test_share)
    if not test or len(test) == len(labels):
        raise DatasetUnsuitableError(
            f"{len(labels)} rows in {len(parcels)} groups cannot be divided with a test share of "
            f"{test_share:g}: one set would be empty. Choose another share or group column."
        )
    return frozenset(test)


def _fill(parcels: Sequence[list[int]], labels: Sequence[str], test_share: float) -> list[int]:
    """Give each group to the set that is shortest of its labels, measured against what it should have."""
    totals = Counter(labels)
    wanted = {label: test_share * count for label, count in totals.items()}
    taken: Counter[str] = Counter()
    test: list[int] = []
    for parcel in parcels:
        counts = Counter(labels[place] for place in parcel)
        gain = sum(
            abs(wanted[label] - taken[label]) - abs(wanted[label] - taken[label] - count)
            for label, count in counts.items()
        )
        if gain > 0:
            test.extend(parcel)
            taken.update(counts)
    return test
