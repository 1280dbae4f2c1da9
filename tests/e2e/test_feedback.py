"""From scores that people corrected to the next version, on real processes and the real command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gnomon import Client, errors, examples, local
from gnomon.local import ServiceProcess
from gnomon.v1 import resources_pb2 as pb
from tests.e2e.deployment import QUICK, client_of, make_metric

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LIVE = 60
Gnomon = Callable[..., Any]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServiceProcess]]:
    services = local.deployment(tmp_path_factory.mktemp("gnomon"))
    scorer = services["scorer"]
    scorer.environment = {**scorer.environment, "GNOMON_SCORER_FORMAT": "onnx-fp32"}
    try:
        local.start(services)
        yield services
    finally:
        local.stop(services)


@pytest.fixture(scope="module")
def client(services: dict[str, ServiceProcess]) -> Iterator[Client]:
    with client_of(services, timeout_s=240) as client:
        yield client


@pytest.fixture(scope="module")
def gnomon(services: dict[str, ServiceProcess]) -> Gnomon:
    """Run one command line with `--json`; return what it printed."""
    addresses = {f"GNOMON_{name.upper()}_ADDRESS": service.address for name, service in services.items()}

    def run(*words: str | Path) -> Any:
        command = [Path(sys.executable).parent / "gnomon", *words, "--json"]
        done = subprocess.run(
            command, env=os.environ | addresses, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def live(client: Client, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Train version 1 on most of the example's training rows; return others, which it never saw."""
    example = examples.load("commitment")
    rows = [json.loads(line) for line in Path(str(example.training_set)).read_text().splitlines()]
    training = tmp_path_factory.mktemp("rows") / "train.jsonl"
    training.write_text("".join(json.dumps(row) + "\n" for row in rows[:300]))
    client.projects.create("e2e")
    make_metric(client)
    client.datasets.upload("train", training, metric="commitment")
    client.datasets.upload("test", Path(str(example.test_set)), metric="commitment")
    operation = client.runs.create(
        "e2e", metric="commitment", training_set="train", test_set="test", run_id="first", **QUICK
    )
    run = operation.result(timeout_s=600)
    client.aliases.set("commitment", "production", run.metric_version)
    return rows[300 : 300 + LIVE]


@pytest.fixture(scope="module")
def recorded(
    client: Client,
    gnomon: Gnomon,
    services: dict[str, ServiceProcess],
    live: list[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> int:
    """Score, and record what people say, one by one and from a file; then the trainer is killed."""
    for row in live[:5]:
        text = {"input": row["input"], "output": row["output"]}
        score = client.score("commitment", **text)
        client.feedback.record(score, **text, label=row["label"], reviewer="ann")
    folder = tmp_path_factory.mktemp("reviewed")
    (folder / "live.jsonl").write_text("".join(json.dumps(row) + "\n" for row in live[5:]))
    gnomon("score-file", "commitment", folder / "live.jsonl", folder / "scored.jsonl")
    imported = gnomon("feedback", "import", folder / "scored.jsonl", "commitment")
    assert imported == {"recorded": LIVE - 5, "failed": []}
    services["trainer"].kill()
    services["trainer"].start()
    return LIVE


@pytest.fixture(scope="module")
def compared(gnomon: Gnomon, recorded: int) -> dict[str, Any]:
    """What the one command says that trains version 2 and compares it with version 1."""
    answer: dict[str, Any] = gnomon("feedback", "train", "commitment", "--run-id", "second")
    return answer


@pytest.fixture(scope="module")
def second(client: Client, compared: dict[str, Any]) -> pb.Run:
    return client.runs.get(compared["new_run"])


def test_what_was_recorded_outlives_a_killed_trainer(client: Client, recorded: int) -> None:
    said = list(client.feedback.list("commitment"))

    assert len(said) == recorded
    assert {entry.metric_version for entry in said} == {"metrics/commitment/versions/1"}
    assert sum(entry.reviewer == "ann" for entry in said) == 5
    assert all(entry.score_label in {"true", "false"} and entry.score_probability for entry in said)
    assert 0 < sum(entry.held_out for entry in said) < recorded / 2


def test_the_next_version_learns_the_last_ones_rows_and_the_corrections(
    client: Client, second: pb.Run
) -> None:
    first, origin = client.runs.get("e2e/first"), second.feedback_origin
    learned, held_out = (
        {row["input"] + row["output"] for row in client.datasets.rows(name)}
        for name in (second.training_set, origin.held_out_set)
    )

    assert (origin.run, origin.metric_version) == (first.name, "metrics/commitment/versions/1")
    assert second.metric_version == "metrics/commitment/versions/2"
    assert (second.test_set, second.recipe) == (first.test_set, first.recipe)
    assert second.parameters == first.parameters
    assert client.datasets.get(second.training_set).row_count == 300 + origin.added_rows
    assert 0 < origin.added_rows + origin.held_out_rows + origin.test_rows <= LIVE
    assert learned.isdisjoint(held_out)


def test_both_versions_are_compared_on_the_test_set_and_on_what_was_held_out(
    client: Client, compared: dict[str, Any], second: pb.Run
) -> None:
    feedback = compared["feedback"]

    assert (compared["old_version"][-1], compared["new_version"][-1]) == ("1", "2")
    assert compared["test_rows"] == 210
    assert feedback["rows"] == second.feedback_origin.held_out_rows
    assert feedback["new_right"] - feedback["old_right"] == feedback["fixed"] - feedback["broken"]
    assert compared["verdict"] in compared["sentences"][0]
    assert client.feedback.compare(second.name).sentences() == compared["sentences"]


def test_an_alias_moves_only_to_a_version_that_is_shown_to_be_better(
    client: Client, compared: dict[str, Any], second: pb.Run
) -> None:
    assert client.aliases.get("commitment@production").metric_version[-1] == "1"
    if compared["may_be_promoted"]:
        client.feedback.promote(second.name, "production")
    else:
        with pytest.raises(errors.VersionNotBetterError, match="Macro-F1"):
            client.feedback.promote(second.name, "production")

    now = client.aliases.get("commitment@production").metric_version[-1]
    assert now == ("2" if compared["may_be_promoted"] else "1")


def test_what_a_version_was_made_of_must_still_be_there_to_go_on_from_it(
    client: Client, second: pb.Run, tmp_path: Path
) -> None:
    client.versions.download("commitment@1", tmp_path / "bundle")
    evaluator = tmp_path / "bundle/evaluator.json"
    whole = json.loads(evaluator.read_text())
    evaluator.write_text(json.dumps(whole | {"lineage": whole["lineage"] | {"run": ""}}))
    elsewhere = client.versions.create("commitment", tmp_path / "bundle")
    client.datasets.delete(second.training_set.partition("@")[0])

    with pytest.raises(errors.LineageMissingError, match="gnomon runs create"):
        client.feedback.train("commitment", version=elsewhere.name)
    with pytest.raises(errors.LineageMissingError, match="was deleted"):
        client.feedback.train("commitment", version=2)
    client.versions.delete(elsewhere.name)
    with pytest.raises(errors.NotFoundError, match="UndeleteMetricVersion"):
        client.feedback.train("commitment", version=elsewhere.name)
