"""A whole training on a tiny model."""

import json
import math
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import json_format
from tokenizers import Tokenizer

from gnomon.bundle import ONNX_FP32, Windows, parse_evaluator
from gnomon.decision import decide
from gnomon.errors import BaseModelMissingError, DatasetUnsuitableError, TrainingFailedError
from gnomon.instances import text_span
from gnomon.rendering import render
from gnomon.tokenizing import JsonTokenizer
from gnomon.v1 import resources_pb2
from gnomon.windows import reduce
from gnomon_trainer.adapters.fine_tuning import FineTuner
from gnomon_trainer.adapters.fine_tuning.scoring import OnnxEvaluator
from gnomon_trainer.domain.division import check_division
from gnomon_trainer.domain.training import Row, Stage, Trained
from tests.trainer.fine_tuning import tiny

Undisturbed = tuple[Trained, tiny.Recorder]


def test_a_training_leaves_a_bundle_that_holds_all_that_scoring_needs(undisturbed: Undisturbed) -> None:
    trained, _ = undisturbed
    assert sorted(tiny.contents(trained.bundle_folder)) == [
        "MODEL_CARD.md",
        "evaluator.json",
        "model.onnx",
        "report.json",
        "tokenizer.json",
    ]
    evaluator = parse_evaluator((trained.bundle_folder / "evaluator.json").read_bytes())
    assert evaluator.classes == ("false", "true")
    assert evaluator.template == "input-output/1"
    assert [(f.format, f.path) for f in evaluator.formats] == [(ONNX_FP32, "model.onnx")]
    assert evaluator.lineage.run == "projects/p/runs/r"
    assert len(evaluator.lineage.base_model_digest) == 64
    assert evaluator.lineage.code_version.startswith("gnomon")


def test_the_report_is_an_evaluation_report_with_intervals_around_its_values(
    undisturbed: Undisturbed,
) -> None:
    trained, _ = undisturbed
    message = json_format.ParseDict(trained.report, resources_pb2.EvaluationReport())
    assert json.loads((trained.bundle_folder / "report.json").read_text()) == trained.report
    assert {m.key for m in message.measures} == {
        "accuracy", "macro_f1", "auroc", "average_precision", "ece", "brier"
    }  # fmt: skip
    for measure in message.measures:
        assert 0 <= measure.low <= measure.high <= 1
        if measure.key != "ece":  # resampling noise only ever adds to it
            assert measure.low <= measure.value <= measure.high
    assert message.test_rows == 60
    assert message.training_rows + message.validation_rows == 80
    assert sum(message.confusion_matrix) == 60
    assert {b.key for b in message.baselines} == {"majority_class", "tfidf_logistic_regression"}
    assert message.calibration.rows == message.threshold.rows == message.validation_rows
    assert message.threshold.aim == "best_f1"
    assert message.formats[0].passed
    assert {m.key for m in message.formats[0].measures} == {
        "max_logit_difference",
        "batch_invariance_difference",
        "test_macro_f1",
    }
    assert [point.tokens for point in message.formats[0].latency_profile] == [32]
    assert "onnxruntime" in message.formats[0].machine
    assert "Two rows were left out." in message.warnings
    assert any("only 60 rows" in warning for warning in message.warnings)


def test_the_report_divides_the_test_rows_names_the_worst_and_pairs_with_the_baselines(
    undisturbed: Undisturbed,
) -> None:
    trained, _ = undisturbed
    report = json_format.ParseDict(trained.report, resources_pb2.EvaluationReport())
    predictions = {p["row"]: p for p in tiny.read_lines(trained.predictions_path)}
    assert {part.key for part in report.slices} == {"class"}  # all texts are short and have no columns
    assert sum(part.rows for part in report.slices) == 60
    assert 0 < len(report.worst_rows) <= 20
    for worst in report.worst_rows:
        predicted = predictions[worst.row]
        assert (worst.true_label, worst.label) == (predicted["true_label"], predicted["label"])
        shares = dict(zip(("false", "true"), predicted["probabilities"], strict=True))  # type: ignore[arg-type]
        assert worst.true_probability == shares[worst.true_label]
    accuracy = next(m.value for m in report.measures if m.key == "accuracy")
    for baseline in report.baselines:
        pair, (own, *_) = baseline.comparison, baseline.measures
        assert pair.rows == 60
        lead = next(m for m in pair.differences if m.key == "accuracy")
        assert lead.value == pytest.approx(accuracy - own.value)
        assert pair.only_first_right - pair.only_second_right == round(60 * lead.value)
    assert not report.HasField("judge")


