"""What a format may change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gnomon.bundle import ONNX_FP32, Calibration, Evaluator, Format, Threshold
from gnomon_trainer.domain.evaluation import TestSet
from gnomon_trainer.domain.measures import exact
from gnomon_trainer.domain.parity import REDUCED_LIMITS, compare, excess
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
LOGITS = arrays(np.float32, (40, 2), elements=st.floats(-8, 8, width=32))


def test_set(logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> TestSet:
    return TestSet(EVALUATOR, TRUTH, logits, {}, 0)


test_set.__test__ = False  # type: ignore[attr-defined]


def compared(before: object, after: object) -> dict[str, float]:
    return {m.key: m.value for m in compare(test_set(before), test_set(after))}  # type: ignore[arg-type]


@given(LOGITS)
def test_what_is_the_same_changes_nothing(logits: object) -> None:
    assert set(compared(logits, logits).values()) == {0.0}


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


@pytest.mark.parametrize("key", REDUCED_LIMITS)
def test_what_is_above_its_limit_or_no_number_is_named_and_what_is_at_it_is_not(key: str) -> None:
    limit = REDUCED_LIMITS[key]
    assert excess([exact(key, limit)], REDUCED_LIMITS) == ""
    for value in (limit * 1.01, float("nan")):
        assert excess([exact(key, value)], REDUCED_LIMITS).startswith(f"{key} is ")
