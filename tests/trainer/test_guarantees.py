"""Bounds on error rates: exact, and kept to as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gnomon.bundle import ABOVE_ALL
from gnomon_trainer.domain.calibration import Floats
from gnomon_trainer.domain.guarantees import (
    allowed_errors,
    lower_threshold,
    needed_rows,
    upper_threshold,
)
from gnomon_trainer.domain.thresholds import Scores, abstain_band, guaranteed

RATES, RISKS = st.floats(0.005, 0.5), st.floats(0.001, 0.5)
ALPHA, DELTA = 0.05, 0.1
CALIBRATIONS = 200
# As many of 200 calibrations may break a bound that each breaks with a probability of exactly 10 %: more come
# out in one experiment of a thousand. The seed is fixed, so that the test always says the same.
MOST_BROKEN = int(stats.binom.ppf(0.999, CALIBRATIONS, DELTA))


def test_a_false_positive_rate_of_5_percent_with_confidence_90_needs_45_negatives() -> None:
    assert needed_rows(0.05, 0.1) == 45
    assert allowed_errors(44, 0.05, 0.1) is None
    assert allowed_errors(45, 0.05, 0.1) == 0


@given(st.integers(1, 3000), RATES, RISKS)
@settings(deadline=None)
def test_the_allowed_errors_are_the_most_that_the_binomial_tail_allows(
    rows: int, rate: float, risk: float
) -> None:
    errors = allowed_errors(rows, rate, risk)
    k = -1 if errors is None else errors
    assert stats.binom.cdf(k, rows, rate) <= risk * (1 + 1e-9)
    assert stats.binom.cdf(k + 1, rows, rate) > risk * (1 - 1e-9)


@given(st.integers(2, 2000), st.floats(0.01, 0.5), st.floats(0.01, 0.5))
@settings(deadline=None)
def test_the_bound_is_that_of_clopper_and_pearson(rows: int, rate: float, risk: float) -> None:
    errors = allowed_errors(rows, rate, risk)
    if errors is not None:
        assert stats.beta.ppf(1 - risk, errors + 1, rows - errors) <= rate + 1e-9


@given(RATES, RISKS)
@settings(deadline=None)
def test_the_needed_rows_are_the_fewest_that_allow_anything(rate: float, risk: float) -> None:
    rows = needed_rows(rate, risk)
    assert allowed_errors(rows, rate, risk) is not None
    assert rows == 1 or allowed_errors(rows - 1, rate, risk) is None


@given(st.lists(st.floats(0, 1), min_size=45, max_size=300), st.integers(0, 300))
def test_no_more_rows_reach_a_threshold_than_it_allows_whatever_the_ties(
    given_: list[float], rounded: int
) -> None:
    scores = np.array(given_)
    scores[: min(rounded, len(scores))] = scores[: min(rounded, len(scores))].round(1)
    above, below = (choose(scores, ALPHA, DELTA, scores) for choose in (upper_threshold, lower_threshold))
    assert above is not None
    assert below is not None
    assert (scores >= above.value).sum() <= above.errors
    assert (scores < below.value).sum() <= below.errors
    assert below.value <= scores.max()
    assert above.value > scores.min()


def test_where_negatives_are_as_sure_as_can_be_nothing_is_flagged() -> None:
    found = upper_threshold(np.ones(50), ALPHA, DELTA, np.ones(60))
    assert found is not None
    assert found.value == ABOVE_ALL


def test_too_few_rows_give_no_threshold() -> None:
    assert upper_threshold(np.linspace(0, 1, 44), ALPHA, DELTA, np.zeros(0)) is None
    assert upper_threshold(np.zeros(0), ALPHA, DELTA, np.zeros(0)) is None
    assert lower_threshold(np.linspace(0, 1, 44), ALPHA, DELTA, np.zeros(0)) is None


def _draw(random: np.random.Generator, negatives: int, positives: int, digits: int) -> Scores:
    """Scores of a known distribution: squares and square roots of uniform numbers, rounded."""
    evidence = np.r_[random.random(negatives) ** 2, random.random(positives) ** 0.5].round(digits)
    return Scores(evidence, np.arange(negatives + positives) < 0)  # replaced below


def _labelled(scores: Scores, negatives: int) -> Scores:
    return Scores(scores.evidence, np.arange(len(scores.evidence)) >= negatives)


def _negatives_reach(value: float, digits: int) -> float:
    """Return how likely a negative of that distribution reaches a threshold: exact."""
    step = 10.0**-digits
    lowest = math.ceil(value / step - 1e-9) * step - step / 2  # the smallest number that is rounded so high
    return float(1 - math.sqrt(min(1.0, max(0.0, lowest))))


def _positives_miss(value: float, digits: int) -> float:
    step = 10.0**-digits
    lowest = math.ceil(value / step - 1e-9) * step - step / 2
    return float(min(1.0, max(0.0, lowest)) ** 2)


@pytest.mark.parametrize("digits", [9, 2, 1])
@pytest.mark.parametrize("negatives", [45, 120, 1000])
def test_of_200_calibrations_at_most_a_tenth_break_the_false_positive_rate(
    negatives: int, digits: int
) -> None:
    """At 0.05 with confidence 0.9: MOST_BROKEN is the 99.9 % quantile of Binomial(200, 0.1), 34."""
    random = np.random.default_rng(20)
    broken = 0
    for _ in range(CALIBRATIONS):
        scores = _labelled(_draw(random, negatives, 80, digits), negatives)
        found = guaranteed(ALPHA, 1 - DELTA, scores)
        assert found is not None
        broken += _negatives_reach(found.value, digits) > ALPHA
    assert broken <= MOST_BROKEN


def test_the_threshold_of_many_rows_wastes_little() -> None:
    random = np.random.default_rng(3)
    rates = []
    for _ in range(20):
        found = guaranteed(ALPHA, 1 - DELTA, _labelled(_draw(random, 5000, 10, 9), 5000))
        assert found is not None
        rates.append(_negatives_reach(found.value, 9))
    assert 0.04 < np.mean(rates) < ALPHA


def test_an_estimate_on_the_same_rows_would_break_the_bound_far_more_often() -> None:
    """The experiment can tell a guarantee from none: the plain quantile breaks it about every other time."""
    random = np.random.default_rng(20)
    broken = sum(
        _negatives_reach(float(np.quantile(random.random(120) ** 2, 1 - ALPHA)), 9) > ALPHA
        for _ in range(CALIBRATIONS)
    )
    assert broken > 2 * MOST_BROKEN


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_of_200_abstain_bands_at_most_a_tenth_break_either_error_rate(threshold: float) -> None:
    random = np.random.default_rng(21)
    broken = 0
    for _ in range(CALIBRATIONS):
        band = abstain_band(ALPHA, 1 - DELTA, threshold, _labelled(_draw(random, 150, 150, 9), 150))
        assert band is not None
        assert band.low <= threshold <= band.high
        wrong, missed = _negatives_reach(band.high, 9), _positives_miss(band.low, 9)
        broken += wrong > ALPHA or missed > ALPHA
    assert broken <= MOST_BROKEN


def test_kinds_that_are_told_apart_leave_nothing_to_abstain_from() -> None:
    random = np.random.default_rng(1)
    evidence: Floats = np.r_[random.random(100) * 0.4, 0.6 + random.random(100) * 0.4]
    band = abstain_band(ALPHA, 1 - DELTA, 0.5, _labelled(Scores(evidence, evidence > 2), 100))
    assert band is not None
    assert band.low == band.high == 0.5


def test_a_band_needs_rows_of_both_kinds() -> None:
    few = _labelled(_draw(np.random.default_rng(1), 100, 58, 9), 100)
    assert abstain_band(ALPHA, 1 - DELTA, 0.5, few) is None  # 59 are needed for half of the risk
