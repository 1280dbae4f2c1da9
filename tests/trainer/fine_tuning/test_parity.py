"""What a format may change."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gnomon.bundle import ONNX_FP32, Calibration, Evaluator, Format, Threshold
from gnomon.instances import OutputType
from gnomon_trainer.domain.evaluation import TestSet
from gnomon_trainer.domain.measures import Ints, exact
from gnomon_trainer.domain.parity import compare, excess, reduced_limits
from tests.trainer.fine_tuning import tiny

EVALUATOR = Evaluator(
    metric="metrics/gloom",
    output_type=tiny.BOOLEAN.output_type,
    step=tiny.BOOLEAN.step,
    input_shape=tiny.BOOLEAN.input_shape,
    classes=("false", "true"),
    flagged_classes=("true",),
    template="input-output/1",
    max_tokens=32,
    calibration=Calibration(2.0),
    threshold=Threshold(0.7),
    formats=(Format(ONNX_FP32, "model.onnx"),),
)
TRUTH = np.array([0, 1] * 20)
LIMITS = reduced_limits(256)
LOGITS = arrays(np.float32, (40, 2), elements=st.floats(-8, 8, width=32))


def test_set(logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> TestSet:
    return TestSet(EVALUATOR, TRUTH, logits, {}, 0)


test_set.__test__ = False  # type: ignore[attr-defined]


def compared(before: object, after: object) -> dict[str, float]:
    return {m.key: m.value for m in compare(test_set(before), test_set(after))}  # type: ignore[arg-type]


@settings(max_examples=25)  # each draws a thousand resamples
@given(LOGITS)
def test_what_is_the_same_changes_nothing(logits: object) -> None:
    assert set(compared(logits, logits).values()) == {0.0}


@settings(max_examples=25)  # each draws a thousand resamples
@given(LOGITS, LOGITS)
def test_every_measure_is_a_share_and_the_worst_row_is_the_worst(before: object, after: object) -> None:
    found = compared(before, after)
    assert 0 <= found["label_flip_share"] <= 1
    assert 0 <= found["p99_probability_change"] <= found["max_probability_change"] <= 1
    assert -1 <= found["ece_increase"] <= 1
    assert -1 <= found["macro_f1_drop"] <= 1


def test_a_label_flips_at_the_threshold_and_not_at_one_half() -> None:
    before = np.tile(np.array([[0.0, 1.0]], dtype=np.float32), (40, 1))  # p = 0.62: below 0.7
    flagged = np.tile(np.array([[0.0, 2.0]], dtype=np.float32), (40, 1))  # p = 0.73
    assert compared(before, flagged)["label_flip_share"] == 1
    lower = np.tile(np.array([[0.0, 0.5]], dtype=np.float32), (40, 1))  # p = 0.56
    assert compared(before, lower)["label_flip_share"] == 0


def test_labels_that_become_wrong_are_a_drop_and_labels_that_become_right_are_none() -> None:
    right = np.where(TRUTH[:, None] == [0, 1], 4.0, -4.0).astype(np.float32)
    wrong = right.copy()
    wrong[:2] *= -1
    assert compared(right, wrong)["macro_f1_drop"] == pytest.approx(0.05, abs=0.01)
    assert compared(wrong, right)["macro_f1_drop"] == pytest.approx(-0.05, abs=0.01)


@pytest.mark.parametrize("key", LIMITS)
def test_what_is_above_its_limit_or_no_number_is_named_and_what_is_at_it_is_not(key: str) -> None:
    limit = LIMITS[key]
    assert excess([exact(key, limit)], LIMITS) == ""
    for value in (limit * 1.01, float("nan")):
        assert excess([exact(key, value)], LIMITS).startswith(f"{key} is ")


def near_the_threshold(flagged: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], wrong: int) -> object:
    """Return logits of probabilities just above and below the threshold, the first ones on the wrong side."""
    flagged = flagged ^ (np.arange(len(flagged)) < wrong)
    chance = np.where(flagged, 0.71, 0.69)
    log_odds = EVALUATOR.calibration.temperature * np.log(chance / (1 - chance))
    return np.stack([np.zeros_like(log_odds), log_odds], axis=1).astype(np.float32)


def refused(rows: int, flips: int) -> str:
    """Return why a format is refused that makes so many right labels wrong and is else the same."""
    truth = np.arange(rows) % 2
    before, after = (near_the_threshold(truth == 1, wrong) for wrong in (0, flips))
    sets = (TestSet(EVALUATOR, truth, logits, {}, 0) for logits in (before, after))
    return excess(compare(*sets), reduced_limits(rows))


@pytest.mark.parametrize("rows", [20, 40, 104, 256])
def test_one_label_may_flip_however_few_the_rows_are(rows: int) -> None:
    assert refused(rows, 1) == ""


@pytest.mark.parametrize(("rows", "flips"), [(40, 2), (104, 3), (256, 6)])
def test_more_flips_than_two_in_a_hundred_are_refused_whatever_the_interval_says(
    rows: int, flips: int
) -> None:
    assert f"label_flip_share is {flips / rows:.2g}" in refused(rows, flips)


def test_a_fall_of_macro_f1_counts_as_far_as_the_rows_prove_it() -> None:
    assert refused(104, 2) == ""
    assert refused(256, 4) == ""
    assert refused(256, 5).startswith("macro_f1_drop_at_least is 0.0")
    assert "label_flip_share" not in refused(256, 5)


def test_the_report_has_the_fall_with_its_interval() -> None:
    right = np.where(TRUTH[:, None] == [0, 1], 4.0, -4.0).astype(np.float32)
    wrong = right.copy()
    wrong[:8] *= -1
    found = {m.key: m for m in compare(test_set(right), test_set(wrong))}
    fall, proven = found["macro_f1_drop"], found["macro_f1_drop_at_least"].value
    assert 0 < fall.low < proven < fall.value < fall.high


def test_labels_that_flip_both_ways_are_no_proof_of_a_fall() -> None:
    before = np.where(TRUTH[:, None] == [0, 1], 4.0, -4.0).astype(np.float32)
    after = before.copy()
    before[:6] *= -1
    after[6:12] *= -1
    found = compared(before, after)
    assert found["label_flip_share"] == 0.3
    assert found["macro_f1_drop_at_least"] < 0


# ------------------------------------------------- a categorical metric, whose label says nothing of its flag

GUARDRAIL = replace(
    EVALUATOR,
    output_type=OutputType.CATEGORICAL,
    classes=("a", "b", "bad"),
    flagged_classes=("bad",),
    calibration=Calibration(1.0),
    threshold=Threshold(0.12),
)


def guarded(truth: Ints, flagged: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> TestSet:
    """Return rows that are all most probably `a`, 0.02 above the threshold of `bad` or below it."""
    bad = np.where(flagged, 0.14, 0.10)
    chances = np.stack([np.full_like(bad, 0.5), 0.5 - bad, bad], axis=1)
    return TestSet(GUARDRAIL, truth, np.log(chances).astype(np.float32), {}, 0)


def test_a_format_that_moves_flags_is_refused_although_no_label_flips() -> None:
    truth = np.tile([0, 0, 1, 2], 64)
    found = compare(guarded(truth, truth == 2), guarded(truth, np.ones(256, dtype=bool)))
    assert excess(found, LIMITS).startswith("label_flip_share is 0.75, ")
    values = {m.key: m.value for m in found}
    assert values["macro_f1_drop"] == 0
    assert values["flagged_f1_drop"] == pytest.approx(1 - 0.4)  # a quarter of what is flagged is bad


def test_a_fall_of_the_f1_of_flagged_rows_counts_as_far_as_the_rows_prove_it() -> None:
    """All within what may flip; as many flags that are put right are no fall."""
    truth = np.tile([0, 0, 1, 2], 64)
    right = truth == 2
    wrong = right ^ (np.arange(256) < 5)
    falling = excess(compare(guarded(truth, right), guarded(truth, wrong)), LIMITS)
    assert falling.startswith("flagged_f1_drop_at_least is ")
    assert "; " not in falling
    assert excess(compare(guarded(truth, wrong), guarded(truth, right)), LIMITS) == ""
    single = right ^ (np.arange(256) < 1)
    assert excess(compare(guarded(truth, right), guarded(truth, single)), LIMITS) == ""


def test_where_nothing_is_bad_and_nothing_flagged_no_fall_is_told() -> None:
    truth, none = np.tile([0, 1], 32), np.zeros(64, dtype=bool)
    one = np.arange(64) < 1
    for after in (none, one):
        found = compare(guarded(truth, none), guarded(truth, after))
        assert "flagged_f1_drop" not in {m.key for m in found}
        assert excess(found, reduced_limits(64)) == ""


def test_a_boolean_metric_and_one_that_flags_nothing_keep_the_figures_they_have() -> None:
    logits = np.zeros((40, 2), dtype=np.float32)
    unflagged = replace(GUARDRAIL, flagged_classes=(), threshold=Threshold(0.5, "none"))
    rows = TestSet(unflagged, TRUTH, np.zeros((40, 3), dtype=np.float32), {}, 0)
    for found in (compare(test_set(logits), test_set(logits)), compare(rows, rows)):
        assert not any(m.key.startswith("flagged") for m in found)
