"""The logs of real processes, over the real wire: what is in them, and what is not."""

import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest

from gnomon import examples
from gnomon.audit import Head
from gnomon.errors import (
    AlreadyExistsError,
    AuditUnavailableError,
    GnomonError,
    InvalidRequestError,
    NotFoundError,
)

SECRET = "Nobody may read this sentence"


def entries(deployed, service="registry", **filters):
    return list(deployed.client.audit.list(service, **filters))


def calls(deployed, service="registry", **filters):
    """Return (method, resource, outcome, reason) of the second entries."""
    return [
        (e.record.method.rpartition("/")[2], e.record.resource, e.record.outcome, e.record.reason)
        for e in entries(deployed, service, **filters)
        if e.record.begun
    ]


def test_every_change_has_an_entry_before_it_and_one_of_what_became_of_it(deployed):
    before = len(entries(deployed))
    client = deployed.client
    client.projects.create("support", display_name=SECRET, description=SECRET)
    client.metrics.create("toxicity", output_type="boolean", input_shape="output", judge_prompt=SECRET)
    with pytest.raises(AlreadyExistsError):
        client.metrics.create("toxicity", output_type="boolean", input_shape="output")
    client.projects.get("support")
    list(client.metrics.list())
    with pytest.raises(NotFoundError):
        client.aliases.set("toxicity", "production", 7)
    made = entries(deployed)[before:]

    told = [
        (e.record.method.rpartition("/")[2], e.record.resource, e.record.outcome, e.record.reason)
        for e in made
    ]
    assert told == [
        ("CreateProject", "projects/support", "", ""),
        ("CreateProject", "projects/support", "OK", ""),
        ("CreateMetric", "metrics/toxicity", "", ""),
        ("CreateMetric", "metrics/toxicity", "OK", ""),
        ("CreateMetric", "metrics/toxicity", "", ""),
        ("CreateMetric", "metrics/toxicity", "ALREADY_EXISTS", "RESOURCE_EXISTS"),
        ("SetAlias", "metrics/toxicity/aliases/production", "", ""),
        ("SetAlias", "metrics/toxicity/aliases/production", "NOT_FOUND", "RESOURCE_NOT_FOUND"),
    ]
    for first, second in zip(made[::2], made[1::2], strict=True):
        assert second.record.begun == first.number
        assert second.record.call_id == first.record.call_id != ""
        assert first.record.caller == second.record.caller == "local"


def test_the_trainer_has_a_log_of_its_own(deployed):
    example = examples.load("commitment")
    client = deployed.client
    client.metrics.create("commitment", output_type="boolean", input_shape="input_output")
    client.datasets.upload("answers", example.training_set, metric="commitment", display_name=SECRET)
    client.datasets.split("answers", training="left", test="right")
    client.datasets.delete("right")

    assert calls(deployed, "trainer")[:3] == [
        ("UploadDataset", "datasets/answers", "OK", ""),
        ("SplitDataset", "datasets/left", "OK", ""),
        ("DeleteDataset", "datasets/right", "OK", ""),
    ]
    assert client.audit.verify("trainer").problem is None


def test_no_text_of_a_user_is_in_the_logs(deployed):
    client = deployed.client
    client.projects.create("quiet", display_name=SECRET, description=SECRET)
    for refused in (
        lambda: client.metrics.delete(f"metrics/{SECRET}"),
        lambda: client.projects.create(SECRET),
        lambda: client.metrics.create(
            "m", output_type="boolean", input_shape="output", display_name=SECRET * 9
        ),
    ):
        with pytest.raises(GnomonError):
            refused()
    for service in ("registry", "trainer"):
        with sqlite3.connect(deployed.database(service)) as connection:
            rows = connection.execute("SELECT * FROM audit_entries").fetchall()
        assert SECRET not in repr(rows)
        assert "Nobody" not in repr(rows)


def test_entries_are_found_by_time_caller_method_and_resource(deployed):
    client = deployed.client
    client.metrics.create("tone", output_type="boolean", input_shape="output")
    client.metrics.delete("tone")
    now = datetime.now(UTC)

    assert [c[0] for c in calls(deployed, resource_prefix="metrics/tone")] == ["CreateMetric", "DeleteMetric"]
    assert [c[1] for c in calls(deployed, method="DeleteMetric")] == ["metrics/tone"]
    assert calls(deployed, caller="apiKeys/nobody") == []
    assert calls(deployed, start=now + timedelta(minutes=5)) == []
    assert calls(deployed, end=now + timedelta(minutes=5)) == calls(deployed)
    newest = entries(deployed, newest_first=True)
    assert newest == entries(deployed)[::-1]
    with pytest.raises(InvalidRequestError, match="time zone"):
        entries(deployed, start=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidRequestError, match="registry, trainer"):
        entries(deployed, "scorer")


@pytest.mark.slow
def test_a_call_that_cannot_be_written_down_is_refused_and_does_nothing(deployed):
    client = deployed.client
    client.projects.create("before")
    with sqlite3.connect(deployed.database("registry")) as connection:
        connection.execute("ALTER TABLE audit_entries RENAME TO hidden")
    try:
        with pytest.raises(AuditUnavailableError, match="not begun") as raised:
            deployed.client.projects.create("lost")
        with pytest.raises(NotFoundError):
            client.projects.get("lost")
    finally:
        with sqlite3.connect(deployed.database("registry")) as connection:
            connection.execute("ALTER TABLE hidden RENAME TO audit_entries")
    client.projects.create("after")

    assert raised.value.retry_after_s is not None
    assert calls(deployed)[-1] == ("CreateProject", "projects/after", "OK", "")
    assert client.audit.verify("registry").problem is None


