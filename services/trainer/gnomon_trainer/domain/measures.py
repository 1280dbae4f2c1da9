"""How good predictions are, each measure with a bootstrap interval. Pure, with NumPy.

A resample draws as many rows as there are, with replacement. It is kept as the
number of times each row was drawn, so that one matrix of shape (rows,
resamples) serves every measure: resample 0 draws every row once and gives the
value itself, the others give the interval.

That matrix takes one byte a row and resample. What is computed from it takes
many, so every measure goes through it in blocks of resamples, whose size
bounds the memory. A measure is the same whatever the blocks, but for the
rounding of floating-point sums.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Draws = NDArray[np.uint8]  # rows are drawn about once; 256 times is less likely than 1 in 10^500

RESAMPLES = 1_000
CALIBRATION_BINS = 15

_BLOCK = 4_000_000  # rows × resamples that are computed at once


@dataclass(frozen=True, slots=True)
class Measure:
    """A value with the ends of its 95 % percentile interval."""

    key: str
    value: float
    low: float
    high: float


def exact(key: str, value: float) -> Measure:
    """Return a measure that was not estimated from a sample."""
    return Measure(key, value, value, value)


def draw(rows: int, seed: int, resamples: int = RESAMPLES) -> Draws:
    """Return how often each row is drawn, shape (rows, 1 + resamples); resample 0 draws each once."""
    random = np.random.default_rng(seed)
    draws = np.ones((rows, 1 + resamples), dtype=np.uint8)
    for block in _blocks(draws[:, 1:]):
        drawn = [np.bincount(random.integers(0, rows, rows), minlength=rows) for _ in range(block.shape[1])]
        block[:] = np.array(drawn, dtype=np.uint8).T
    return draws


def _blocks(draws: Draws) -> Iterator[Draws]:
    """Yield some resamples of all rows at a time, as views."""
    rows, resamples = draws.shape
    size = max(1, _BLOCK // max(1, rows))
    for start in range(0, resamples, size):
        yield draws[:, start : start + size]


def interval(key: str, values: Floats) -> Measure | None:
    """Return the measure of one value a resample, or None where it is not defined on the rows themselves.

    Resamples without a value, such as those without a row of the class, are left out.
    """
    if not np.isfinite(values[0]):
        return None
    spread = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(spread, [2.5, 97.5]) if spread.size else (values[0], values[0])
    return Measure(key, float(values[0]), float(low), float(high))


def sums(values: NDArray[Any], draws: Draws) -> Floats:
    """Return the sum of one value a row, for every resample; `draws` may be of a part of the rows."""
    values = values.astype(np.float64)
    return np.concatenate([values @ block for block in _blocks(draws)])


def weighted_mean(values: NDArray[Any], draws: Draws) -> Floats:
    """Return the mean over the drawn rows, where `draws` is of a part of them; NaN where none is drawn."""
    drawn = draws.sum(axis=0, dtype=np.int64)
    result: Floats = np.divide(sums(values, draws), drawn, out=np.full(len(drawn), np.nan), where=drawn > 0)
    return result


def mean(values: NDArray[Any], draws: Draws) -> Floats:
    """Return the mean of one value a row, for every resample."""
    return sums(values, draws) / values.size


def _sum_runs(counts: NDArray[Any], keys: NDArray[Any]) -> tuple[NDArray[Any], Floats]:
    """Add up the rows of `counts` over runs of equal keys; return where the runs start, and the sums."""
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return starts, np.add.reduceat(counts, starts, axis=0, dtype=np.float64)  # of whole numbers: exact


@dataclass(frozen=True, slots=True)
class Confusion:
    """What measures need of the confusion matrices of resamples.

    The matrices have a cell for each two classes and each resample, far more
    than there are rows, so that only the first one is kept.
    """

    first: Floats  # the matrix of resample 0, shape (true class, predicted class)
    right: Floats  # the diagonals, shape (resamples, classes), as the next two
    true: Floats  # the rows of each true class
    predicted: Floats  # the rows of each predicted class

    @property
    def rows(self) -> Floats:
        """How many rows each resample has."""
        found: Floats = self.true.sum(axis=1)
        return found


def confusion(truth: Ints, predicted: Ints, classes: int, draws: Draws) -> Confusion:
    """Count the true and predicted classes of every resample."""
    cells = truth * classes + predicted
    order = np.argsort(cells, kind="stable")
    first = np.bincount(cells, draws[:, 0], minlength=classes**2).astype(np.float64)
    found = Confusion(
        first.reshape(classes, classes),
        *(np.zeros((draws.shape[1], classes)) for _ in range(3)),
    )
    done = 0
    for block in _blocks(draws):
        starts, counts = _sum_runs(block[order], cells[order])
        these = slice(done, done := done + block.shape[1])
        counted = cells[order][starts]
        _count_cells(found, these, counted // classes, counted % classes, counts)
    return found


def _count_cells(found: Confusion, these: slice, truth: Ints, predicted: Ints, counts: Floats) -> None:
    """Set those resamples, of which `counts` has the rows of some cells: shape (cells, resamples)."""
    hit = truth == predicted
    found.right[these, truth[hit]] = counts[hit].T
    for target, of in ((found.true, truth), (found.predicted, predicted)):
        order = np.argsort(of, kind="stable")
        starts, sums = _sum_runs(counts[order], of[order])
        target[these, of[order][starts]] = sums.T


@dataclass(frozen=True, slots=True)
class ClassRates:
    """Shape (resamples, classes) each; NaN for F1 of a class that is neither true nor predicted."""

    precision: Floats
    recall: Floats
    f1: Floats


def class_rates(found: Confusion) -> ClassRates:
    """Return precision, recall and F1; a share of nothing counts as 0, as in scikit-learn."""
    right, true, predicted = found.right, found.true, found.predicted
    both = true + predicted
    return ClassRates(
        precision=np.divide(right, predicted, out=np.zeros_like(right), where=predicted > 0),
        recall=np.divide(right, true, out=np.zeros_like(right), where=true > 0),
        f1=np.divide(2 * right, both, out=np.full_like(right, np.nan), where=both > 0),
    )


def macro_f1(found: Confusion) -> Floats:
    """Return the mean F1 of the classes that are true or predicted, for every resample."""
    f1 = class_rates(found).f1
    defined = np.isfinite(f1)
    result: Floats = np.where(defined, f1, 0.0).sum(axis=1) / np.maximum(defined.sum(axis=1), 1)
    return result


def macro_f1_of(truth: Ints, predicted: Ints, classes: int) -> float:
    """Return the macro-F1 of the rows as they are."""
    once = np.ones((len(truth), 1), dtype=np.uint8)
    return float(macro_f1(confusion(truth, predicted, classes, once))[0])


def ranking(probabilities: Floats, positive: Bools, draws: Draws) -> tuple[Floats, Floats]:
    """Return AUROC and average precision, one of each a resample; NaN where one side has no row.

    Rows of equal probability count as one group, so that their order does not
    matter. Only groups that hold a positive row add anything; the rows between
    two of them are summed up together.
    """
    resamples = draws.shape[1]
    if not positive.any() or positive.all():
        return np.full(resamples, np.nan), np.full(resamples, np.nan)
    order = np.argsort(-probabilities, kind="stable")
    descending, hit = probabilities[order], positive[order]
    group = np.r_[0, np.cumsum(descending[1:] != descending[:-1])]
    holds_hit = np.bincount(group, weights=hit) > 0
    # Consecutive groups without a hit share a number.
    segment = np.cumsum(np.r_[0, (group[1:] != group[:-1]) & (holds_hit[group[1:]] | holds_hit[group[:-1]])])
    holds_hit = holds_hit[group[np.flatnonzero(np.r_[True, segment[1:] != segment[:-1]])]]
    found = [_ranking(block[order], hit, segment, holds_hit) for block in _blocks(draws)]
    auroc, average_precision = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return auroc, average_precision


def _ranking(drawn: Draws, hit: Bools, segment: Ints, holds_hit: Bools) -> tuple[Floats, Floats]:
    """Return the two measures of some resamples; rows are in the order of the ranking.

    `segment` numbers the segment of each row; `holds_hit` says of each segment
    whether it is a group with a positive row.
    """
    rows = _sum_runs(drawn, segment)[1]
    hits = np.zeros_like(rows)
    hits[holds_hit] = _sum_runs(drawn[hit], segment[hit])[1]
    flagged, found = rows.cumsum(axis=0), hits.cumsum(axis=0)
    wrong, misses = flagged - found, rows - hits
    positives, negatives = found[-1], wrong[-1]
    # A positive row beats every negative one behind it, and half of those in its own group.
    beaten = (hits * (negatives - wrong + misses / 2)).sum(axis=0)
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    average_precision = (hits * precision).sum(axis=0) / np.where(positives > 0, positives, np.nan)
    auroc = beaten / np.where(positives * negatives > 0, positives * negatives, np.nan)
    return auroc, np.where(negatives > 0, average_precision, np.nan)


def bins(confidence: Floats) -> Ints:
    """Return each row's bin of fifteen of equal width over [0, 1]."""
    result: Ints = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    return result


def expected_calibration_error(confidence: Floats, hit: Bools, draws: Draws) -> Floats:
    """Return the ECE over fifteen bins of equal width, for every resample.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: the mean
    over the rows of |share of hits minus mean confidence| of the row's bin.
    """
    gaps = np.zeros((confidence.size, CALIBRATION_BINS))
    gaps[np.arange(confidence.size), bins(confidence)] = hit - confidence
    return np.concatenate([np.abs(gaps.T @ block).sum(axis=0) / confidence.size for block in _blocks(draws)])
