"""Which written rows are too near to one that is there already. Pure."""

from collections.abc import Sequence
from enum import StrEnum

from gnomon_trainer.domain.nearness import Nearness, Neighbours, copies


class Dropped(StrEnum):
    """Why an item did not become a row; the names are those of fields of `gnomon.v1.Generation.Dropped`."""

    UNUSABLE = "unusable"  # not of the form that was asked for
    COPIES_SEED = "copies_seed"
    COPIES_TEST_ROW = "copies_test_row"  # of those that evaluations are made on
    REPEATS_ROW = "repeats_row"
    JUDGED_OTHERWISE = "judged_otherwise"
    NOT_JUDGED = "not_judged"


NEAR = (Dropped.COPIES_SEED, Dropped.COPIES_TEST_ROW, Dropped.REPEATS_ROW)


class Sieve:
    """Compares what was written of rows, normalised, with seeds, test rows and the rows kept so far."""

    def __init__(self, seeds: Sequence[str], test: Sequence[str], neighbours: Neighbours) -> None:
        self._known = [*seeds, *test]
        self._seeds, self._test = len(seeds), len(test)
        self._neighbours = neighbours

    def keep(self, texts: Sequence[str]) -> None:
        """Let later texts be compared with these."""
        self._known += texts

    def sift(self, texts: Sequence[str]) -> list[Dropped | None]:
        """Return why each text is dropped, or None; later ones are compared with earlier ones."""
        near = copies(self._known, texts, self._neighbours)
        nearness = Nearness([*self._known, *texts])
        found: list[Dropped | None] = []
        passed: list[str] = []
        for place, text in enumerate(texts):
            if place in near:
                found.append(self._cause(near[place]))
            elif any(text == other or nearness.near(text, other) for other in passed):
                found.append(Dropped.REPEATS_ROW)
            else:
                found.append(None)
                passed.append(text)
        return found

    def _cause(self, known: int) -> Dropped:
        if known < self._seeds:
            return Dropped.COPIES_SEED
        return Dropped.COPIES_TEST_ROW if known < self._seeds + self._test else Dropped.REPEATS_ROW
