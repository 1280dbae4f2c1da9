import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from gnomon import AsyncClient, errors, examples
from gnomon.instances import text_span
from tests.e2e.deployment import QUICK


def test_a_run_says_how_good_its_evaluator_is_and_what_a_cheap_method_reaches(trained):
    measures = {measure.key: measure for measure in trained.report.measures}
    baselines = {baseline.key for baseline in trained.report.baselines}

    assert {"accuracy", "macro_f1", "auroc", "ece"} <= set(measures)
    assert all(m.low <= m.value <= m.high for m in measures.values())
    assert measures["macro_f1"].low < measures["macro_f1"].high
    assert {"majority_class", "tfidf_logistic_regression"} <= baselines
    assert trained.report.formats[0].passed


def test_a_served_score_equals_the_trainers_on_every_test_row(deployed, trained):
    predictions = list(deployed.client.runs.predictions(trained.name))
    instances = [prediction.instance for prediction in predictions]

    rows = deployed.client.score("commitment", instances=instances, timeout_s=240)

    assert len(predictions) == trained.report.test_rows >= 150
    assert any(prediction.score.window_count > 1 for prediction in predictions)
    for prediction, row in zip(predictions, rows, strict=True):
        score = row["commitment"]
        assert (score.label, score.flagged) == (prediction.score.label, prediction.score.flagged)
        assert windows_of(score) == windows_of(prediction.score)
        for served, measured in zip(score.classes, prediction.score.classes, strict=True):
            assert served.logit == pytest.approx(measured.logit, abs=1e-4)
            assert served.probability == pytest.approx(measured.probability, abs=1e-4)


def windows_of(score):
    return score.window_count, score.deciding_window, score.token_count, score.truncated


def test_the_version_tells_what_it_was_made_from(deployed, trained):
    version = deployed.client.versions.get("commitment@production")
    training_set = deployed.client.datasets.get("train")

    assert version.name == trained.metric_version == "metrics/commitment/versions/1"
    assert version.lineage.run == trained.name
    assert version.lineage.training_set_digest == training_set.digest
    assert version.report.test_rows == trained.report.test_rows
    assert list(version.aliases) == ["production"]


def test_a_bundle_is_complete_in_itself(bundle):
    evaluator = json.loads((bundle / "evaluator.json").read_text())
    names = {path.name for path in bundle.iterdir()}

    assert evaluator["classes"] == ["false", "true"]
    assert {"evaluator.json", "tokenizer.json", "model.onnx", "report.json", "MODEL_CARD.md"} <= names


def test_a_data_frame_comes_back_with_its_scores(deployed, trained):
    lines = examples.load("commitment").test_set.read_text(encoding="utf-8").splitlines()[:20]
    frame = pd.DataFrame(map(json.loads, lines)).drop(columns="label")

    scored = deployed.client.score_frame(frame, "commitment")

    assert list(scored["input"]) == list(frame["input"])
    assert set(scored["commitment.label"]) <= {"true", "false"}
    assert scored["commitment.true"].between(0, 1).all()


async def test_the_asynchronous_client_scores_the_same(deployed, trained):
    addresses = {name: service.address for name, service in deployed.services.items()}
    text = {"input": "Can I have my money back?", "output": "It will be on your card by Friday."}
    async with AsyncClient(**addresses) as client:
        theirs = await client.score("commitment", **text)

    ours = deployed.client.score("commitment", **text)
    assert logits(theirs) == pytest.approx(logits(ours), abs=1e-4)


def test_an_instance_that_cannot_be_scored_does_not_fail_its_neighbours(deployed, trained):
    good = text_span(input="Hello?", output="Hello, how can I help?")
    lacking = text_span(input="Hello?")
    long = text_span(input="a", output="money " * 200_000)

    rows = deployed.client.score("commitment", instances=[good, lacking, long, good])

    assert isinstance(rows[1]["commitment"], errors.InstanceInvalidError)
    assert rows[2]["commitment"].truncated
    alone = logits(deployed.client.score("commitment", good))
    assert logits(rows[0]["commitment"]) == pytest.approx(alone, abs=1e-4)
    assert logits(rows[3]["commitment"]) == pytest.approx(alone, abs=1e-4)


def logits(score):
    return [entry.logit for entry in score.classes]


@pytest.mark.parametrize("metric", ["nothing", "commitment@99", "commitment@staging"])
def test_an_unknown_metric_version_or_alias_is_not_found(deployed, trained, metric):
    with pytest.raises(errors.NotFoundError):
        deployed.client.score(metric, input="a", output="b")


