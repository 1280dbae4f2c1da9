"""Measures agree with scikit-learn, with weights as with repeated rows."""

import tracemalloc
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from gnomon_trainer.domain import measures

ROWS = st.integers(2, 60)
SEEDS = st.integers(0, 2**32 - 1)


def sample(rows: int, classes: int, seed: int) -> tuple[measures.Ints, measures.Ints, measures.Floats]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    probabilities = random.random((rows, classes)).round(1) + 0.01  # rounded: ties matter
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return truth, probabilities.argmax(axis=1), probabilities


def drawn_rows(draws: measures.Draws, resample: int) -> measures.Ints:
    return np.repeat(np.arange(len(draws)), draws[:, resample])


@given(ROWS, st.integers(2, 5), SEEDS)
@settings(deadline=None, max_examples=50)
def test_rates_and_macro_f1_are_those_of_the_drawn_rows(rows: int, classes: int, seed: int) -> None:
    truth, predicted, _ = sample(rows, classes, seed)
    draws = measures.draw(rows, seed, resamples=3)
    counted = measures.confusion(truth, predicted, classes, draws)
    found, rates = measures.macro_f1(counted), measures.class_rates(counted)
    for resample in range(4):
        chosen = drawn_rows(draws, resample)
        t, p = truth[chosen], predicted[chosen]
        matrix = metrics.confusion_matrix(t, p, labels=range(classes))
        assert (counted.right[resample] == matrix.diagonal()).all()
        assert (counted.true[resample] == matrix.sum(axis=1)).all()
        assert (counted.predicted[resample] == matrix.sum(axis=0)).all()
        assert resample or (counted.first == matrix).all()
        assert found[resample] == pytest.approx(metrics.f1_score(t, p, average="macro", zero_division=0))
        for rate, function in (
            (rates.precision, metrics.precision_score),
            (rates.recall, metrics.recall_score),
        ):
            expected = function(t, p, labels=range(classes), average=None, zero_division=0)
            assert rate[resample] == pytest.approx(expected)


@given(ROWS, SEEDS)
@settings(deadline=None, max_examples=50)
def test_auroc_and_average_precision_are_those_of_the_drawn_rows(rows: int, seed: int) -> None:
    truth, _, probabilities = sample(rows, 2, seed)
    positive, share = truth == 1, probabilities[:, 1]
    draws = measures.draw(rows, seed, resamples=3)
    auroc, average_precision = measures.ranking(share, positive, draws)
    for resample in range(4):
        chosen = drawn_rows(draws, resample)
        if len(set(positive[chosen])) < 2:
            assert np.isnan(auroc[resample])
            assert np.isnan(average_precision[resample])
            continue
        assert auroc[resample] == pytest.approx(metrics.roc_auc_score(positive[chosen], share[chosen]))
        expected = metrics.average_precision_score(positive[chosen], share[chosen])
        assert average_precision[resample] == pytest.approx(expected)


def test_every_resample_draws_as_many_rows_as_there_are_and_the_first_draws_each_once() -> None:
    draws = measures.draw(50, seed=3)
    assert draws.shape == (50, 1001)
    assert (draws[:, 0] == 1).all()
    assert (draws.sum(axis=0) == 50).all()
    assert (draws == measures.draw(50, seed=3)).all()
    assert (draws != measures.draw(50, seed=4)).any()


def test_the_interval_of_a_share_is_about_what_the_binomial_says() -> None:
    hits = np.arange(400) < 300
    found = measures.interval("accuracy", measures.mean(hits, measures.draw(400, seed=0)))
    assert found is not None
    assert found.value == 0.75
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found.low == pytest.approx(0.75 - half, abs=0.01)
    assert found.high == pytest.approx(0.75 + half, abs=0.01)


def test_calibration_error_is_the_gap_of_the_bins_weighted_by_their_rows() -> None:
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.3, 0.3])
    hit = np.array([True, True, True, False, False, False])
    ece = measures.expected_calibration_error(confidence, hit, measures.draw(6, 0, resamples=0))
    assert ece[0] == pytest.approx(4 / 6 * 0.15 + 2 / 6 * 0.3)


def test_a_confidence_of_exactly_one_falls_into_the_last_bin() -> None:
    assert measures.bins(np.array([0.0, 1.0])).tolist() == [0, measures.CALIBRATION_BINS - 1]


def test_what_is_not_defined_has_no_interval() -> None:
    assert measures.interval("auroc", np.array([np.nan, 0.5])) is None
    found = measures.interval("auroc", np.array([0.5, np.nan, 0.6]))
    assert found is not None
    assert (found.low, found.high) == (0.6, 0.6)


def test_measures_are_the_same_whatever_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, predicted, probabilities = sample(90, 3, seed=5)
    confidence, positive = probabilities[:, 1], truth == 1

    def computed() -> list[measures.Floats]:
        draws = measures.draw(90, seed=1, resamples=40)
        return [
            draws.astype(np.float64),
            *astuple(measures.confusion(truth, predicted, 3, draws)),
            *measures.ranking(confidence, positive, draws),
            measures.mean(confidence, draws),
            measures.expected_calibration_error(confidence, positive, draws),
        ]

    at_once = computed()
    for resamples in (0, 1, 7, 40):
        monkeypatch.setattr(measures, "_BLOCK", 90 * resamples)
        for found, wanted in zip(computed(), at_once, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12)


@given(st.integers(2, 200), st.integers(2, 30), st.integers(0, 600), SEEDS)
@settings(deadline=None, max_examples=50)
def test_what_is_kept_of_confusion_matrices_is_exactly_what_whole_ones_say(
    rows: int, classes: int, block: int, seed: int
) -> None:
    truth, predicted, _ = sample(rows, classes, seed)
    draws = measures.draw(rows, seed, resamples=6)
    matrices = np.zeros((7, classes, classes))
    for row in range(rows):
        matrices[:, truth[row], predicted[row]] += draws[row]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "_BLOCK", block)
        found = measures.confusion(truth, predicted, classes, draws)
    assert (found.first == matrices[0]).all()
    assert (found.right == np.diagonal(matrices, axis1=1, axis2=2)).all()
    assert (found.true == matrices.sum(axis=2)).all()
    assert (found.predicted == matrices.sum(axis=1)).all()
    assert (found.rows == rows).all()


def test_the_memory_of_confusion_matrices_does_not_grow_with_the_square_of_the_classes() -> None:
    rows, classes = 400, 200
    truth, predicted, _ = sample(rows, classes, seed=5)
    draws = measures.draw(rows, seed=1)
    tracemalloc.start()
    try:
        counted = measures.confusion(truth, predicted, classes, draws)
        measures.macro_f1(counted)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < draws.shape[1] * classes**2 * 8 / 10


def test_the_memory_of_the_measures_is_bounded_by_a_block() -> None:
    rows = 40_000
    truth, predicted, probabilities = sample(rows, 2, seed=5)
    confidence = probabilities[:, 1] + np.arange(rows) * 1e-9  # no ties
    draws = measures.draw(rows, seed=1, resamples=300)
    tracemalloc.start()
    try:
        measures.confusion(truth, predicted, 2, draws)
        measures.ranking(confidence, truth == 1, draws)
        measures.mean(confidence, draws)
        measures.expected_calibration_error(confidence, truth == 1, draws)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert draws.nbytes == rows * 301
    assert peak < 100 * measures._BLOCK
