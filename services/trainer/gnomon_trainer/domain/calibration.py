"""From the logits of held-out rows to probabilities that can be believed. Pure, with NumPy."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.bundle import Calibration
from gnomon_trainer.domain.measures import macro_f1_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LOWEST, HIGHEST = 0.05, 20.0  # beyond these it is not the temperature that is wrong with an evaluator
BELIEF = 4.0  # that a temperature is near 1: by a factor of e^(1/2) off, give or take, before a row is seen
_GOLDEN = (math.sqrt(5) - 1) / 2

_FOLDS = 5
_LEAST_ROWS_A_CLASS = 25  # of the rarest one: two more numbers a class want rows to be fitted on
_MOST_STEPS = 50
_PRIOR = 1.0  # the weight of the penalty: that of one row whose loss is half the square of a number's change


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The calibration that was chosen, and the cross-validated mean log-loss of every method, in nats.

    `log_losses` has `uncalibrated` and, if there were rows enough to compare
    them, `temperature` and `vector`.
    """

    calibration: Calibration
    log_losses: dict[str, float]


def log_softmax(logits: NDArray[Any], temperature: float = 1.0) -> Floats:
    """Return the log-probabilities of logits of shape (rows, classes)."""
    return _log_softmax(np.asarray(logits, dtype=np.float64) / temperature)


def log_probabilities(logits: NDArray[Any], calibration: Calibration) -> Floats:
    """Return the calibrated log-probabilities of logits of shape (rows, classes): `decision.calibrated`."""
    scaled = np.asarray(logits, dtype=np.float64) / calibration.temperature
    if calibration.scales:
        scaled = scaled * np.array(calibration.scales) + np.array(calibration.biases)
    return _log_softmax(scaled)


def _log_softmax(scaled: Floats) -> Floats:
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    result: Floats = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return result


def negative_log_likelihood(logits: NDArray[Any], truth: Ints, temperature: float = 1.0) -> float:
    """Return the mean over the rows, in nats; `truth` holds class indices."""
    return float(-log_softmax(logits, temperature)[np.arange(len(truth)), truth].mean())


def calibrate(logits: NDArray[Any], truth: Ints, seed: int, *, sets_label: bool = False) -> Calibrated:
    """Fit temperature scaling, or vector scaling where that is clearly better on rows it was not fitted on.

    Five-fold cross-validation on these rows: vector scaling is taken if its
    mean log-loss is lower by more than the standard error of that difference,
    so never where it is higher; and only with 25 rows of every class, so that
    many classes with few rows stay with the one number of the temperature.

    `sets_label`: the label is the most probable class. Then macro-F1 must not
    fall either: where classes were weighted in training, biases that undo it
    fit better, and the rare classes are hardly ever the label any more. A
    temperature changes no label.
    """
    rows, classes = logits.shape
    temperature = Calibration(fit_temperature(logits, truth), "temperature", rows)
    losses = {"uncalibrated": negative_log_likelihood(logits, truth)}
    if np.bincount(truth, minlength=classes).min() < _LEAST_ROWS_A_CLASS:
        return Calibrated(temperature, losses)
    (one, many), (label_one, label_many) = _cross_validated(logits, truth, seed)
    losses |= {"temperature": float(one.mean()), "vector": float(many.mean())}
    gain = one - many
    vector = fit_vector(logits, truth)
    if vector is None or not gain.mean() > gain.std(ddof=1) / math.sqrt(rows):
        return Calibrated(temperature, losses)
    if sets_label and macro_f1_of(truth, label_many, classes) < macro_f1_of(truth, label_one, classes):
        return Calibrated(temperature, losses)
    return Calibrated(vector, losses)


def _cross_validated(logits: NDArray[Any], truth: Ints, seed: int) -> tuple[Floats, Ints]:
    """Return each row's log-loss and its most probable class, both of shape (2, rows).

    First by the temperature, then by the vector scaling, that the other folds give.
    """
    rows = len(truth)
    fold = np.empty(rows, dtype=np.int64)
    shuffled = np.random.default_rng(seed).permutation(rows)
    fold[shuffled[np.argsort(truth[shuffled], kind="stable")]] = np.arange(rows) % _FOLDS  # each class evenly
    losses, labels = np.empty((2, rows)), np.empty((2, rows), dtype=np.int64)
    for number in range(_FOLDS):
        out = fold == number
        one = Calibration(fit_temperature(logits[~out], truth[~out]))
        for place, found in enumerate((one, fit_vector(logits[~out], truth[~out]) or one)):
            likelihood = log_probabilities(logits[out], found)
            losses[place, out] = -likelihood[np.arange(out.sum()), truth[out]]
            labels[place, out] = likelihood.argmax(axis=1)
    return losses, labels


