"""The figures of cells, and differences between methods: paired over the rows, and over seeds.

A resample draws rows, and seeds, with replacement, the same for all methods; resample 0 takes each once. The
rows' part is the product's own (`gnomon_trainer.domain.measures`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.quality.cells import Measured
from numpy.typing import NDArray

from gnomon_trainer.domain import measures

Floats = NDArray[np.float64]

RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its 95 % percentile interval."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Of a difference: better, worse, or even where the interval holds 0."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "even"


def interval(values: Floats) -> Interval:
    """Return the interval of one value a resample, of which the first is the value itself."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return Interval(float(values[0]), float(low), float(high))


def over_seeds(cells: Sequence[Measured], figure: str) -> Floats:
    """Return the mean of a figure over the seeds, for every resample.

    Cells are of one method and set, one a seed, in the same order for every method that is compared.
    """
    by_seed = np.stack([_resampled(cell, figure) for cell in cells])
    random = np.random.default_rng(0)
    count, resamples = by_seed.shape
    drawn = random.integers(0, count, (count, resamples))
    drawn[:, 0] = np.arange(count)
    result: Floats = np.take_along_axis(by_seed, drawn, axis=0).mean(axis=0)
    return result


def difference(first: Sequence[Measured], second: Sequence[Measured], figure: str) -> Interval:
    """Return how much more `first` reaches than `second`.

    Raises:
        ValueError: they are not of the same seeds and rows.
    """
    if [_identity(cell) for cell in first] != [_identity(cell) for cell in second]:
        raise ValueError("only cells of the same seeds and rows can be paired")
    return interval(over_seeds(first, figure) - over_seeds(second, figure))


def ece(cells: Sequence[Measured]) -> float:
    """Return the mean over the seeds of the expected calibration error of the most probable class."""
    found = []
    for cell in cells:
        hit = cell.probabilities.argmax(axis=1) == cell.truth
        once = np.ones((hit.size, 1), dtype=np.uint8)
        found.append(measures.expected_calibration_error(_confidence(cell), hit, once)[0])
    return float(np.mean(found))


def _confidence(cell: Measured) -> Floats:
    result: Floats = np.clip(cell.probabilities.max(axis=1), 0.0, 1.0)
    return result


def _identity(cell: Measured) -> tuple[int, int, bytes, bytes]:
    return cell.cell.seed, cell.cell.shots, cell.rows.tobytes(), cell.truth.tobytes()


def _resampled(cell: Measured, figure: str) -> Floats:
    draws = measures.draw(len(cell.truth), 0, RESAMPLES)  # the same rows for every method and seed
    predicted = cell.probabilities.argmax(axis=1)
    if figure == "accuracy":
        return measures.mean(predicted == cell.truth, draws)
    if figure == "macro_f1":
        classes = cell.probabilities.shape[1]
        return measures.macro_f1(measures.confusion(cell.truth, predicted, classes, draws))
    return _auroc(cell, draws)


def _auroc(cell: Measured, draws: NDArray[np.uint8]) -> Floats:
    """Return the AUROC; of folds their mean by rows, since each has a model with scores of its own scale."""
    folds = [cell.fold == fold for fold in np.unique(cell.fold)]
    found = [
        measures.ranking(cell.probabilities[fold, 1], cell.truth[fold] == 1, draws[fold])[0] for fold in folds
    ]
    weights = np.array([fold.sum() for fold in folds], dtype=np.float64)
    result: Floats = np.average(np.stack(found), axis=0, weights=weights)
    return result
