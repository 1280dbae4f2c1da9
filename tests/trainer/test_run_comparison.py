"""Two runs beside each other: pure, and over the wire with real workers."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gnomon.errors import InvalidRequestError, RunsNotComparableError, RunStateError
from gnomon.instances import InputShape, OutputType, Step, text_span
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.adapters.records import spec_from, spec_to
from gnomon_trainer.domain import run_comparison
from gnomon_trainer.domain.run_use_cases import PredictedRow
from gnomon_trainer.domain.training import MetricDefinition, ReportOptions, Row
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import State, jsonl, labelled_rows, refused, run_request, trainer_at, two_sets
from tests.trainer.things import new_run

METRIC = MetricDefinition(
    "metrics/toxicity", OutputType.BOOLEAN, Step.LLM_SPAN, InputShape.OUTPUT, ("false", "true"), ("true",)
)
NAMES = ("projects/demo/runs/first", "projects/demo/runs/second")


def predicted(skill: float, seed: int, rows: int = 240) -> list[PredictedRow]:
    """Rows of two languages; the evaluator is right on a share `skill` of the German ones, on all others."""
    truth = np.random.default_rng(0).random(rows) < 0.5
    lucky = np.random.default_rng(seed).random(rows) < skill
    found = []
    for n in range(rows):
        is_german = n % 3 == 0
        true = bool(truth[n])
        says = true if lucky[n] or not is_german else not true
        probability = 0.9 if says else 0.1
        label = "true" if true else "false"
        row = Row(n + 1, text_span(output="text"), label, {"language": "de" if is_german else "en"})
        found.append(
            PredictedRow(
                row=row,
                classes=METRIC.classes,
                logits=(0.0, 0.0),
                probabilities=(1 - probability, probability),
                label="true" if says else "false",
                flagged=says,
                threshold=0.5,
                token_count=3,
                truncated=False,
                window_count=1,
                deciding_window=0,
            )
        )
    return found


def test_two_runs_of_a_categorical_metric_are_compared_by_what_they_flag() -> None:
    """Both say `other` of every row, and one of them flags what it should not."""
    metric = replace(
        METRIC, output_type=OutputType.CATEGORICAL, classes=("other", "toxic"), flagged_classes=("toxic",)
    )
    classes = dict(zip(METRIC.classes, metric.classes, strict=True))
    exact, eager = (
        [
            replace(
                one,
                row=replace(one.row, label=classes[one.row.label]),
                classes=metric.classes,
                probabilities=(0.6, 0.4) if flagged else (0.9, 0.1),
                label="other",
                flagged=flagged,
                threshold=0.3,
            )
            for one in predicted(1.0, 0)
            for flagged in [one.flagged or (is_eager and one.row.number % 2 == 0)]
        ]
        for is_eager in (False, True)
    )
    found = {m["key"]: m for m in run_comparison.compared(exact, eager, metric, ReportOptions())["measures"]}
    assert found["macro_f1"]["difference"]["value"] == 0
    rate = found["flagged_false_positive_rate"]
    assert (rate["first"], rate["second"]) == (0, pytest.approx(0.5, abs=0.1))
    assert rate["difference"]["high"] < 0
    assert found["flagged_precision"]["difference"]["low"] > 0
    assert found["flagged_recall"]["first"] == found["flagged_recall"]["second"] == 1


def test_two_runs_differ_where_one_of_them_is_weak() -> None:
    strong, weak = predicted(0.95, 1), predicted(0.5, 2)
    found = run_comparison.compared(strong, weak, METRIC, ReportOptions())
    accuracy = next(entry for entry in found["measures"] if entry["key"] == "accuracy")
    rights = [sum(p.label == p.row.label for p in run) / len(run) for run in (strong, weak)]
    assert (accuracy["first"], accuracy["second"]) == pytest.approx(rights)
    assert accuracy["difference"]["low"] > 0
    pair = found["comparison"]
    assert found["flipped_row_count"] == pair["only_first_right"] + pair["only_second_right"]
    assert pair["mcnemar_p"] < 0.001
    assert all(entry["first_label"] != entry["second_label"] for entry in found["flipped_rows"])
    worst = next(entry for entry in found["slices"] if entry["key"].startswith("column:"))
    assert (worst["key"], worst["value"], worst["rows"]) == ("column:language", "de", 80)
    assert worst == found["slices"][0]
    assert not any(entry["value"] == "en" for entry in found["slices"])  # no difference there


def test_kinds_of_error_count_the_rows_that_each_run_took_for_another_class() -> None:
    runs = predicted(0.9, 1), predicted(0.6, 2)
    found = run_comparison.compared(*runs, METRIC, ReportOptions())["error_kinds"]
    for run, side in zip(runs, ("first", "second"), strict=True):
        errors = Counter((p.row.label, p.label) for p in run if p.label != p.row.label)
        assert {(k["true_label"], k["label"]): k[side] for k in found if k[side]} == errors
    both = [kind["first"] + kind["second"] for kind in found]
    assert both == sorted(both, reverse=True)
    assert all(k["rows"] == sum(p.row.label == k["true_label"] for p in runs[0]) for k in found)


def test_a_run_compared_with_itself_differs_in_nothing() -> None:
    found = run_comparison.compared(predicted(0.7, 1), predicted(0.7, 1), METRIC, ReportOptions())
    assert found["flipped_rows"] == found["slices"] == []
    assert found["comparison"]["mcnemar_p"] == 1.0
    assert all(entry["difference"]["value"] == 0 for entry in found["measures"])


def test_the_other_way_round_every_difference_changes_its_sign() -> None:
    runs = predicted(0.9, 1), predicted(0.6, 2)
    one = run_comparison.compared(*runs, METRIC, ReportOptions())
    other = run_comparison.compared(*reversed(runs), METRIC, ReportOptions())
    for a, b in zip(one["measures"], other["measures"], strict=True):
        assert a["difference"]["value"] == -b["difference"]["value"]
        assert a["difference"]["low"] == pytest.approx(-b["difference"]["high"])


async def test_runs_are_compared_over_the_wire_and_refused_where_rows_differ(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        for seed, run_id in enumerate(("first", "second")):
            await trainer.create_run(run_id=run_id, parameters={"seed": seed, "epochs": 1})
        await trainer.upload(jsonl(labelled_rows(160, start=200_000)), dataset_id="test")
        await trainer.create_run(run_id="third", test_set="datasets/test@2", parameters={"epochs": 1})
        for name in ("first", "second", "third"):
            await trainer.until(State.REGISTERED, name=f"projects/demo/runs/{name}")

        request = pb.CompareRunsRequest(first_run=NAMES[0], second_run=NAMES[1])
        found = await trainer.stub.CompareRuns(request)
        assert (found.first_run, found.second_run, found.test_set) == (*NAMES, "datasets/test@1")
        assert found.flipped_row_count == 160
        accuracies = {pair.key: pair for pair in found.measures}["accuracy"]
        assert accuracies.first + accuracies.second == 1.0  # one says `false` of every row, the other `true`
        assert found.comparison.only_first_right + found.comparison.only_second_right == 160

        request.second_run = "projects/demo/runs/third"
        error = await refused(trainer.stub.CompareRuns(request))
        assert isinstance(error, RunsNotComparableError)
        assert "datasets/test@2" in error.message


async def test_a_run_without_predictions_cannot_be_compared(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry) as trainer:
        await two_sets(trainer)
        for run_id in ("first", "second"):
            await trainer.create_run(run_id=run_id)
        request = pb.CompareRunsRequest(first_run=NAMES[0], second_run=NAMES[1])
        assert isinstance(await refused(trainer.stub.CompareRuns(request)), RunStateError)


async def test_what_a_report_shall_show_is_kept_and_checked(tmp_path: Path, registry: FakeRegistry) -> None:
    options = resources.ReportOptions(slice_columns=["language"], judge_column="gpt")
    async with trainer_at(tmp_path, registry) as trainer:
        await trainer.upload(jsonl(labelled_rows(300)), dataset_id="train")
        rows = [row | {"language": "de", "gpt": True} for row in labelled_rows(160, start=100_000)]
        await trainer.upload(jsonl(rows), dataset_id="test")

        run = await trainer.create_run(report_options=options)
        assert run.report_options == options
        assert (await trainer.run()).report_options == options
        assert not (await trainer.create_run(run_id="plain")).HasField("report_options")

        options.slice_columns.append("team")
        error = await refused(trainer.stub.CreateRun(run_request(run_id="x", report_options=options)))
        assert isinstance(error, InvalidRequestError)
        assert [v.field for v in error.violations] == ["run.report_options.slice_columns[1]"]
        assert "'language'" in error.message


def test_a_runs_options_are_stored_and_a_run_of_an_earlier_release_has_none() -> None:
    spec = replace(new_run().spec, report_options=ReportOptions(("language",), "gpt"))
    raw = json.loads(json.dumps(spec_to(spec)))
    assert spec_from(raw).report_options == spec.report_options
    del raw["report_options"]
    assert spec_from(raw).report_options == ReportOptions()
