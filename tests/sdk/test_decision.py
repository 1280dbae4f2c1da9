"""From logits to probabilities, label and flag."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gnomon.bundle import ABOVE_ALL, AbstainBand, Calibration, Threshold
from gnomon.decision import calibrated, decide, evidence, probabilities
from gnomon.instances import OutputType
from tests.sdk.test_bundle import EVALUATOR

LOGITS = st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=20)
TEMPERATURES = st.floats(0.05, 100)
BOOLEAN = replace(
    EVALUATOR, output_type=OutputType.BOOLEAN, classes=("false", "true"), flagged_classes=("true",)
)


@given(LOGITS, TEMPERATURES)
def test_probabilities_are_probabilities_for_any_logits(logits: list[float], temperature: float) -> None:
    shares = probabilities(logits, temperature)
    assert all(0 <= share <= 1 for share in shares)
    assert math.fsum(shares) == pytest.approx(1, abs=1e-12)


@given(LOGITS, TEMPERATURES)
def test_a_higher_logit_never_has_a_lower_probability(logits: list[float], temperature: float) -> None:
    shares = probabilities(logits, temperature)
    ordered = [share for _, share in sorted(zip(logits, shares, strict=True))]
    assert ordered == sorted(ordered)


@given(LOGITS, TEMPERATURES, st.floats(0, 1e4), st.data())
def test_raising_a_logit_never_lowers_its_probability(
    logits: list[float], temperature: float, more: float, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(logits) - 1))
    raised = [logit + more * (i == index) for i, logit in enumerate(logits)]
    assert probabilities(raised, temperature)[index] >= probabilities(logits, temperature)[index] - 1e-12


@given(LOGITS, st.floats(-1e3, 1e3))
def test_only_differences_of_logits_count(logits: list[float], shift: float) -> None:
    shifted = [logit + shift for logit in logits]
    assert probabilities(shifted, 1.0) == pytest.approx(probabilities(logits, 1.0), abs=1e-9)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=20), st.floats(1.01, 10))
def test_a_higher_temperature_makes_the_highest_probability_smaller(
    logits: list[float], factor: float
) -> None:
    assert max(probabilities(logits, factor)) <= max(probabilities(logits, 1.0)) + 1e-12


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0, 1), TEMPERATURES)
def test_a_boolean_label_follows_the_flag_and_the_flag_the_threshold(
    low: float, high: float, threshold: float, temperature: float
) -> None:
    evaluator = replace(BOOLEAN, threshold=Threshold(threshold), calibration=Calibration(temperature))
    decision = decide(evaluator, [low, high])
    assert decision.flagged == (decision.probabilities[1] >= threshold)
    assert decision.label == ("true" if decision.flagged else "false")


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0, 100), st.floats(0, 1))
def test_more_of_the_property_never_takes_the_flag_away(
    low: float, high: float, more: float, threshold: float
) -> None:
    evaluator = replace(BOOLEAN, threshold=Threshold(threshold))
    if decide(evaluator, [low, high]).flagged:
        raised = decide(evaluator, [low, high + more])
        assert raised.flagged or raised.probabilities[1] >= threshold - 1e-12


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3))
def test_a_categorical_label_is_the_most_probable_class(logits: list[float]) -> None:
    decision = decide(EVALUATOR, logits)
    share = decision.probabilities[EVALUATOR.classes.index(decision.label)]
    assert share == max(decision.probabilities)


@given(st.lists(st.floats(-20, 20), min_size=3, max_size=3), st.floats(0, 1))
def test_flagged_classes_reach_the_threshold_together(logits: list[float], threshold: float) -> None:
    evaluator = replace(EVALUATOR, flagged_classes=("kind", "neutral"), threshold=Threshold(threshold))
    decision = decide(evaluator, logits)
    together = decision.probabilities[0] + decision.probabilities[2]
    assume(abs(together - threshold) > 1e-9)
    assert decision.flagged == (together > threshold)


def test_a_metric_without_findings_flags_nothing() -> None:
    evaluator = replace(EVALUATOR, flagged_classes=(), threshold=Threshold(0.0))
    assert not decide(evaluator, [1.0, 2.0, 3.0]).flagged


@pytest.mark.parametrize("logits", [[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [-1e4, -1e4], [0.0, 0.0]])
def test_extreme_logits_neither_overflow_nor_vanish(logits: list[Any]) -> None:
    shares = decide(BOOLEAN, logits).probabilities
    assert all(math.isfinite(share) for share in shares)
    assert sum(shares) == 1


@given(st.lists(st.floats(-30, 30), min_size=3, max_size=3), TEMPERATURES)
def test_scales_of_one_and_biases_of_zero_change_nothing(logits: list[float], temperature: float) -> None:
    vector = Calibration(temperature, "vector", 9, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert calibrated(vector, logits) == probabilities(logits, temperature)


def test_each_class_is_scaled_and_shifted() -> None:
    vector = Calibration(2.0, "vector", 9, (1.0, 3.0, 1.0), (0.0, 0.5, -0.5))
    evaluator = replace(EVALUATOR, calibration=vector)
    expected = probabilities([1.0, 3.5, 2.5], 1.0)
    assert decide(evaluator, [2.0, 2.0, 6.0]).probabilities == pytest.approx(expected)
    assert decide(evaluator, [2.0, 2.0, 6.0]).label == evaluator.classes[1]


@given(st.floats(-40, 40), st.floats(-40, 40), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_score_abstains_in_the_band_and_is_flagged_as_without_it(
    low: float, high: float, one: float, other: float, threshold: float
) -> None:
    band = AbstainBand(min(one, other), max(one, other))
    plain = replace(BOOLEAN, threshold=Threshold(threshold))
    decision, without = (decide(e, [low, high]) for e in (replace(plain, abstain_band=band), plain))
    found = evidence(BOOLEAN, decision.probabilities)
    assert decision.abstained == (band.low <= found < band.high)
    assert not without.abstained
    assert (decision.flagged, decision.label) == (without.flagged, without.label)


def test_a_band_without_width_and_a_threshold_above_all_are_reached_by_nothing() -> None:
    evaluator = replace(BOOLEAN, threshold=Threshold(ABOVE_ALL), abstain_band=AbstainBand(0.5, 0.5))
    for logits in ([0.0, 0.0], [-1e4, 1e4], [1e4, -1e4]):
        decision = decide(evaluator, logits)
        assert not decision.flagged
        assert not decision.abstained
