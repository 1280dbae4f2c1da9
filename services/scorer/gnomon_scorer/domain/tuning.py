"""Finds the fastest way to run an evaluator on this machine, by trying. Pure.

Formats first, then threads, then batches, each time with the best found so
far: what is best of one hardly depends on the others, and trying all of
all would take minutes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gnomon.tokens import Tokens
from gnomon_scorer.domain.ports import FIRST_BATCH_TOKENS, BatchLimits, Trial, Tuning, Way
from gnomon_scorer.domain.probing import BLOCK

BATCH_TOKENS = (0, 256, 512, 1024, 2048)
MOST_BLOCKS = 8  # of rows, in a pass

_PASSES = 24  # about as many as fit into the budget
_HOPELESS = 0.7  # of the best speed: not worth a second pass
_WORSE = 0.95  # of the best speed: no use in going on in that direction
_FINALIST = 0.9
_ROUNDS = 2  # how often the finalists are measured again
_AS_GOOD = 0.97  # speeds that measuring cannot tell apart

# Passes of the chosen way that lie further apart were measured beside other work: what was found is used,
# but measured again when a version is next loaded, and so much later, so that of versions that are loaded
# together not each one takes the time.
UNSTEADY = 0.2
AGAIN_S = 60.0


# Runs the first rows of the sample, so many; returns the seconds. Raises what makes the way unusable.
Measure = Callable[[Way, int], float]


def is_trusted(tuning: Tuning, now: float) -> bool:
    """Tell whether a stored tuning is to be used as it is; `now`: seconds since the epoch."""
    is_new = tuning.measured_at is not None and 0 <= now - tuning.measured_at < AGAIN_S
    return is_new or tuning.chosen.spread <= UNSTEADY


def tune(
    threads_by_format: Mapping[str, Sequence[int]],
    most_batch_tokens: int,
    budget_s: float,
    measure: Measure,
) -> tuple[Trial, tuple[Trial, ...]]:
    """Return the best trial and all of them.

    Formats are tried in the given order, so the one most likely to be best
    comes first; each has the numbers of threads to try, ascending from 1.
    Ends when the measured seconds exceed the budget, by at most one pass.

    Raises:
        Exception: what `measure` raised last, if no way can be used.
    """
    search = _Search(measure, budget_s)
    first = min(FIRST_BATCH_TOKENS, most_batch_tokens)
    for format_ in threads_by_format:
        if not search.try_(Way(format_, 1, first)):
            search.try_(Way(format_, 1, 0))  # a graph for one instance a call
    if search.best is None:
        raise search.error or RuntimeError("There is no time to try anything.")
    best = search.best.way
    search.climb(Way(best.format, count, best.batch_tokens) for count in threads_by_format[best.format][1:])
    best = search.choice().way
    if best.batch_tokens:
        sizes = [size for size in BATCH_TOKENS if size <= most_batch_tokens]
        for direction in (
            [size for size in sizes if size > best.batch_tokens],
            [size for size in reversed(sizes) if size < best.batch_tokens],
        ):
            search.climb(Way(best.format, best.threads, size) for size in direction)
    search.settle()
    return search.choice(), tuple(search.trials())


@dataclass(slots=True)
class _Search:
    """What was tried so far: of each way its fastest pass, in rows a second; disturbances only slow down."""

    measure: Measure
    budget_s: float
    spent_s: float = 0.0
    rows: int = 0  # of a pass; chosen after the first look at the speed
    error: Exception | None = None
    found: dict[Way, float] = field(default_factory=dict)
    slowest: dict[Way, float] = field(default_factory=dict)  # pass, of those that `found` is of

    @property
    def best(self) -> Trial | None:
        return max(self.trials(), key=lambda trial: trial.sequences_per_s, default=None)

    def trials(self) -> list[Trial]:
        return [Trial(way, speed, 1 - self.slowest[way] / speed) for way, speed in self.found.items()]

    def try_(self, way: Way) -> bool:
        """Measure a way, unless the time is up; tell whether it can be used as far as is known.

        The first pass warms up: a runtime prepares for each shape it sees.
        """
        if self.spent_s >= self.budget_s and (self.found or self.error):
            return True
        champion = self.best
        try:
            self.found[way] = self.slowest[way] = self._pass(way, self.rows or BLOCK)
            if not self.rows:
                self.rows = self._rows_of_a_pass(self.found[way])
            if self.spent_s < self.budget_s and not self._is_hopeless(way):
                self.found[way] = self.slowest[way] = self._pass(way, self.rows)
            if champion and self.found[way] > champion.sequences_per_s:
                self._again(champion.way)  # it may have been disturbed
        except Exception as error:
            self.found.pop(way, None)
            self.error = error
            return False
        return True

    def _again(self, way: Way) -> None:
        if self.spent_s < self.budget_s:
            speed = self._pass(way, self.rows)
            self.found[way] = max(self.found[way], speed)
            self.slowest[way] = min(self.slowest[way], speed)

    def climb(self, ways: Iterable[Way]) -> None:
        """Try one after the other for as long as it does not get worse."""
        for way in ways:
            if self.spent_s >= self.budget_s or not self.try_(way):
                return
            if self.best is not None and self.found[way] < _WORSE * self.best.sequences_per_s:
                return

    def settle(self) -> None:
        """Measure those near the best again, in turns: a disturbance hits all, and shows in their spread."""
        if self.best is None:
            return
        least = _FINALIST * self.best.sequences_per_s
        finalists = [way for way, speed in self.found.items() if speed >= least]
        for way in finalists * _ROUNDS:
            try:
                self._again(way)
            except Exception as error:
                self.error = error
                return

    def choice(self) -> Trial:
        """Return the fastest; of those as good the one of fewest threads, then of the smallest batches.

        Nobody waits for others there; but batches there are, for a call costs the server time of its own.
        """
        assert self.best is not None
        least = _AS_GOOD * self.best.sequences_per_s
        good = [trial for trial in self.trials() if trial.sequences_per_s >= least]
        return min(
            good, key=lambda trial: (trial.way.threads, not trial.way.batch_tokens, trial.way.batch_tokens)
        )

    def _is_hopeless(self, way: Way) -> bool:
        best = self.best
        return best is not None and self.found[way] < _HOPELESS * best.sequences_per_s

    def _pass(self, way: Way, rows: int) -> float:
        seconds = self.measure(way, rows)
        self.spent_s += seconds
        return rows / max(seconds, 1e-9)

    def _rows_of_a_pass(self, speed: float) -> int:
        blocks = int(speed * self.budget_s / _PASSES) // BLOCK
        return BLOCK * min(max(blocks, 1), MOST_BLOCKS)


def batches(rows: Sequence[Tokens], limits: BatchLimits) -> list[list[Tokens]]:
    """Return rows in batches of similar length, the dearest first, so that all cores end together."""
    made: list[list[Tokens]] = []
    for row in sorted(rows, key=len):
        if made and _fits(made[-1], row, limits):
            made[-1].append(row)
        else:
            made.append([row])
    return sorted(made, key=lambda batch: -len(batch) * len(batch[-1]))


def _fits(batch: list[Tokens], row: Tokens, limits: BatchLimits) -> bool:
    width = (len(batch) + 1) * limits.padded(len(row))
    filled = sum(limits.padded(len(one)) for one in (*batch, row))
    return (
        len(batch) < limits.max_instances
        and width <= limits.max_padded_tokens
        and filled >= limits.min_fill * width
    )
