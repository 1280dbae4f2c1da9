"""Temperature, threshold and the rows that both are fitted on."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.metrics import f1_score

from gnomon.bundle import Calibration
from gnomon.decision import calibrated, probabilities
from gnomon.instances import InputShape, OutputType, Step
from gnomon_trainer.domain.calibration import (
    calibrate,
    fit_temperature,
    fit_vector,
    log_probabilities,
    log_softmax,
    negative_log_likelihood,
)
from gnomon_trainer.domain.decision_rules import Labelled, cautions, rule_of
from gnomon_trainer.domain.thresholds import Scores, best_f1_threshold, estimated
from gnomon_trainer.domain.training import MetricDefinition
from gnomon_trainer.domain.validation_split import hold_out, hold_out_contexts
from tests.trainer.fine_tuning import tiny

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


def _loss_and_prior(logits: NDArray[np.float64], truth: NDArray[np.int64], temperature: float) -> float:
    """Minus the logarithm of what the rows and a gamma prior say of a temperature."""
    prior = 4 * (1 / temperature - 1 + np.log(temperature))
    return negative_log_likelihood(logits, truth, temperature) * len(truth) + float(prior)


@given(st.integers(2, 30), st.floats(0.01, 100), SEEDS)
@settings(deadline=None, max_examples=50)
def test_no_other_temperature_is_more_probable(rows: int, size: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    logits, truth = random.normal(size=(rows, 3)) * size, random.integers(0, 3, rows)
    best = _loss_and_prior(logits, truth, fit_temperature(logits, truth))
    for other in np.geomspace(0.05, 20, 50):
        assert best <= _loss_and_prior(logits, truth, float(other)) + 1e-4


@given(st.lists(st.floats(0, 50), min_size=1, max_size=100))
@settings(deadline=None)
def test_rows_that_are_all_right_make_it_no_surer_than_their_number_can_say(margins: list[float]) -> None:
    truth = np.arange(len(margins)) % 2
    logits = np.array(margins)[:, None] * np.eye(2)[truth]
    found = fit_temperature(logits, truth)
    assert 1 / (1 + 0.0697 * len(margins)) - 1e-5 <= found <= 1 + 1e-5  # 13 rows: never below 0.52


@given(st.integers(1, 20), st.floats(0.1, 4), SEEDS)
@settings(deadline=None, max_examples=50)
def test_few_rows_change_less_than_many_that_say_the_same(rows: int, size: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    logits, truth = random.normal(size=(rows, 3)) * size, random.integers(0, 3, rows)
    few, many = (fit_temperature(np.tile(logits, (n, 1)), np.tile(truth, n)) for n in (1, 10))
    assert abs(np.log(few)) <= abs(np.log(many)) + 1e-5
    assert np.log(few) * np.log(many) >= -1e-5


@given(st.sampled_from([0.5, 1.0, 3.0]), st.integers(2, 10), SEEDS)
@settings(deadline=None, max_examples=20)
def test_many_rows_are_believed(temperature: float, classes: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(5000, classes)) * 2
    truth = _drawn(logits, seed)
    fits_best = minimize_scalar(
        lambda log: negative_log_likelihood(logits * temperature, truth, float(np.exp(log))),
        bounds=np.log((0.3, 5)),
        method="bounded",
    )
    assert fit_temperature(logits * temperature, truth) == pytest.approx(np.exp(fits_best.x), rel=0.01)


@pytest.mark.parametrize(("margin", "told"), [(0.05, "too small"), (4.0, ""), (-100.0, "too large")])
def test_a_temperature_at_a_limit_is_told(margin: float, told: str) -> None:
    truth = np.arange(4000) % 2
    rule = rule_of(tiny.BOOLEAN, tiny.PARAMETERS, Labelled(margin * np.eye(2)[truth], truth), [])
    assert told in " ".join(cautions(rule))
    assert len(cautions(rule)) == bool(told)


@given(st.integers(13, 60), st.floats(0.97, 0.999), SEEDS)
@settings(deadline=None, max_examples=30)
def test_nearly_right_logits_of_a_good_evaluator_stay_nearly_right(
    rows: int, accuracy: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    margins = np.full(rows, np.log(accuracy / (1 - accuracy))) + random.normal(size=rows) / 4
    truth = random.integers(0, 2, rows)
    assert fit_temperature(margins[:, None] * np.eye(2)[truth], truth) > 0.6


def test_of_two_that_separate_the_rows_the_surer_one_has_the_lower_loss() -> None:
    truth = np.arange(20) % 2
    losses = []
    for margin in (2.0, 4.0, 8.0):
        logits = margin * np.eye(2)[truth]
        losses.append(negative_log_likelihood(logits, truth, fit_temperature(logits, truth)))
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 1.5 * losses[1] > 3 * losses[2] > 1e-4  # what a search compares, and not all are 0


def _drawn(logits: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Classes as likely as the logits say."""
    shares = np.exp(log_softmax(logits))
    found = (shares.cumsum(axis=1) < np.random.default_rng(seed).random((len(logits), 1))).sum(axis=1)
    return np.minimum(found, logits.shape[1] - 1)


