"""From scores that people corrected to the next version, on real processes."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon import Client, errors, examples, local
from gnomon.local import ServiceProcess
from gnomon.v1 import resources_pb2 as pb
from tests.e2e.deployment import QUICK, client_of, make_metric

pytestmark = pytest.mark.slow

RECORDED = 60


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServiceProcess]]:
    services = local.deployment(tmp_path_factory.mktemp("gnomon"))
    try:
        local.start(services)
        yield services
    finally:
        local.stop(services)


@pytest.fixture(scope="module")
def client(services: dict[str, ServiceProcess]) -> Iterator[Client]:
    with client_of(services) as client:
        yield client


@pytest.fixture(scope="module")
def traffic(client: Client, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Train version 1 on most of the example's training rows; return the others, which it never saw."""
    example = examples.load("commitment")
    rows = [json.loads(line) for line in Path(str(example.training_set)).read_text().splitlines()]
    training = tmp_path_factory.mktemp("rows") / "train.jsonl"
    training.write_text("".join(json.dumps(row) + "\n" for row in rows[:300]))
    client.projects.create("e2e")
    make_metric(client)
    client.datasets.upload("train", training, metric="commitment")
    client.datasets.upload("test", Path(str(example.test_set)), metric="commitment")
    run = client.runs.create(
        "e2e", metric="commitment", training_set="train", test_set="test", run_id="first", **QUICK
    ).result(timeout_s=240)
    client.aliases.set("commitment", "production", run.metric_version)
    return rows[300:]


@pytest.fixture(scope="module")
def recorded(client: Client, services: dict[str, ServiceProcess], traffic: list[dict[str, str]]) -> int:
    """Score, and record what people would say; then the trainer is killed before anyone trains."""
    for row in traffic[:RECORDED]:
        text = {"input": row["input"], "output": row["output"]}
        score = client.score("commitment", **text)
        client.feedback.record(
            score, **text, label=row["label"], reviewer="ann", external_id=row["input"][:99]
        )
    services["trainer"].kill()
    services["trainer"].start()
    return RECORDED


@pytest.fixture(scope="module")
def second(client: Client, recorded: int) -> pb.Run:
    operation = client.feedback.start("commitment", run_id="second")
    return operation.result(timeout_s=240)


def test_what_was_recorded_outlives_a_killed_trainer(client: Client, recorded: int) -> None:
    said = list(client.feedback.list("commitment"))

    assert len(said) == recorded
    assert {entry.metric_version for entry in said} == {"metrics/commitment/versions/1"}
    assert {entry.reviewer for entry in said} == {"ann"}
    assert all(entry.score_label in {"true", "false"} and entry.score_probability for entry in said)
    assert 0 < sum(entry.held_out for entry in said) < recorded / 2


def test_the_next_version_learns_the_last_ones_rows_and_the_corrections(
    client: Client, second: pb.Run
) -> None:
    origin = second.feedback_origin
    first = client.runs.get("e2e/first")
    learned = client.datasets.rows(second.training_set)
    held_out = client.datasets.rows(origin.held_out_set)

    assert (origin.run, origin.metric_version) == (first.name, "metrics/commitment/versions/1")
    assert second.metric_version == "metrics/commitment/versions/2"
    assert (second.test_set, second.recipe, second.parameters) == (
        first.test_set,
        first.recipe,
        first.parameters,
    )
    assert len(learned) == 300 + origin.added_rows
    assert origin.added_rows + origin.held_out_rows + origin.test_rows <= RECORDED
    assert {row["input"] + row["output"] for row in held_out}.isdisjoint(
        row["input"] + row["output"] for row in learned
    )


def test_both_versions_are_compared_on_the_test_set_and_on_what_was_held_out(
    client: Client, second: pb.Run
) -> None:
    found = client.feedback.compare(second.name)

    assert (found.old_version[-1], found.new_version[-1]) == ("1", "2")
    assert found.test_rows == 210
    assert found.feedback is not None
    assert found.feedback.rows == second.feedback_origin.held_out_rows
    assert found.feedback.new_right - found.feedback.old_right == found.feedback.fixed - found.feedback.broken
    assert found.verdict in found.sentences()[0]


def test_an_alias_moves_only_to_a_version_that_is_shown_to_be_better(client: Client, second: pb.Run) -> None:
    better = client.feedback.compare(second.name).may_be_promoted

    if better:
        client.feedback.promote(second.name, "production")
    else:
        with pytest.raises(errors.VersionNotBetterError, match="Macro-F1"):
            client.feedback.promote(second.name, "production")

    assert client.aliases.get("commitment@production").metric_version[-1] == "2" if better else "1"


def test_a_version_without_a_run_of_this_trainer_says_what_to_do(
    client: Client, second: pb.Run, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    client.versions.download("commitment@1", bundle)
    evaluator = json.loads((bundle / "evaluator.json").read_text())
    evaluator["lineage"]["run"] = ""
    (bundle / "evaluator.json").write_text(json.dumps(evaluator))
    elsewhere = client.versions.create("commitment", bundle)

    with pytest.raises(errors.LineageMissingError, match="gnomon runs create"):
        client.feedback.train("commitment", version=elsewhere.name)


def test_a_deleted_version_and_a_deleted_training_set_say_what_to_do(client: Client, second: pb.Run) -> None:
    client.datasets.delete(second.training_set.partition("@")[0])
    with pytest.raises(errors.LineageMissingError, match="was deleted"):
        client.feedback.train("commitment", version=2)

    client.versions.delete("commitment@2") if "production" not in client.versions.get(
        "commitment@2"
    ).aliases else None


def gnomon(services: dict[str, ServiceProcess], *words: str) -> subprocess.CompletedProcess[str]:
    addresses = itertools.chain.from_iterable((f"--{name}", s.address) for name, s in services.items())
    command = [sys.executable, "-m", "gnomon.cli.main", *words, *addresses]
    return subprocess.run(command, check=False, capture_output=True, text=True)