@pytest.mark.slow
def test_training_again_with_the_same_seed_gives_the_same_weights_as_version_2(deployed, trained):
    operation = deployed.client.runs.retry(trained.name)
    run = operation.result(timeout_s=800)
    files = {
        number: {file.path: file.sha256 for file in deployed.client.versions.get(name).bundle.files}
        for number, name in ((1, trained.metric_version), (2, run.metric_version))
    }

    assert run.metric_version == "metrics/commitment/versions/2"
    assert files[1]["model.onnx"] == files[2]["model.onnx"]


@pytest.mark.slow
@pytest.mark.long  # trains as users do: a quarter of an hour without bf16
def test_the_quickstart_does_what_it_says(deployed):
    addresses = {f"GNOMON_{name.upper()}_ADDRESS": s.address for name, s in deployed.services.items()}
    script = Path(__file__).parents[2] / "examples/quickstart.py"

    done = subprocess.run(
        [sys.executable, script], env=os.environ | addresses, check=False, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "macro_f1" in done.stdout
    assert "metrics/promise/versions/1" in done.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.long  # trains as users do: a quarter of an hour without bf16
def test_the_example_of_sessions_does_what_it_says(deployed):
    addresses = {f"GNOMON_{name.upper()}_ADDRESS": s.address for name, s in deployed.services.items()}
    script = Path(__file__).parents[2] / "examples/sessions.py"

    done = subprocess.run(
        [sys.executable, script], env=os.environ | addresses, check=False, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("metrics/wish-fulfilled/versions/1") == 2


def chat(number):
    """A conversation with a tool call, longer than is read at once; those of odd numbers reach their goal."""
    call = {"id": "c1", "function": {"name": "cancel_order", "arguments": f'{{"order": {number}}}'}}
    result = {"status": "cancelled" if number % 2 else "error: unknown order", "log": ["step"] * 200}
    ending = "It is cancelled." if number % 2 else "I could not find that order."
    messages = [
        {"role": "system", "content": "Help with orders, politely. " * 40},
        {"role": "user", "content": f"Please cancel order {number}, it was placed {number % 9} days ago."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "name": "cancel_order", "content": json.dumps(result), "tool_call_id": "c1"},
        {"role": "assistant", "content": ending},
    ]
    return {
        "input": messages[1]["content"],
        "output": ending,
        "messages": messages,
        "label": bool(number % 2),
    }


@pytest.mark.slow
def test_a_session_metric_is_trained_on_chats_and_serves_what_it_learned(deployed, tmp_path):
    client = deployed.client
    client.projects.create("sessions")
    client.metrics.create("goal-reached", output_type="boolean", step="session", input_shape="whole_session")
    rows = {
        "goal-train": [chat(number) for number in range(48)],
        "goal-test": [chat(number) for number in range(100, 116)],
    }
    for name, chats in rows.items():
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in chats))
        client.datasets.upload(name, file, metric="goal-reached")
    operation = client.runs.create(
        "sessions", metric="goal-reached", training_set="goal-train", test_set="goal-test",
        **QUICK,
    )  # fmt: skip
    run = operation.result(timeout_s=800)
    client.aliases.set("goal-reached", "production", run.metric_version)
    predictions = list(client.runs.predictions(run.name))

    scores = [client.score("goal-reached", messages=row["messages"]) for row in rows["goal-test"]]
    addresses = {f"GNOMON_{name.upper()}_ADDRESS": s.address for name, s in deployed.services.items()}
    out = tmp_path / "scored.jsonl"
    command = ["score-file", "goal-reached", tmp_path / "goal-test.jsonl", out]
    gnomon = Path(sys.executable).parent / "gnomon"
    subprocess.run([gnomon, *command], env=os.environ | addresses, check=True, capture_output=True)

    scored = [json.loads(line)["goal-reached.label"] for line in out.read_text().splitlines()]
    assert [len(p.instance.session.traces) for p in predictions] == [1] * 16
    for prediction, score in zip(predictions, scores, strict=True):
        assert logits(score) == pytest.approx(logits(prediction.score), abs=1e-4)
        assert (score.token_count, score.truncated) == (prediction.score.token_count, True)
    assert scored == [prediction.score.label for prediction in predictions]
    assert any("fewer" in warning or "small" in warning for warning in run.report.warnings)
    assert any("were shortened" in warning for warning in run.report.warnings)
