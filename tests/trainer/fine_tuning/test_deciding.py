"""A whole training that guarantees what it decides."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import json_format

from gnomon.bundle import Evaluator, parse_evaluator
from gnomon.decision import decide
from gnomon.instances import Span, text_span
from gnomon.v1 import resources_pb2
from gnomon_trainer.adapters.fine_tuning.network import load_network
from gnomon_trainer.adapters.fine_tuning.preparing import prepare
from gnomon_trainer.domain.calibration import log_probabilities
from gnomon_trainer.domain.decision_rules import Labelled, rule_of
from gnomon_trainer.domain.guarantees import allowed_errors
from gnomon_trainer.domain.service_objective import ServiceObjective
from gnomon_trainer.domain.training import Trained, TrainingPlan
from tests.trainer.fine_tuning import tiny

PLAN = replace(
    tiny.plan(rows=240),
    parameters=replace(
        tiny.PARAMETERS,
        epochs=1,
        threshold_aim="false_positive_rate",
        threshold_target=0.2,
        threshold_confidence=0.8,
        abstain_error_rate=0.25,
    ),
    service_objective=ServiceObjective(input_tokens=32, p95_ms=50.0, peak_qps=10.0),
)
Guaranteed = tuple[Trained, Evaluator]


@pytest.fixture(scope="module")
def guaranteed(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Guaranteed:
    trained = tiny.train(base_model, tmp_path_factory.mktemp("guaranteed"), PLAN, interval_s=60.0)
    return trained, parse_evaluator((trained.bundle_folder / "evaluator.json").read_bytes())


def test_the_rows_of_a_guarantee_are_neither_learned_from_nor_held_out(base_model: Path) -> None:
    prepared = prepare(PLAN, load_network(base_model, 2), base_model, lambda: None)
    assert prepared.aside is not None
    aside = [tuple(reading.windows[0].ids) for reading in prepared.aside.readings]
    others = [
        tuple(row.ids) for row in (*prepared.training.first_windows, *prepared.validation.first_windows)
    ]
    assert len(set(aside)) == len(aside)
    assert set(aside).isdisjoint(others)
    assert len(others) + prepared.aside_rows == 240
    assert np.bincount(prepared.aside.labels).min() >= 1


@pytest.mark.slow
def test_threshold_and_band_state_their_method_rows_and_errors(guaranteed: Guaranteed) -> None:
    trained, evaluator = guaranteed
    threshold, band = evaluator.threshold, evaluator.abstain_band
    assert band is not None
    assert (threshold.aim, threshold.target, threshold.confidence) == ("false_positive_rate", 0.2, 0.8)
    assert threshold.method == band.method == "binomial_order_statistic"
    assert 8 <= threshold.negatives < threshold.rows
    assert threshold.errors / threshold.negatives < 0.2
    assert band.low <= threshold.value <= band.high
    message = json_format.ParseDict(trained.report, resources_pb2.EvaluationReport())
    assert message.threshold.method == threshold.method
    assert message.threshold.negatives == threshold.negatives
    assert message.abstain.high == band.high
    assert message.set_aside_rows >= threshold.rows
    assert message.training_rows + message.validation_rows + message.set_aside_rows == 240


@pytest.mark.slow
def test_the_report_counts_what_abstains_and_what_is_decided_wrongly(guaranteed: Guaranteed) -> None:
    trained, evaluator = guaranteed
    predictions = tiny.read_lines(trained.predictions_path)
    scores = [decide(evaluator, p["logits"]) for p in predictions]  # type: ignore[arg-type]
    assert [p["abstained"] for p in predictions] == [score.abstained for score in scores]
    true = [p["true_label"] == "true" for p in predictions]
    wrong = [s.flagged and not s.abstained for s, t in zip(scores, true, strict=True) if not t]
    missed = [not s.flagged and not s.abstained for s, t in zip(scores, true, strict=True) if t]
    abstain = trained.report["abstain"]
    assert abstain["abstained_share"] == pytest.approx(np.mean([score.abstained for score in scores]))
    assert abstain["false_positive_rate"] == pytest.approx(np.mean(wrong))
    assert abstain["miss_rate"] == pytest.approx(np.mean(missed))


@pytest.mark.slow
def test_the_model_card_says_what_is_guaranteed_and_which_format_carries_the_load(
    guaranteed: Guaranteed,
) -> None:
    trained, evaluator = guaranteed
    card = (trained.bundle_folder / "MODEL_CARD.md").read_text()
    threshold = evaluator.threshold
    assert "With confidence 0.8, at most 0.2 of the instances of no flagged class are flagged" in card
    assert f"of {threshold.negatives} such rows set aside, {threshold.errors} are" in card
    assert "A score abstains when" in card
    assert "`onnx-fp32` carries it" in card
    assert trained.report["service"]["met"]


def test_the_guarantee_of_several_formats_holds_for_each_of_them() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 400)
    logits = np.c_[np.zeros(400), random.normal(size=400) + 2 * truth]
    held_out, reference = Labelled(logits[:200], truth[:200]), Labelled(logits[200:], truth[200:])
    bolder, shyer = (
        Labelled(np.add(reference.logits, [[0.0, shift]]), reference.truth) for shift in (0.3, -0.3)
    )
    formats = [reference, bolder, shyer]

    rules = [rule_of(tiny.BOOLEAN, PLAN.parameters, held_out, [rows]) for rows in formats]
    every = rule_of(tiny.BOOLEAN, PLAN.parameters, held_out, formats)

    assert every.threshold == max((rule.threshold for rule in rules), key=lambda entry: entry.value)
    assert every.threshold.value > rules[0].threshold.value
    band = every.abstain_band
    assert band is not None
    assert band.low <= every.threshold.value <= band.high
    errors = allowed_errors(band.negatives, 0.25, 0.1), allowed_errors(band.positives, 0.25, 0.1)
    for rows in formats:
        shares = np.exp(log_probabilities(rows.logits, every.calibration))[:, 1]
        assert (shares[rows.truth == 0] >= band.high).sum() <= (errors[0] or 0)
        assert (shares[rows.truth == 1] < band.low).sum() <= (errors[1] or 0)


def _about(contexts: int) -> TrainingPlan:
    rows = [
        replace(row, instance=text_span(input=f"w{n % contexts}", output=row.instance.output[0].content))
        for n, row in enumerate(PLAN.training_rows)
        if isinstance(row.instance, Span)
    ]
    return replace(PLAN, training_rows=rows)


@pytest.mark.parametrize("contexts", [4, 30])
def test_rows_of_a_guarantee_share_no_context_with_others_or_it_is_said(
    base_model: Path, contexts: int
) -> None:
    prepared = prepare(_about(contexts), load_network(base_model, 2), base_model, lambda: None)
    assert prepared.aside is not None
    aside = {reading.windows[0].ids[1] for reading in prepared.aside.readings}  # the input's one word
    others = {row.ids[1] for row in (*prepared.training.first_windows, *prepared.validation.first_windows)}
    said = any("about the same texts" in warning for warning in prepared.warnings)
    assert (aside.isdisjoint(others), said) == ((True, False) if contexts == 30 else (False, True))
