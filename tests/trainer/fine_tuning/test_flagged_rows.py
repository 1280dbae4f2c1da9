"""What a categorical metric's threshold makes of the test set, beside what its labels are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from gnomon import report_page
from gnomon.bundle import ONNX_FP32, Calibration, Evaluator, Format, Threshold
from gnomon.instances import OutputType
from gnomon.v1 import resources_pb2
from gnomon_trainer.domain import measures
from gnomon_trainer.domain.answers import Flags, flag_shares
from gnomon_trainer.domain.evaluation import TestSet, decisions, evaluate
from gnomon_trainer.domain.measures import Floats, Ints
from tests.trainer.fine_tuning import tiny

CLASSES = ("calm", "rude", "cruel")
GUARDRAIL = Evaluator(
    metric="metrics/tone",
    output_type=OutputType.CATEGORICAL,
    step=tiny.CATEGORICAL.step,
    input_shape=tiny.CATEGORICAL.input_shape,
    classes=CLASSES,
    flagged_classes=("rude", "cruel"),
    template="input/1",
    max_tokens=32,
    calibration=Calibration(1.0),
    threshold=Threshold(0.2),
    formats=(Format(ONNX_FP32, "model.onnx"),),
)
KEYS = ("flagged_precision", "flagged_recall", "flagged_false_positive_rate")


def measured(truth: Ints, chances: Floats, evaluator: Evaluator = GUARDRAIL) -> dict[str, dict[str, float]]:
    """Return the flagged measures of a report on rows of these probabilities."""
    test = TestSet(evaluator, truth, np.log(chances).astype(np.float32), {}, 0)
    report = evaluate(test, decisions(evaluator, test.logits))
    return {m["key"]: m for m in report["measures"] if m["key"].startswith("flagged")}


def rates(positive: Ints, flagged: Ints) -> dict[str, float]:
    """Return what scikit-learn makes of flags."""
    return {
        "flagged_precision": metrics.precision_score(positive, flagged, zero_division=0),
        "flagged_recall": metrics.recall_score(positive, flagged),
        "flagged_false_positive_rate": 1 - metrics.recall_score(positive, flagged, pos_label=0),
    }


def chances(truth: Ints, seed: int) -> Floats:
    """Return probabilities that are most of class `calm` almost always, whatever is true."""
    random = np.random.default_rng(seed)
    findings = random.uniform(0.05, 0.5, len(truth)) * np.where(truth > 0, 0.9, 0.6)
    share = random.uniform(0.1, 0.9, len(truth))
    return np.stack([1 - findings, findings * share, findings * (1 - share)], axis=1)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)  # each draws a thousand resamples
def test_what_is_measured_is_what_the_threshold_flags(seed: int) -> None:
    truth = np.random.default_rng(seed).integers(0, 3, 120)
    given_ = chances(truth, seed)
    found = measured(truth, given_)
    flagged = given_[:, 1:].sum(axis=1) >= GUARDRAIL.threshold.value
    expected = rates((truth > 0).astype(int), flagged.astype(int))
    assert tuple(found) == KEYS
    for key, entry in found.items():
        assert entry["value"] == pytest.approx(expected[key])
        assert entry["low"] <= entry["value"] <= entry["high"]
        assert entry["low"] < entry["high"]


@given(st.integers(4, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_resample_has_the_rates_of_the_rows_that_it_draws(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    flags = Flags(flagged=random.random(rows) < 0.4, positive=random.random(rows) < 0.4)
    draws = measures.draw(rows, seed, resamples=3)
    found = flag_shares(flags.confusion(draws))
    for resample in range(4):
        drawn = np.repeat(np.arange(rows), draws[:, resample])
        positive, flagged = (each[drawn].astype(np.int64) for each in (flags.positive, flags.flagged))
        expected = rates(positive, flagged) if 0 < positive.sum() < rows else {}
        for key, value in expected.items():
            assert found[key][resample] == pytest.approx(value)
        if not positive.any():
            assert np.isnan([found[key][resample] for key in KEYS[:2]]).all()
        assert np.isnan(found[KEYS[2]][resample]) == positive.all()


def test_what_no_row_can_tell_is_left_out_and_a_share_of_nothing_is_none() -> None:
    unsure, calm = np.full((40, 3), 1 / 3), np.tile([0.98, 0.01, 0.01], (40, 1))
    assert {k: m["value"] for k, m in measured(np.zeros(40, np.int64), unsure).items()} == {
        "flagged_false_positive_rate": 1
    }
    assert {k: m["value"] for k, m in measured(np.full(40, 2), calm).items()} == {
        "flagged_precision": 0,  # as that of a class that is never predicted
        "flagged_recall": 0,
    }


def test_where_the_label_is_the_flag_and_where_nothing_is_flagged_no_more_is_measured() -> None:
    truth = np.array([0, 1] * 20)
    unflagged = replace(GUARDRAIL, flagged_classes=(), threshold=Threshold(0.5, "none"))
    boolean = replace(
        GUARDRAIL, output_type=OutputType.BOOLEAN, classes=("false", "true"), flagged_classes=("true",)
    )
    assert measured(truth, np.full((40, 3), 1 / 3), unflagged) == {}
    assert measured(truth, np.full((40, 2), 1 / 2), boolean) == {}


@pytest.mark.slow
def test_a_categorical_guardrail_is_measured_in_report_card_and_page(
    base_model: Path, tmp_path: Path
) -> None:
    metric = replace(tiny.CATEGORICAL, flagged_classes=("bad",))
    trained = tiny.train(base_model, tmp_path, tiny.plan(metric, rows=60, epochs=1))
    said = tiny.read_lines(trained.predictions_path)
    flagged = np.array([p["flagged"] for p in said], dtype=int)
    expected = rates(np.array([p["true_label"] == "bad" for p in said], dtype=int), flagged)
    report = json_format.ParseDict(trained.report, resources_pb2.EvaluationReport())
    assert {m.key: m.value for m in report.measures if m.key in KEYS} == pytest.approx(expected)

    card = (trained.bundle_folder / "MODEL_CARD.md").read_text()
    page = report_page.render(report, "a run")
    for name in ("Precision of flags", "Recall of flags", "False-positive rate of flags"):
        assert f"| {name} | " in card
        assert name in page
