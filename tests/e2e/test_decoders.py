"""A decoder is trained, registered and scored like any base model: what was measured is what is served."""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import gnomon
from gnomon import local
from gnomon.bundle import parse_evaluator
from gnomon.instances import text_span
from gnomon_trainer.domain.prompts import letters
from gnomon_trainer.domain.training import Row
from tests.e2e.deployment import client_of, make_metric
from tests.e2e.test_windows import GLOOMY_SESSIONS, compare, scores_of, session
from tests.trainer.fine_tuning import tiny, tiny_decoder

RECIPE = """
display_name = "Asks"
description = "For tests."
base_model = "{base_model}"
[parameters]
adapter_rank = 4
epochs = 1
batch_size = 8
learning_rate = 3e-3
head_learning_rate = 1e-3
weight_decay = 0.0
warmup_share = 0.1
max_tokens = 64
window_stride = 8
max_windows = 3
validation_share = 0.25
evaluations_per_epoch = 1
patience = 1
seed = 0
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gnomon.Client]:
    """A deployment that offers a recipe whose base model is a tiny decoder."""
    folder = tmp_path_factory.mktemp("asking")
    base_model = tiny_decoder.make_base_model(folder / "model")
    (folder / "recipes").mkdir()
    (folder / "recipes" / "asks.toml").write_text(RECIPE.format(base_model=base_model))
    services = local.deployment(folder / "gnomon")
    trainer, scorer = services["trainer"], services["scorer"]
    trainer.environment = {**trainer.environment, "GNOMON_TRAINER_RECIPES_DIR": str(folder / "recipes")}
    scorer.environment = {**scorer.environment, "GNOMON_SCORER_FORMAT": "onnx-fp32"}
    try:
        local.start(services)
        with client_of(services) as client:
            yield client
    finally:
        local.stop(services)


def uploaded(client: gnomon.Client, folder: Path, dataset: str, rows: list[Row]) -> None:
    path = folder / f"{dataset}.jsonl"
    lines = ({**texts_of(row), "label": row.label == "true"} for row in rows)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    client.datasets.upload(dataset, path, metric="gloom")


def texts_of(row: Row) -> dict[str, str]:
    return {"input": row.instance.input[0].content, "output": row.instance.output[0].content}  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_decoder_goes_the_whole_way(client: gnomon.Client, tmp_path: Path) -> None:
    client.projects.create("e2e")
    make_metric(client, "gloom")
    uploaded(client, tmp_path, "train", tiny.boolean_rows(120, 1))
    uploaded(client, tmp_path, "test", tiny.boolean_rows(60, 2))
    operation = client.runs.create(
        "e2e", metric="gloom", training_set="train", test_set="test", recipe="asks", allow_small=True
    )
    run = operation.result(timeout_s=240)

    version = client.versions.get(run.metric_version)
    predictions = list(client.runs.predictions(run.name))
    rows = client.score(run.metric_version, instances=[entry.instance for entry in predictions])

    assert version.lineage.recipe == "recipes/asks"
    assert version.report.formats[0].passed
    long = client.score(run.metric_version, input="w1 " * 5_000, output="storm")
    assert (long.window_count, long.truncated) == (3, True)
    for predicted, row in zip(predictions, rows, strict=True):
        (score,) = row.values()
        assert (score.label, score.flagged) == (predicted.score.label, predicted.score.flagged)
        assert score.token_count == predicted.score.token_count
        for served, measured in zip(score.classes, predicted.score.classes, strict=True):
            assert served.probability == pytest.approx(measured.probability, abs=1e-4)


@pytest.mark.slow
async def test_a_decoder_reads_sessions_in_training_and_serving_alike(tmp_path: Path) -> None:
    random_ = random.Random(3)
    plan = replace(
        tiny_decoder.plan(rows=1, epochs=1, max_tokens=64),
        metric=GLOOMY_SESSIONS,
        training_rows=[session(number, random_) for number in range(1, 41)],
        test_rows=[session(number, random_) for number in range(1, 21)],
    )
    trained = tiny.train(tiny_decoder.make_base_model(tmp_path / "base"), tmp_path / "work", plan, None, 60.0)

    contents = tiny.contents(trained.bundle_folder)
    served = await scores_of(contents, plan.test_rows, tmp_path / "cache")

    compare(tiny.read_lines(trained.predictions_path), served)
    assert {outcome.score.truncated for outcome in served} == {True, False}
    assert max(outcome.score.token_count for outcome in served) <= 64


@pytest.mark.slow
async def test_a_decoder_tells_many_classes_of_long_names_apart(tmp_path: Path) -> None:
    classes = tuple(f"intent w{number} of several words" for number in range(40))
    rows = [
        Row(n, text_span(input=f"w{n % 40} {tiny.GOOD[n // 40 % 5]} {n // 200}"), classes[n % 40])
        for n in range(1, 321)
    ]
    plan = replace(
        tiny_decoder.plan(rows=1, epochs=2, max_tokens=32),
        metric=replace(tiny.CATEGORICAL, classes=classes),
        training_rows=rows[:240],
        test_rows=rows[240:],
    )
    answers = list(itertools.islice(letters(), 40))
    base_model = tiny_decoder.make_base_model(tmp_path / "base", answers)
    trained = tiny.train(base_model, tmp_path / "work", plan, None, 60.0)

    contents = tiny.contents(trained.bundle_folder)
    served = await scores_of(contents, plan.test_rows, tmp_path / "cache")

    compare(tiny.read_lines(trained.predictions_path), served)
    assert parse_evaluator(contents["evaluator.json"]).classes == classes
    measures = {entry["key"]: entry["value"] for entry in trained.report["measures"]}
    assert measures["accuracy"] > 0.2  # one in forty by chance