def fit_temperature(logits: NDArray[Any], truth: Ints, belief: float = BELIEF) -> float:
    """Return the temperature (Guo et al. 2017) that is most probable after these rows, in [0.05, 20].

    Maximum a posteriori, not maximum likelihood: where every row is right, the
    likelihood only rises as the temperature falls, so that a dozen rows would
    make a good evaluator as sure as the lower limit lets them. So the summed
    negative log-likelihood gets a penalty that does not grow with the rows:
    `belief` · (1/T - 1 + log T), a gamma prior on 1/T whose mode is 1. Near 1
    it is that of a normal prior on log T; unlike it, it is convex in 1/T as
    the likelihood is, so that a golden-section search on the logarithm finds
    the one minimum.

    `BELIEF` is from simulations, see `benchmarks/temperatures.py`; from 2 to 8 it matters little.
    """
    rows = len(truth)

    def loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        penalty = belief * (1 / temperature - 1 + log_temperature)
        return rows * negative_log_likelihood(logits, truth, temperature) + penalty

    low, high = math.log(LOWEST), math.log(HIGHEST)
    while high - low > 1e-6:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if loss(left) <= loss(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def fit_vector(logits: NDArray[Any], truth: Ints) -> Calibration | None:
    """Return a scale and a bias a class that fit better than the temperature they start from.

    Minimises the summed negative log-likelihood plus half the squared distance
    from scales of 1 and biases of 0: convex, so that Newton's method with a
    step that is halved until it improves finds the one minimum. None where a
    scale comes out at or below 0: more of a class must never make it less
    probable.
    """
    rows, classes = logits.shape
    temperature = fit_temperature(logits, truth)
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    hit = np.eye(classes)[truth]
    start = np.r_[np.ones(classes), np.zeros(classes)]

    def loss(at: Floats) -> float:
        likelihood = _log_softmax(scaled * at[:classes] + at[classes:])
        return float(-(likelihood * hit).sum() + _PRIOR / 2 * ((at - start) ** 2).sum())

    at, reached = start, loss(start)
    for _ in range(_MOST_STEPS):
        step = _newton_step(scaled, hit, at, at - start)
        size = 1.0
        while (tried := loss(at - size * step)) > reached and size > 1e-8:
            size /= 2
        if reached - tried <= 1e-9 * rows:
            break
        at, reached = at - size * step, tried
    if (at[:classes] <= 0).any():
        return None
    scales, biases = (tuple(part.tolist()) for part in (at[:classes], at[classes:] - at[classes:].mean()))
    return Calibration(temperature, "vector", rows, scales, biases)


def _newton_step(scaled: Floats, hit: Floats, at: Floats, change: Floats) -> Floats:
    """Return what to subtract: the gradient divided by the Hessian, both with the penalty's part."""
    classes = hit.shape[1]
    shares = np.exp(_log_softmax(scaled * at[:classes] + at[classes:]))
    wrong = shares - hit
    gradient = np.r_[(wrong * scaled).sum(axis=0), wrong.sum(axis=0)] + _PRIOR * change
    # The Hessian of the softmax's loss is Σ xᵀ (diag p - p pᵀ) x, with x = (logits, 1) of each class.
    weighted = np.hstack([shares * scaled, shares])
    hessian = -weighted.T @ weighted
    moments = [(shares * scaled**power).sum(axis=0) for power in (2, 1, 0)]
    for block, (i, j) in enumerate(((0, 0), (0, 1), (1, 1))):
        diagonal = np.arange(classes)
        hessian[i * classes + diagonal, j * classes + diagonal] += moments[block]
        if i != j:
            hessian[j * classes + diagonal, i * classes + diagonal] += moments[block]
    hessian[np.diag_indices_from(hessian)] += _PRIOR
    step: Floats = np.linalg.solve(hessian, gradient)
    return step