def test_parallel_calls_make_one_chain(deployed):
    def create(index):
        deployed.client.projects.create(f"p{index}")

    threads = [threading.Thread(target=create, args=(i,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    verdict = deployed.client.audit.verify("registry")
    assert verdict.problem is None
    assert verdict.unfinished == ()
    made = {c[1] for c in calls(deployed, method="CreateProject")}
    assert {f"projects/p{i}" for i in range(40)} <= made


def test_the_command_line_lists_verifies_and_exports(deployed, cli, tmp_path):
    deployed.client.projects.create("shown")
    heads, archive = tmp_path / "heads.json", tmp_path / "registry.jsonl"
    listed = cli("audit", "list", "--service", "registry", "--resource", "projects/shown")
    as_json = cli("audit", "list", "--resource", "projects/shown", "--json").json
    first = cli("audit", "verify", "--note", heads)
    exported = cli("audit", "export", "registry", archive, "--json").json
    offline = cli("audit", "verify", "--service", "registry", "--file", archive, "--since", heads, "--json")
    deployed.client.projects.create("later")
    again = cli("audit", "verify", "--since", heads, "--json")
    head = str(deployed.client.audit.verify("registry").head)
    expected = cli("audit", "verify", "--service", "registry", "--expect", head)
    onto_itself = cli("audit", "export", "registry", archive)

    assert "CreateProject" in listed.out
    assert [(row["service"], row["outcome"]) for row in as_json] == [("registry", "OK"), ("registry", "")]
    assert (first.status, again.status, offline.status, expected.status) == (0, 0, 0, 0)
    assert "whole; head" in first.out
    assert again.json["registry"]["count"] == exported["count"] + 2
    assert Head.parse(again.json["registry"]["head"]).number == again.json["registry"]["count"]
    assert offline.json["registry"]["problem"] is None
    assert onto_itself.status == 1
    assert cli("audit", "verify", "--expect", head).status == 2
    assert cli("audit", "verify", "--service", "registry", "--expect", "nonsense").status == 2
    assert cli("audit", "list", "--service", "scorer").status == 2


TAMPERING = {
    "changed": (["UPDATE audit_entries SET caller = 'apiKeys/other' WHERE number = 5"], 5),
    "changed time": (["UPDATE audit_entries SET time_us = time_us + 1 WHERE number = 6"], 6),
    "changed hash": (["UPDATE audit_entries SET hash = zeroblob(32) WHERE number = 5"], 5),
    "removed": (["DELETE FROM audit_entries WHERE number = 5"], 5),
    "removed first": (["DELETE FROM audit_entries WHERE number = 1"], 1),
    "removed and numbered anew": (
        [
            "DELETE FROM audit_entries WHERE number = 5",
            "UPDATE audit_entries SET number = -number WHERE number > 5",
            "UPDATE audit_entries SET number = -number - 1 WHERE number < 0",
        ],
        5,
    ),
    "inserted": (
        [
            "UPDATE audit_entries SET number = -number WHERE number > 5",
            "UPDATE audit_entries SET number = -number + 1 WHERE number < 0",
            "INSERT INTO audit_entries SELECT 6, time_us, caller, project, method, resource, call_id, begun, "
            "outcome, reason, count, previous_hash, hash FROM audit_entries WHERE number = 3",
        ],
        6,
    ),
    "swapped": (
        [
            "UPDATE audit_entries SET number = -3 WHERE number = 3",
            "UPDATE audit_entries SET number = 3 WHERE number = 6",
            "UPDATE audit_entries SET number = 6 WHERE number = -3",
        ],
        3,
    ),
}


@pytest.fixture
def tampered(deployed):
    """Run SQL on the registry's file, while it runs; undo it afterwards."""
    path = deployed.database("registry")
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT * FROM audit_entries ORDER BY number").fetchall()

    def tamper(statements):
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)

    yield tamper
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM audit_entries")
        connection.executemany(f"INSERT INTO audit_entries VALUES ({','.join('?' * 13)})", rows)


@pytest.mark.parametrize("how", TAMPERING)
def test_what_was_done_to_the_file_is_found_with_its_number(deployed, cli, tampered, how):
    for index in range(5):
        deployed.client.projects.update(deployed.client.projects.create(f"{how.replace(' ', '-')}-{index}"))
    assert cli("audit", "verify", "--service", "registry").status == 0
    statements, number = TAMPERING[how]
    tampered(statements)

    found = cli("audit", "verify", "--service", "registry", "--json")
    shown = cli("audit", "verify", "--service", "registry")

    assert found.status == shown.status == 1
    assert found.json["registry"]["problem"]["number"] == number
    assert f"entry {number} " in shown.out


def test_a_tail_that_was_cut_off_is_found_by_a_head_that_was_noted(deployed, cli, tampered, tmp_path):
    deployed.client.projects.create("tail")
    heads = tmp_path / "heads.json"
    assert cli("audit", "verify", "--note", heads).status == 0
    count = deployed.client.audit.verify("registry").count
    tampered([f"DELETE FROM audit_entries WHERE number > {count - 2}"])

    assert cli("audit", "verify", "--service", "registry").status == 0
    found = cli("audit", "verify", "--since", heads, "--note", heads, "--json")
    assert found.status == 1
    assert found.json["registry"]["problem"]["number"] == count - 1
    assert json.loads(heads.read_text())["registry"].startswith(f"{count}:")
