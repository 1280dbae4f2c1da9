import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gnomon.instances import text_span
from loadtests.command import main
from loadtests.objective import parse
from loadtests.open_loop import Sample
from loadtests.processes import Called, Plan, run_in_processes
from loadtests.report import Report
from loadtests.target import Answer, score_requests
from loadtests.verdict import judge, measure, phases, profile

OBJECTIVE = """
average_qps = 20
peak_qps = 40
input_tokens = { mean = %s, p95 = %s }
p95_latency_ms = %s
deadline_ms = 2000
"""


FIELDS = {
    "name": "<mine>",
    "average_qps": 20,
    "peak_qps": 40,
    "input_tokens": {"mean": 9, "p95": 20},
    "p95_latency_ms": 50,
    "deadline_ms": 100,
}


def run(
    tmp_path: Path,
    address: str,
    *more: str,
    p95_ms: float = 1900,
    metric: str = "toxicity",
    mean_tokens: int = 12,
) -> int:
    objective, report = tmp_path / "mine.toml", tmp_path / "report.html"
    objective.write_text(OBJECTIVE % (mean_tokens, 2 * mean_tokens, p95_ms))
    load = ("--metric", metric, "--target", address, "--seconds", "1.5", "--lag-ms", "1000")
    return main([*load, "--objective", str(objective), "--report", str(report), *more])


def test_an_objective_that_is_met_ends_with_status_0_and_a_report_of_all_calls(
    tmp_path: Path, scorer_address: str
) -> None:
    assert run(tmp_path, scorer_address, "--processes", "2") == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "met"
    assert report["summary"]["count"] == report["summary"]["ok"] == 40
    assert sum(report["seconds"]["answered"]) == 40
    assert report["steps"]["inference"]["p95"] > 0
    assert 6 <= report["tokens"]["mean"] <= 24


def test_an_objective_that_is_missed_ends_with_status_1_and_says_which_demand(
    tmp_path: Path, scorer_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, scorer_address, p95_ms=0.001) == 1
    printed = capsys.readouterr().out
    assert re.search(r"MISSED: p95 latency [\d.]+ ms, at most 0.001 ms asked", printed)
    assert "met: peak QPS" in printed
    assert "missed" in (tmp_path / "report.html").read_text()


def test_inputs_longer_than_the_evaluator_reads_were_not_as_asked(
    tmp_path: Path, scorer_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, scorer_address, mean_tokens=400) == 1
    printed = capsys.readouterr().out
    assert re.search(r"MISSED: mean input tokens off by [\d.]+ %, at most 15 % asked", printed)
    assert printed.count("MISSED") == 1


def test_calls_are_told_with_the_very_times_of_their_plan(scorer_address: str) -> None:
    times = profile(phases(parse(FIELDS, ""), 0.7), 1, "constant")
    request = score_requests("toxicity", [text_span(input="a", output="b")])[0]
    calls = run_in_processes(Plan(scorer_address, [request] * len(times), times, "online", 5.0), 1)
    assert [one.sample.intended_s for one in calls] == times


def test_a_generator_that_was_late_proves_nothing(
    tmp_path: Path, scorer_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, scorer_address, "--lag-ms", "0.000001") == 2
    assert "The generator sent late" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "invalid"


def test_a_metric_that_is_not_there_ends_with_status_2_and_the_reason(
    tmp_path: Path, scorer_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, scorer_address, metric="unknown") == 2
    assert "unknown" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_the_module_runs_as_a_command(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "loadtests.open_loop",
        "--metric",
        "m",
        "--objective",
        str(tmp_path / "no"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be read" in done.stderr


def made_report(metric: str = "toxicity") -> Report:
    objective = parse(FIELDS | {"average_qps": 2, "peak_qps": 4}, "")
    parts = phases(objective, 6)
    answer = Answer("OK", 12, 0.1, 2.0, 5.0)
    codes = ("OK", "OK", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "OK")
    samples = [Sample(n * 1.0, n * 1.0, n + 0.02, code, "online", None) for n, code in enumerate(codes)]
    calls = [Called(one, answer if one.code == "OK" else None) for one in samples]
    return Report("host:1", metric, objective, judge(objective, measure(samples, parts, 0.0)), calls, None)


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_users_named(tmp_path: Path) -> None:
    made_report("<script>").write(tmp_path / "a" / "page.html")
    page = (tmp_path / "a" / "page.html").read_text()
    assert page.count("<svg") == 3
    assert not re.search(r"https?:|//|src=|href=|url\(|@import|<script", page)
    assert "&lt;mine&gt;" in page


def test_the_report_counts_by_second_and_by_outcome() -> None:
    report = made_report().as_json()
    seconds = report["seconds"]
    assert seconds["sent"] == [1, 1, 1, 1, 1]
    assert seconds["refused"] == [0, 0, 1, 0, 0]
    assert seconds["failed"] == [0, 0, 0, 1, 0]
    assert seconds["p99_ms"][2] is None
    assert seconds["queue_p95_ms"] == [2.0, 2.0, None, None, 2.0]
    assert report["by_input_length"]["1-32 tokens"]["count"] == 3
    assert report["verdict"] == "missed"
    json.dumps(report)
