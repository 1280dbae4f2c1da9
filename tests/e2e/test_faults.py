"""Processes that are killed, stopped or away while the main job runs."""

import contextlib
import os
import random
import signal
import sys
import threading
import time

import psutil
import pytest

from gnomon import errors, local
from gnomon.v1 import resources_pb2 as pb
from tests.e2e.deployment import QUICK, client_of, make_metric, upload_example


@pytest.fixture
def services(tmp_path):
    """A deployment of the test's own, with a short lease."""
    services = local.deployment(tmp_path)
    services["trainer"].environment = dict(services["trainer"].environment) | {"GNOMON_TRAINER_LEASE_S": "3"}
    try:
        local.start(services)
        yield services
    finally:
        local.stop(services)


def workers(services):
    trainer = psutil.Process(services["trainer"].process.pid)
    return [child for child in trainer.children() if "gnomon_trainer.worker" in " ".join(child.cmdline())]


def launch(client):
    client.projects.create("faults")
    make_metric(client)
    upload_example(client)
    return client.runs.create(
        "faults", metric="commitment", training_set="train", test_set="test", run_id="run", **QUICK
    )


def wait_for(condition, timeout_s=120.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def stage_of(client):
    return client.runs.get("faults/run").progress.stage


@pytest.mark.slow
@pytest.mark.parametrize(
    "victim",
    ["trainer", *(pytest.param(name, marks=pytest.mark.long) for name in ("registry", "scorer", "worker"))],
)
def test_a_run_ends_although_a_process_is_killed_in_the_middle(services, victim):
    with client_of(services) as client:
        operation = launch(client)
        wait_for(lambda: stage_of(client) >= pb.RunProgress.FINE_TUNING)
        time.sleep(random.uniform(0, 2))
        if victim == "worker":
            workers(services)[0].send_signal(signal.SIGKILL)
        else:
            services[victim].kill()
            services[victim].start()
        run = operation.result(timeout_s=800)
        versions = [version.name for version in client.versions.list("commitment")]
        client.aliases.set("commitment", "production", run.metric_version)
        score = client.score("commitment", input="Refund?", output="Done, it is on your card.")

    assert run.state == pb.Run.REGISTERED
    assert versions == [run.metric_version] == ["metrics/commitment/versions/1"]
    assert score.metric_version == run.metric_version


@pytest.mark.slow
@pytest.mark.long
def test_a_worker_that_was_stopped_past_its_lease_publishes_nothing(services):
    with client_of(services) as client:
        operation = launch(client)
        wait_for(lambda: stage_of(client) >= pb.RunProgress.FINE_TUNING)
        [sleeper] = workers(services)
        sleeper.suspend()
        services["trainer"].environment = dict(services["trainer"].environment) | {
            "GNOMON_TRAINER_WORKERS": "1"
        }
        second = start_worker(services)
        try:
            wait_for(lambda: client.runs.get("faults/run").attempts == 2)
            sleeper.resume()
            run = operation.result(timeout_s=800)
        finally:
            second.terminate()
            second.wait(20)
        versions = [version.name for version in client.versions.list("commitment")]

    assert run.state == pb.Run.REGISTERED
    assert versions == ["metrics/commitment/versions/1"]


def start_worker(services):
    """Start a second worker beside the trainer's own."""
    trainer = services["trainer"]
    settings = {
        "GNOMON_TRAINER_PARENT_PID": str(os.getpid()),
        "GNOMON_TRAINER_REGISTRY_ADDRESS": services["registry"].address,
    }
    with trainer.log_path.open("ab") as log:
        return psutil.Popen(
            [sys.executable, "-m", "gnomon_trainer.worker"],
            env=os.environ | dict(trainer.environment) | settings,
            stdout=log,
            stderr=log,
        )


def test_a_scorer_keeps_scoring_while_the_registry_is_away(deployed, trained):
    registry = deployed.services["registry"]
    text = {"input": "Is it free?", "output": "It is, and you will get it on Monday."}
    before = deployed.client.score("commitment", **text)
    registry.kill()
    try:
        during = deployed.client.score("commitment", **text)
    finally:
        registry.start()

    assert (during.metric_version, during.label) == (before.metric_version, before.label)


@contextlib.contextmanager
def under_load(services, metric, callers=4):
    """Score all the time from several threads; yield the lists of the scores and of the failures."""
    scores, failures = [], []
    stop = threading.Event()

    def call():
        with client_of(services) as client:
            while not stop.is_set():
                try:
                    scores.append(client.score(metric, input="Refund?", output="Tomorrow, for sure."))
                except errors.GnomonError as error:
                    failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield scores, failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_killed_scorer_makes_its_callers_wait_and_not_fail(deployed, trained):
    scorer = deployed.services["scorer"]
    with under_load(deployed.services, "commitment") as (scores, failures):
        wait_for(lambda: len(scores) > 20)
        scorer.kill()
        scorer.start()
        done = len(scores)
        wait_for(lambda: len(scores) > done + 20)

    assert failures == []


@pytest.mark.slow
def test_an_alias_moves_under_load_without_a_failed_call(deployed, trained, bundle):
    client = deployed.client
    client.metrics.create("moving", output_type="boolean", input_shape="input_output")
    folder = renamed(bundle, "moving")
    names = [client.versions.create("moving", folder, description=text).name for text in ("a", "b")]
    client.aliases.set("moving", "production", names[0])
    wait_for(lambda: is_served(client, "moving", names[0]))
    with under_load(deployed.services, "moving") as (scores, failures):
        for move in range(1, 21):
            client.aliases.set("moving", "production", names[move % 2])
            wait_for(lambda want=names[move % 2]: scores and scores[-1].metric_version == want)

    assert failures == []
    assert {score.metric_version for score in scores} == set(names)


def is_served(client, metric, version):
    return client.score(metric, input="a", output="b").metric_version == version


def renamed(bundle, metric):
    """Return a copy of a bundle for another metric of the same kind."""
    folder = bundle.parent / metric
    folder.mkdir()
    for file in bundle.iterdir():
        content = file.read_bytes()
        if file.name == "evaluator.json":
            content = content.replace(b"metrics/commitment", f"metrics/{metric}".encode())
        (folder / file.name).write_bytes(content)
    return folder


def test_an_altered_artifact_is_never_served(deployed, trained, bundle):
    client = deployed.client
    client.metrics.create("altered", output_type="boolean", input_shape="input_output")
    folder = renamed(bundle, "altered")
    (folder / "extra.txt").write_text("only here")
    version = client.versions.create("altered", folder)
    sha256 = next(file.sha256 for file in version.bundle.files if file.path == "extra.txt")
    artifacts = deployed.services["registry"].home / "registry" / "artifacts"
    [stored] = [path for path in artifacts.rglob(f"{sha256}*") if path.is_file()]
    stored.write_bytes(b"altered..")

    with pytest.raises((errors.ArtifactCorruptError, errors.VersionUnloadableError)):
        client.score(version.name, input="a", output="b")
    assert client.score("commitment", input="a", output="b").metric_version.startswith("metrics/commitment/")
