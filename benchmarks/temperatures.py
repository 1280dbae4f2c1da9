"""How much log-loss on new rows a temperature costs that was fitted on few, with a belief and without.

    python -m benchmarks.temperatures [--repeats 20]

Evaluators of 2 and 10 classes and several accuracies are drawn whose logits, divided by a
known temperature, are the truth. Labels are drawn from it, the product's `fit_temperature`
sees so many of them, and its temperature is measured by the log-loss that all rows are
expected to have, above that of the known one. Some minutes.
"""

import argparse
import itertools
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from gnomon_trainer.domain.calibration import BELIEF, fit_temperature

ROWS = (13, 20, 52, 104, 500)
CLASSES, ACCURACIES, TEMPERATURES = (2, 10), (0.7, 0.85, 0.95, 0.977, 0.99), (0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
WAYS = {"none": None, "likelihood alone": 0.0, "with the belief": BELIEF}
_POOL, _SEED = 4_000, 0

Floats = NDArray[np.float64]


def log_softmax(logits: Floats) -> Floats:
    shifted: Floats = logits - logits.max(axis=1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def calibrated_logits(random: np.random.Generator, classes: int, accuracy: float) -> Floats:
    """Return logits that are as right as they say: scaled until the mean top probability is the accuracy."""
    drawn = random.normal(size=(_POOL, classes)) * 0.3
    drawn[np.arange(_POOL), random.integers(0, classes, _POOL)] += random.gamma(3, 1 / 3, _POOL)
    low, high = 0.01, 100.0
    for _ in range(40):
        middle = (low * high) ** 0.5
        is_low = np.exp(log_softmax(drawn * middle)).max(axis=1).mean() < accuracy
        low, high = (middle, high) if is_low else (low, middle)
    scaled: Floats = drawn * (low * high) ** 0.5
    return scaled


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.temperatures", description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="draws of each case")
    repeats = parser.parse_args().repeats
    random = np.random.default_rng(_SEED)
    excess: dict[tuple[str, int], list[float]] = defaultdict(list)
    at_limit: dict[tuple[str, int], list[bool]] = defaultdict(list)
    for classes, accuracy in itertools.product(CLASSES, ACCURACIES):
        true = calibrated_logits(random, classes, accuracy)
        shares = np.exp(log_softmax(true))
        least = -(shares * log_softmax(true)).sum(axis=1).mean()
        for rows, temperature, _ in itertools.product(ROWS, TEMPERATURES, range(repeats)):
            places = random.integers(0, _POOL, rows)
            drawn = shares[places].cumsum(axis=1) < random.random((rows, 1))
            truth = drawn.sum(axis=1).clip(max=classes - 1)
            logits = true * temperature
            for way, belief in WAYS.items():
                found = 1.0 if belief is None else fit_temperature(logits[places], truth, belief)
                loss = -(shares * log_softmax(logits / found)).sum(axis=1).mean()
                excess[way, rows].append(loss - least)
                at_limit[way, rows].append(found < 0.0501)
    print("| rows held out | " + " | ".join(WAYS) + " |")
    print("|---|" + "---|" * len(WAYS))
    for rows in ROWS:
        cells = (
            f"{1e3 * np.mean(excess[way, rows]):.0f}, {np.mean(at_limit[way, rows]):.1%}" for way in WAYS
        )
        print(f"| {rows} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
