"""Registry and trainer on a real PostgreSQL server, which crashes while they work."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import gnomon
from gnomon import local
from gnomon.local import ServiceProcess
from gnomon.v1 import resources_pb2 as pb
from tests.e2e.deployment import QUICK, client_of, make_metric, upload_example
from tests.postgres import PostgresServer

_RESTARTS_IN_TRAINING = 4
_MOST_RESTARTS = 60


@pytest.fixture
def services(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[dict[str, ServiceProcess]]:
    """A deployment whose registry and trainer have a database each on one server."""
    services = local.deployment(tmp_path)
    for name in ("registry", "trainer"):
        variable = f"GNOMON_{name.upper()}_DATABASE_URL"
        services[name].environment = dict(services[name].environment) | {variable: postgres_server.database()}
    try:
        local.start(services)
        yield services
    finally:
        local.stop(services)


class Caller(threading.Thread):
    """Makes projects and versions of a dataset, one call after the other, until it is told to stop."""

    def __init__(self, client: gnomon.Client) -> None:
        super().__init__()
        self._client = client
        self._ending = threading.Event()
        self.projects: list[str] = []
        self.datasets: list[str] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self._ending.is_set():
                number = len(self.projects)
                self._client.projects.create(f"p-{number:05d}")
                self.projects.append(f"projects/p-{number:05d}")
                rows = [
                    {"input": "Hello?", "output": f"Answer {number}.{n}", "label": n % 2 == 0}
                    for n in range(4)
                ]
                uploaded = self._client.datasets.upload("growing", pd.DataFrame(rows), metric="commitment")
                self.datasets.append(uploaded.dataset.name)
                self._ending.wait(0.1)  # leaves the processor to the run
        except Exception as error:
            self.error = error

    def end(self) -> None:
        self._ending.set()
        self.join(60)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_server_that_crashes_again_and_again_costs_no_call_and_no_run(
    services: dict[str, ServiceProcess], postgres_server: PostgresServer
) -> None:
    with client_of(services, timeout_s=60.0) as client:
        client.projects.create("e2e")
        make_metric(client)
        upload_example(client)
        operation = client.runs.create(
            "e2e", metric="commitment", training_set="train", test_set="test", run_id="first", **QUICK
        )
        caller = Caller(client)
        caller.start()
        crashed_in: list[pb.Run.State] = []
        while crashed_in.count(pb.Run.TRAINING) < _RESTARTS_IN_TRAINING and len(crashed_in) < _MOST_RESTARTS:
            time.sleep(1.0)
            crashed_in.append(client.runs.get("e2e/first").state)
            postgres_server.restart()
        caller.end()
        assert caller.error is None
        run = operation.result(timeout_s=600)

        assert run.state == pb.Run.REGISTERED
        assert run.metric_version == "metrics/commitment/versions/1"
        client.aliases.set("commitment", "production", run.metric_version)
        versions = list(client.versions.list("commitment"))
        listed = [project.name for project in client.projects.list()]

    assert [version.name for version in versions] == ["metrics/commitment/versions/1"]
    assert listed == ["projects/e2e", *caller.projects]
    assert caller.datasets == [f"datasets/growing@{n}" for n in range(1, len(caller.datasets) + 1)]
    assert len(caller.datasets) > 4
    assert crashed_in.count(pb.Run.TRAINING) == _RESTARTS_IN_TRAINING
