"""Temperature, threshold and the rows that both are fitted on."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from gnomon.decision import probabilities
from gnomon_trainer.domain.calibration import (
    best_f1_threshold,
    fit_temperature,
    log_softmax,
    negative_log_likelihood,
)
from gnomon_trainer.domain.validation_split import hold_out

SEEDS = st.integers(0, 2**32 - 1)


@given(st.lists(st.floats(-500, 500), min_size=2, max_size=8), st.floats(0.05, 20))
@settings(deadline=None, max_examples=50)
def test_probabilities_are_those_of_serving(logits: list[float], temperature: float) -> None:
    served = probabilities(logits, temperature)
    assert np.exp(log_softmax(np.array([logits]), temperature))[0] == pytest.approx(served, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_of_made_up_logits_is_found_again(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 3)) * 2
    shares = np.exp(log_softmax(logits))
    truth = (shares.cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.05)


@given(st.integers(2, 30), SEEDS)
@settings(deadline=None, max_examples=50)
def test_no_other_temperature_fits_better(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    logits, truth = random.normal(size=(rows, 3)) * 3, random.integers(0, 3, rows)
    found = fit_temperature(logits, truth)
    best = negative_log_likelihood(logits, truth, found)
    for other in np.geomspace(0.05, 20, 50):
        assert best <= negative_log_likelihood(logits, truth, float(other)) + 1e-6


def test_rows_that_are_all_right_do_not_drive_the_temperature_to_zero() -> None:
    assert fit_temperature(np.array([[5.0, -5.0], [-5.0, 5.0]]), np.array([0, 1])) >= 0.05


@given(st.integers(1, 40), SEEDS)
@settings(deadline=None, max_examples=50)
def test_no_other_threshold_has_a_better_f1(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    shares, positive = random.random(rows).round(1), random.random(rows) < 0.4
    threshold = best_f1_threshold(shares, positive)
    assert 0 <= threshold <= 1
    if positive.any():
        reached = f1_score(positive, shares >= threshold)
        for other in np.linspace(0, 1, 41):
            assert reached >= f1_score(positive, shares >= other, zero_division=0) - 1e-12


def test_of_equally_good_thresholds_the_one_nearest_to_a_half_is_taken() -> None:
    shares = np.array([0.1, 0.2, 0.8, 0.9])
    assert best_f1_threshold(shares, np.array([False, False, True, True])) == pytest.approx(0.5)


def test_without_a_positive_row_the_threshold_is_a_half() -> None:
    assert best_f1_threshold(np.array([0.1, 0.9]), np.array([False, False])) == 0.5


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), min_size=1, max_size=80),
    st.floats(0.05, 0.5),
    st.integers(0, 9),
)
@settings(deadline=None, max_examples=50)
def test_every_row_is_on_one_side_and_duplicates_are_on_the_same(
    rows: list[tuple[str, int]], share: float, seed: int
) -> None:
    labels, keys = [label for label, _ in rows], [key for _, key in rows]
    training, validation = hold_out(labels, keys, share, seed)
    assert sorted(training + validation) == list(range(len(rows)))
    assert {keys[i] for i in training}.isdisjoint(keys[i] for i in validation)
    assert {labels[i] for i in training} == set(labels)
    assert (training, validation) == hold_out(labels, keys, share, seed)


def test_each_class_is_held_out_by_its_share() -> None:
    labels = ["a"] * 200 + ["b"] * 50 + ["c"] * 3
    _, validation = hold_out(labels, range(len(labels)), 0.2, seed=5)
    assert Counter(labels[i] for i in validation) == {"a": 40, "b": 10}
    assert validation != hold_out(labels, range(len(labels)), 0.2, seed=6)[1]
