"""One deployment of real processes, and one real evaluator, for all tests of the main job."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import gnomon
from gnomon import local
from gnomon.local import ServiceProcess
from gnomon.v1 import resources_pb2 as pb
from tests.e2e.deployment import QUICK, client_of, make_metric, upload_example


@dataclass(frozen=True)
class Deployed:
    services: dict[str, ServiceProcess]
    client: gnomon.Client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "trained" in getattr(item, "fixturenames", ()):  # the training alone takes a minute or more
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    services = local.deployment(tmp_path_factory.mktemp("gnomon"))
    # The report is of the reference format. Others differ from it, within what their gates allow.
    scorer = services["scorer"]
    scorer.environment = {**scorer.environment, "GNOMON_SCORER_FORMAT": "onnx-fp32"}
    try:
        local.start(services)
        with client_of(services) as client:
            yield Deployed(services, client)
    finally:
        local.stop(services)


@pytest.fixture(scope="session")
def trained(deployed: Deployed) -> pb.Run:
    """A run that fine-tuned the embedded base model and registered version 1 of `commitment`."""
    client = deployed.client
    client.projects.create("e2e")
    make_metric(client)
    upload_example(client)
    operation = client.runs.create(
        "e2e", metric="commitment", training_set="train", test_set="test", run_id="first", **QUICK
    )
    run: pb.Run = operation.result(timeout_s=800)
    client.aliases.set("commitment", "production", run.metric_version)
    return run


@pytest.fixture(scope="session")
def bundle(deployed: Deployed, trained: pb.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of version 1."""
    folder = tmp_path_factory.mktemp("bundle") / "v1"
    deployed.client.versions.download(trained.metric_version, folder)
    return folder