def test_no_text_of_users_is_in_the_bundle(undisturbed: Undisturbed) -> None:
    folder = undisturbed[0].bundle_folder
    spans = [row.instance for row in tiny.boolean_rows(60, 2)]
    texts = {m.content for span in spans for m in (*span.input, *span.output) if " " in m.content}  # type: ignore[union-attr]
    written = (folder / "report.json").read_text() + (folder / "MODEL_CARD.md").read_text()
    assert len(texts) > 60
    assert not [text for text in texts if text in written]


def test_the_evaluator_learns_what_the_baseline_of_one_class_cannot(undisturbed: Undisturbed) -> None:
    trained, _ = undisturbed
    measures = {m["key"]: m["value"] for m in trained.report["measures"]}
    majority = next(b for b in trained.report["baselines"] if b["key"] == "majority_class")
    assert measures["macro_f1"] > majority["measures"][1]["value"] + 0.1


def test_scoring_the_bundle_without_torch_gives_the_predictions(undisturbed: Undisturbed) -> None:
    trained, _ = undisturbed
    folder = trained.bundle_folder
    evaluator = parse_evaluator((folder / "evaluator.json").read_bytes())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    rows = tiny.boolean_rows(60, 2)
    predictions = tiny.read_lines(trained.predictions_path)
    assert [p["row"] for p in predictions] == [row.number for row in rows]
    for row, predicted in zip(rows, predictions, strict=True):
        rendered = render(row.instance, evaluator.template, evaluator.step)
        encoding = tokenizer.encode(rendered.text, rendered.pair)
        ids = np.array([encoding.ids])
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.array([encoding.type_ids]),
        }
        logits = session.run(["logits"], inputs)[0][0]
        assert np.allclose(logits, predicted["logits"], atol=1e-5)
        decision = decide(evaluator, predicted["logits"])  # type: ignore[arg-type]
        assert decision.label == predicted["label"]
        assert decision.flagged == predicted["flagged"]
        assert predicted["true_label"] == row.label
        assert predicted["token_count"] == len(encoding.ids)


def test_the_exported_file_names_no_path_of_the_machine_and_fits_any_batch(undisturbed: Undisturbed) -> None:
    trained, _ = undisturbed
    model = onnx.load(trained.bundle_folder / "model.onnx")
    assert not model.graph.value_info
    assert b"site-packages" not in model.SerializeToString()
    for tensor in model.graph.input:
        assert [d.dim_param for d in tensor.type.tensor_type.shape.dim] == ["batch", "length"]


def test_the_curves_and_the_stages_tell_how_far_it_is(undisturbed: Undisturbed) -> None:
    _, recorder = undisturbed
    assert recorder.stages == [
        Stage.PREPARING, Stage.BASELINE, Stage.FINE_TUNING, Stage.EXPORTING, Stage.EVALUATING
    ]  # fmt: skip
    steps = [point.step for point in recorder.points]
    assert steps == sorted(set(steps))
    assert recorder.points[0].step == 0
    evaluations = [point for point in recorder.points if point.validation_macro_f1 is not None]
    assert len(evaluations) >= 1 + 3 * 2
    assert all(math.isfinite(point.validation_loss or 0) for point in evaluations)
    done, total, remaining_s = recorder.steps[-1]
    assert done == total
    assert remaining_s == 0


