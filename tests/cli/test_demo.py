"""`gnomon demo`: its steps against services that answer from memory, and once for real."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from gnomon import examples, local
from gnomon.v1 import resources_pb2 as pb

KEYS = {
    "metric_version", "baseline_macro_f1", "macro_f1", "macro_f1_low", "macro_f1_high", "ece",
    "export_max_logit_difference", "score_p50_ms", "score_p99_ms",
}  # fmt: skip
ENTRY_POINT = "import sys; from gnomon.cli.main import main; sys.exit(main())"

pytestmark = pytest.mark.skipif(
    not examples.load("commitment").training_set.is_file(), reason="the example's rows are not there"
)


@pytest.fixture
def deployed(running, monkeypatch, tmp_path):
    """Put the fake services in place of those that the demo starts; tell what it did with them."""
    told = []
    service = SimpleNamespace(
        service="trainer",
        environment={},
        address=running.address,
        log_tail=lambda lines: "the disk is full",
        kill_group=lambda: None,
    )

    def deployment(home):
        told.append("deployed")
        return dict.fromkeys(local.HEALTH_SERVICES, service)

    monkeypatch.setattr(local, "deployment", deployment)
    monkeypatch.setattr(local, "start", lambda services, timeout_s: told.append("started"))
    monkeypatch.setattr(local, "stop", lambda services: told.append("stopped"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return told


def test_the_last_line_is_one_json_object_with_the_figures_of_the_run(gnomon, fake, deployed, tmp_path):
    ran = gnomon("demo", "--json")

    figures = json.loads(ran.out.splitlines()[-1])
    assert ran.status == 0
    assert set(figures) >= KEYS
    assert figures["metric_version"] == "metrics/commitment/versions/1"
    assert figures["macro_f1"] == 0.91
    assert fake.aliases["metrics/commitment/aliases/production"].metric_version == figures["metric_version"]
    assert len(fake.score_requests) > figures["score_calls"] == 200
    assert deployed == ["deployed", "started", "stopped"]
    assert list(tmp_path.iterdir()) == []


def test_the_summary_is_for_people(gnomon, deployed):
    out = gnomon("demo").out

    assert "Registered and served metrics/commitment/versions/1." in out
    assert "over 200 single calls" in out


def test_a_failed_run_stops_all_shows_the_logs_and_ends_with_status_1(gnomon, fake, deployed, tmp_path):
    fake.run_ends_as = pb.Run.FAILED

    ran = gnomon("demo", "--json")

    assert ran.status == 1
    assert ran.json["error"]["message"] == "The run is FAILED: The disk went away."
    assert "the last lines of the trainer's log\nthe disk is full" in ran.err
    assert deployed[-1] == "stopped"
    assert list(tmp_path.iterdir()) == []


def test_on_request_the_folder_is_kept_and_named(gnomon, deployed, tmp_path):
    ran = gnomon("demo", "--keep")

    (folder,) = tmp_path.iterdir()
    assert f"gnomon up --home {folder / 'gnomon'}" in ran.err


def real_demo(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    return subprocess.Popen(
        [sys.executable, "-c", ENTRY_POINT, "demo", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_behind(tmp_path):
    """Return the processes that work below the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(tmp_path) in " ".join(process.environ().values()) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_demo_does_what_it_says_and_leaves_nothing_behind(tmp_path):
    process = real_demo(tmp_path)
    out, err = process.communicate(timeout=1780)

    assert process.returncode == 0, err
    figures = json.loads(out.splitlines()[-1])
    assert set(figures) >= KEYS
    assert figures["macro_f1_low"] <= figures["macro_f1"] <= figures["macro_f1_high"]
    assert figures["export_max_logit_difference"] <= 1e-4
    assert list(tmp_path.iterdir()) == []
    assert left_behind(tmp_path) == []


def test_a_demo_that_is_interrupted_leaves_nothing_behind(tmp_path):
    process = real_demo(tmp_path)
    deadline = time.monotonic() + 20
    while len(psutil.Process(process.pid).children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + 20
    while left_behind(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)  # a process that was told to end is there a moment longer
    assert left_behind(tmp_path) == []