SKEW, SHIFT = np.array([2.0, 0.5, 1.0]), np.array([1.5, -1.0, 0.0])


@given(st.integers(10, 60), st.integers(2, 5), SEEDS)
@settings(deadline=None, max_examples=25)
def test_a_vector_is_served_as_it_was_fitted(rows: int, classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    logits, truth = random.normal(size=(rows, classes)) * 3, random.integers(0, classes, rows)
    found = fit_vector(logits, truth)
    if found is not None:
        assert min(found.scales) > 0
        served = [calibrated(found, row) for row in logits.tolist()]
        assert np.exp(log_probabilities(logits, found)) == pytest.approx(np.array(served), abs=1e-12)


@given(st.integers(20, 80), SEEDS)
@settings(deadline=None, max_examples=25)
def test_a_vector_fits_its_own_rows_no_worse_than_the_temperature_it_starts_from(
    rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    logits, truth = random.normal(size=(rows, 3)) * 2, random.integers(0, 3, rows)
    found = fit_vector(logits, truth)
    if found is not None:
        loss = -log_probabilities(logits, found)[np.arange(rows), truth].mean()
        assert loss <= negative_log_likelihood(logits, truth, found.temperature) + 1e-9


def test_a_vector_finds_what_skews_the_classes() -> None:
    logits = np.random.default_rng(0).normal(size=(4000, 3)) * 2
    truth = _drawn(logits * SKEW + SHIFT, 1)
    found = calibrate(logits, truth, seed=0)
    assert found.calibration.method == "vector"
    assert found.log_losses["vector"] < found.log_losses["temperature"] < found.log_losses["uncalibrated"]
    scales = np.array(found.calibration.scales) / found.calibration.temperature
    assert scales == pytest.approx(SKEW, rel=0.15)
    biases = np.array(found.calibration.biases)
    assert biases == pytest.approx(SHIFT - SHIFT.mean(), abs=0.2)


@pytest.mark.parametrize("seed", range(8))
def test_logits_that_one_temperature_explains_keep_it(seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(400, 3)) * 2
    found = calibrate(logits * 1.7, _drawn(logits, seed + 100), seed)
    assert found.calibration.method == "temperature"
    assert found.calibration.scales == found.calibration.biases == ()


@pytest.mark.parametrize("seed", range(5))
def test_a_vector_is_taken_only_where_it_is_better_on_rows_it_was_not_fitted_on(seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(300, 3)) * 2
    found = calibrate(logits, _drawn(logits * (1 + 0.3 * seed * (SKEW - 1)), seed), seed)
    losses = found.log_losses
    assert found.calibration.method == "temperature" or losses["vector"] < losses["temperature"]


@pytest.mark.parametrize("flagged", [(), ("c",)])
def test_rare_classes_are_not_calibrated_away_where_the_most_probable_one_is_the_label(
    flagged: tuple[str, ...],
) -> None:
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [1500, 250, 50])
    evidence = 1.5 * (random.normal(size=(len(truth), 3)) + 1.5 * np.eye(3)[truth])
    logits = evidence + 0.5 * np.log(np.bincount(truth))  # as a training with class weights gives them
    categorical = MetricDefinition(
        "metrics/m", OutputType.CATEGORICAL, Step.LLM_SPAN, InputShape.INPUT, ("a", "b", "c"), flagged
    )
    found = rule_of(categorical, tiny.PARAMETERS, Labelled(logits, truth), [])
    assert found.calibration.method == "temperature"
    assert found.log_losses["vector"] < found.log_losses["temperature"]
    assert calibrate(logits, truth, tiny.PARAMETERS.seed).calibration.method == "vector"


def test_many_classes_with_few_rows_stay_with_the_temperature() -> None:
    logits = np.random.default_rng(0).normal(size=(77 * 20, 77)) * 3
    truth = np.repeat(np.arange(77), 20)
    found = calibrate(logits, truth, seed=0)
    assert found.calibration == Calibration(fit_temperature(logits, truth), "temperature", len(truth))
    assert set(found.log_losses) == {"uncalibrated"}


@given(st.integers(2, 60), SEEDS, st.floats(0.05, 1))
@settings(deadline=None, max_examples=50)
def test_an_aim_is_reached_by_the_best_threshold_that_reaches_it(rows: int, seed: int, target: float) -> None:
    random = np.random.default_rng(seed)
    shares, positive = random.random(rows).round(1), random.random(rows) < 0.5
    positive[0] = True
    scores = Scores(shares, positive)
    recall, precision = estimated("recall", target, scores), estimated("precision", target, scores)
    assert recall.reached >= target - 1e-9
    others = np.linspace(0, 1, 41)
    hits = [int((positive & (shares >= other)).sum()) for other in others]
    flagged = [int((shares >= other).sum()) for other in others]
    enough = [f for h, f in zip(hits, flagged, strict=True) if h >= target * positive.sum()]
    assert min(enough) >= (shares >= recall.value).sum()
    reached = [h / f for h, f in zip(hits, flagged, strict=True) if f]
    if max(reached) >= target:
        assert precision.reached >= target - 1e-9
    else:
        assert precision.reached == pytest.approx(max(reached))


@given(st.integers(1, 40), SEEDS)
@settings(deadline=None, max_examples=50)
def test_no_other_threshold_has_a_better_f1(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    shares, positive = random.random(rows).round(1), random.random(rows) < 0.4
    threshold = best_f1_threshold(shares, positive)
    assert 0 <= threshold <= 1
    if positive.any():
        reached = f1_score(positive, shares >= threshold)
        for other in np.linspace(0, 1, 21):  # at and between all shares
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


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=120
    ),
    st.floats(0.05, 0.5),
    st.integers(0, 9),
)
@settings(deadline=None, max_examples=100)
def test_rows_of_one_context_are_on_one_side_or_the_split_is_the_plain_one(
    rows: list[tuple[str, int, int]], share: float, seed: int
) -> None:
    labels, contexts = [label for label, _, _ in rows], [context for _, _, context in rows]
    keys = [(context, text) for _, text, context in rows]  # what is the same has the same context
    training, validation = hold_out_contexts(labels, keys, contexts, share, seed)
    plain = hold_out(labels, keys, share, seed)
    assert sorted(training + validation) == list(range(len(rows)))
    apart = {contexts[i] for i in training}.isdisjoint(contexts[i] for i in validation)
    assert apart or (training, validation) == plain
    assert {keys[i] for i in training}.isdisjoint(keys[i] for i in validation)
    assert {labels[i] for i in training} == set(labels)
    assert {labels[i] for i in validation} >= {labels[i] for i in plain[1]}
    assert len(validation) >= len(plain[1]) / 2
    assert (training, validation) == hold_out_contexts(labels, keys, contexts, share, seed)