def test_the_model_card_shows_results_beside_baselines_and_warnings(undisturbed: Undisturbed) -> None:
    card = (undisturbed[0].bundle_folder / "MODEL_CARD.md").read_text()
    for part in (
        "`metrics/gloom`",
        "TF-IDF + logistic regression",
        "Two rows were left out.",
        "Temperature",
        "Lead over",
        "McNemar",
        "| `onnx-fp32` | 32 | 1 | 2 | 1000 | 4 |",
        "`epochs`",
        "| Generated by | `generations/gloomy` | providers/main (tiny-1) |",
    ):
        assert part.casefold() in card.casefold()


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bundle_byte_for_byte(
    base_model: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    again = tiny.train(base_model, tmp_path, tiny.plan(), interval_s=60.0)
    assert tiny.contents(again.bundle_folder) == tiny.contents(undisturbed[0].bundle_folder)
    assert again.predictions_path.read_bytes() == undisturbed[0].predictions_path.read_bytes()


def test_a_finished_training_is_returned_at_once(undisturbed: Undisturbed, base_model: Path) -> None:
    trained, _ = undisturbed
    recorder = tiny.Recorder()
    again = tiny.train(base_model, trained.bundle_folder.parent, tiny.plan(), recorder)
    assert again == trained
    assert recorder.stages == []


@pytest.mark.slow
def test_a_categorical_metric_without_flagged_classes_has_no_aim(base_model: Path, tmp_path: Path) -> None:
    trained = tiny.train(base_model, tmp_path, tiny.plan(tiny.CATEGORICAL, rows=60, epochs=1))
    report = json_format.ParseDict(trained.report, resources_pb2.EvaluationReport())
    assert report.threshold.aim == "none"
    assert report.threshold.value == 0.5
    assert [entry.label for entry in report.classes] == list(tiny.CATEGORICAL.classes)
    assert any("no row of 'unseen'" in warning for warning in report.warnings)
    assert len(report.confusion_matrix) == 16
    predictions = tiny.read_lines(trained.predictions_path)
    assert all(not p["flagged"] for p in predictions)
    assert all(p["label"] != "unseen" for p in predictions)


@pytest.mark.slow
def test_a_long_instance_is_cut_and_said_to_be(base_model: Path, tmp_path: Path) -> None:
    what = tiny.plan(rows=40, epochs=1, max_tokens=512)
    long = Row(61, text_span(input="w1 " * 200_000, output="w2 " * 200_000), "true")
    what.test_rows.append(long)  # type: ignore[attr-defined]
    trained = tiny.train(base_model, tmp_path, what)
    last = tiny.read_lines(trained.predictions_path)[-1]
    assert (last["token_count"], last["truncated"]) == (64, True)
    warnings = " ".join(trained.report["warnings"])
    assert "base model reads 64 tokens" in warnings
    assert "1 of 61 test rows" in warnings


@pytest.mark.slow
@pytest.mark.parametrize("reducer", ["max", "mean"])
def test_long_rows_are_measured_in_windows_as_a_scorer_reads_them(
    base_model: Path, tmp_path: Path, reducer: str
) -> None:
    what = tiny.plan(epochs=1, max_tokens=12, window_stride=4, max_windows=3, window_reducer=reducer)
    far = Row(61, text_span(input="w1 " * 200_000, output=" ".join(["w2", "w3"])), "true")
    what.test_rows.append(far)  # type: ignore[attr-defined]
    trained = tiny.train(base_model, tmp_path, what)

    folder = trained.bundle_folder
    evaluator = parse_evaluator((folder / "evaluator.json").read_bytes())
    assert evaluator.windows == Windows(4, 3, reducer)
    tokenizer = JsonTokenizer.read((folder / "tokenizer.json").read_text())
    onnx_evaluator = OnnxEvaluator(folder / "model.onnx")
    predictions = tiny.read_lines(trained.predictions_path)
    for row, predicted in zip(what.test_rows, predictions, strict=True):
        rendered = render(row.instance, evaluator.template, evaluator.step)
        (reading,) = tokenizer.encode_windows([rendered], evaluator.max_tokens, evaluator.windows)
        logits = [onnx_evaluator.logits([window])[0].tolist() for window in reading.windows]
        reduced = reduce(logits, reducer, [1])
        assert np.allclose(reduced.logits, predicted["logits"], atol=1e-5)
        assert predicted["deciding_window"] == reduced.deciding_window
        assert predicted["window_count"] == len(reading.windows)
        assert predicted["token_count"] == reading.token_count
    counts = [prediction["window_count"] for prediction in predictions]
    assert (min(counts[:-1]), counts[-1], predictions[-1]["truncated"]) == (1, 3, True)  # type: ignore[type-var]
    assert 1 < sum(count > 1 for count in counts) < len(counts)  # type: ignore[operator]
    warnings = " ".join(trained.report["warnings"])
    assert f"{sum(map(bool, (p['truncated'] for p in predictions)))} of 61 test rows" in warnings
    assert re.search(r"\d+ of \d+ rows to learn from are longer than is read: what lies beyond", warnings)
    assert "up to 3 windows" in (folder / "MODEL_CARD.md").read_text()


def test_a_loss_that_is_no_number_says_at_which_step_and_what_to_lower(
    base_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingFailedError, match=r"at step \d+ of \d+\. Lower learning_rate"):
        tiny.train(base_model, tmp_path, tiny.plan(rows=40, learning_rate=1e30, head_learning_rate=1e30))
    assert not (tmp_path / "bundle").exists()


def test_rows_of_one_class_cannot_be_learned(base_model: Path, tmp_path: Path) -> None:
    what = tiny.plan(rows=40)
    what.training_rows[:] = [row for row in what.training_rows if row.label == "true"]  # type: ignore[index]
    with pytest.raises(DatasetUnsuitableError, match="of the class 'true'"):
        tiny.train(base_model, tmp_path, what)


def test_copies_of_two_texts_are_refused_as_when_a_run_is_created(base_model: Path, tmp_path: Path) -> None:
    what = tiny.plan(rows=40)
    what.training_rows[:] = [  # type: ignore[index]
        Row(n, text_span(input="w1", output="sun" if n % 2 else "storm"), "false" if n % 2 else "true")
        for n in range(1, 41)
    ]
    with pytest.raises(DatasetUnsuitableError) as trained:
        tiny.train(base_model, tmp_path, what)
    with pytest.raises(DatasetUnsuitableError, match="none can be held out") as created:
        check_division(what.training_rows, what.metric, what.parameters, what.lineage.training_set)
    assert (trained.value.message, trained.value.metadata) == (created.value.message, created.value.metadata)


def test_an_unreadable_row_is_named(base_model: Path, tmp_path: Path) -> None:
    what = tiny.plan(rows=40)
    what.training_rows[4] = Row(5, text_span(input="no output"), "true")  # type: ignore[index]
    with pytest.raises(DatasetUnsuitableError, match="Row 5 of the training set"):
        tiny.train(base_model, tmp_path, what)


def test_a_base_model_that_is_not_there_or_is_broken_says_what_to_do(
    base_model: Path, tmp_path: Path
) -> None:
    tuner = FineTuner()
    assert tuner.base_model_problem(str(base_model)) is None
    assert "config.json" in (tuner.base_model_problem(str(tmp_path)) or "")
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in base_model.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes((base_model / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(BaseModelMissingError, match="cannot be loaded"):
        tiny.train(broken, tmp_path / "work", tiny.plan(rows=40))
    (broken / "tokenizer.json").write_text("{")
    with pytest.raises(BaseModelMissingError, match=r"tokenizer\.json cannot be read|cannot be loaded"):
        tiny.train(broken, tmp_path / "work", tiny.plan(rows=40))
