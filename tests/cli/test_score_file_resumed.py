"""`gnomon score-file`: what happens to a job that is stopped, killed or given again."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gnomon.cli import bulk
from gnomon.cli.score_file import Pace
from gnomon.errors import ServiceUnavailableError
from tests.cli.score_files import TONE, read_jsonl, write_jsonl


@pytest.fixture(autouse=True)
def tone(fake):
    """The metric that the tests score with."""
    fake.metrics[TONE.name] = TONE


def stopped_after(monkeypatch, rows, error):
    """Let the next job end with an error after so many rows."""
    before = bulk.cells_of
    count = 0

    def cells_of(outcomes):
        nonlocal count
        count += 1
        if count > rows:
            monkeypatch.setattr(bulk, "cells_of", before)
            raise error
        return before(outcomes)

    monkeypatch.setattr(bulk, "cells_of", cells_of)


def test_a_job_that_is_stopped_goes_on_with_its_versions_and_ends_the_same(
    gnomon, fake, tmp_path, monkeypatch
):
    source = write_jsonl(tmp_path / "in.jsonl", 300)
    gnomon("score-file", "tone", source, tmp_path / "whole.jsonl")
    stopped_after(monkeypatch, 123, KeyboardInterrupt())
    target = tmp_path / "out.jsonl"

    ran = gnomon("score-file", "tone", source, target)
    assert ran.status == 130
    assert "Stopped after 123 rows. Give the same command again" in ran.err
    assert not target.exists()
    with (tmp_path / "out.jsonl.parts" / "scores.jsonl").open("ab") as scores:
        scores.write(b'{"tone.label": "tr')  # as a process leaves it that is killed while it writes
    fake.score_requests.clear()
    ran = gnomon("score-file", "tone", source, target, "--json")

    assert ran.status == 0
    assert (ran.json["rows"], ran.json["rows_before"]) == (300, 123)
    assert ran.json["metrics"]["tone"]["labels"] == {"false": 200, "true": 100}
    assert target.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert sum(len(request.instances) for request in fake.score_requests) == 300 - 123
    assert not (tmp_path / "out.jsonl.parts").exists()


def test_the_versions_of_the_first_start_are_kept_when_the_alias_moves(gnomon, tmp_path, monkeypatch):
    source, target = write_jsonl(tmp_path / "in.jsonl", 60), tmp_path / "out.jsonl"
    stopped_after(monkeypatch, 20, ServiceUnavailableError("Away."))
    assert gnomon("score-file", "tone", source, target).status == 1
    job = json.loads((tmp_path / "out.jsonl.parts" / "job.json").read_text())
    job["versions"]["tone"] = "metrics/tone/versions/2"  # what the alias meant then; now it is 3
    (tmp_path / "out.jsonl.parts" / "job.json").write_text(json.dumps(job))

    gnomon("score-file", "tone", source, target)

    assert {row["tone.version"] for row in read_jsonl(target)[20:]} == {"metrics/tone/versions/2"}


@pytest.mark.parametrize("change", ["file", "metrics", "columns"])
def test_scores_of_another_job_are_refused_until_they_are_to_be_forgotten(
    gnomon, fake, tmp_path, monkeypatch, change
):
    source, target = write_jsonl(tmp_path / "in.jsonl", 60), tmp_path / "out.jsonl"
    stopped_after(monkeypatch, 20, ServiceUnavailableError("Away."))
    gnomon("score-file", "tone", source, target)
    words = ["score-file", "tone", source, target]
    if change == "file":
        write_jsonl(source, 59)
    elif change == "metrics":
        words.insert(2, "tone@2")
    else:
        words += ["--column", "id=input"]

    ran = gnomon(*words)
    assert ran.status == 1
    assert "holds the scores of another job" in ran.err
    assert "--restart" in ran.err
    assert (tmp_path / "out.jsonl.parts" / "scores.jsonl").exists()

    ran = gnomon(*words, "--restart", "--json")
    assert ran.status == 0
    assert ran.json["rows"] == (59 if change == "file" else 60)
    assert ran.json["rows_before"] == 0


def test_two_names_of_one_version_are_scored_once_and_written_twice(gnomon, fake, tmp_path):
    source, target = write_jsonl(tmp_path / "in.jsonl", 5), tmp_path / "out.jsonl"

    gnomon("score-file", "tone", "tone@3", source, target)

    rows = read_jsonl(target)
    assert [row["tone@3.label"] for row in rows] == [row["tone.label"] for row in rows]


@pytest.mark.slow
def test_a_killed_job_ends_the_same_when_it_is_started_again(gnomon, running, fake, tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", 20_000)
    gnomon("score-file", "tone", source, tmp_path / "whole.parquet")
    target = tmp_path / "out.parquet"
    scores = tmp_path / "out.parquet.parts" / "scores.jsonl"
    words = ["score-file", "tone", str(source), str(target), "--json"]
    code = "from gnomon.cli.main import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, *words]
    for share in (0.2, 0.6):
        process = subprocess.Popen(command, env=os.environ, start_new_session=True)
        until = time.monotonic() + 60
        while not (scores.exists() and scores.stat().st_size > share * 20_000 * 120):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not target.exists()

    ran = gnomon(*words)

    assert ran.status == 0
    assert ran.json["rows_before"] > 5_000
    assert target.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.parquet", "whole.parquet"]


def test_two_processes_never_write_one_target(gnomon, tmp_path):
    source, target = write_jsonl(tmp_path / "in.jsonl", 5), tmp_path / "out.jsonl"
    with bulk.Journal(target):
        ran = gnomon("score-file", "tone", source, target)
        assert ran.status == 1
        assert "Another process writes" in ran.err


def test_the_pace_is_counted_from_the_first_rows_of_this_process():
    now = 0.0
    pace = Pace(lambda: now)
    assert pace.of(1000, 0.5) == (0.0, None)
    now = 2.0
    assert pace.of(1400, 0.6) == (200.0, pytest.approx(8.0))