def test_rows_of_one_context_are_held_out_together() -> None:
    labels, contexts = ["a", "b", "b"] * 40, [place // 3 for place in range(120)]
    training, validation = hold_out_contexts(labels, range(120), contexts, 0.2, seed=5)
    assert {contexts[i] for i in training}.isdisjoint(contexts[i] for i in validation)
    assert 12 <= len(validation) <= 24
    assert not {contexts[i] for i in hold_out(labels, range(120), 0.2, seed=5)[1]}.isdisjoint(
        contexts[i] for i in hold_out(labels, range(120), 0.2, seed=5)[0]
    )


@pytest.mark.parametrize(
    "contexts",
    [
        [place % 7 for place in range(120)],  # too few to hold some of them out
        [max(0, place - 40) for place in range(120)],  # one with more rows than are held out
        ["a" if place % 2 else f"b{place // 8}" for place in range(120)],
    ],
)
def test_where_contexts_cannot_be_kept_apart_the_rows_are(contexts: list[int | str]) -> None:
    labels = ["a", "b"] * 60
    found = hold_out_contexts(labels, range(120), contexts, 0.2, seed=5)
    assert found == hold_out(labels, range(120), 0.2, seed=5)


def test_rows_that_are_no_two_of_one_context_are_split_as_ever() -> None:
    labels = ["a"] * 200 + ["b"] * 50
    assert hold_out_contexts(labels, range(250), range(250), 0.2, 5) == hold_out(labels, range(250), 0.2, 5)
