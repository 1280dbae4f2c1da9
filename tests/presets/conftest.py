"""A real registry, and a command line that speaks with it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import gnomon
from gnomon.cli.main import main
from gnomon.local import ServiceProcess


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("registry")
    environment = {
        "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{folder / 'registry.db'}",
        "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{folder / 'artifacts'}",
    }
    process = ServiceProcess("registry", folder / "home", environment)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def client(process: ServiceProcess) -> Iterator[gnomon.Client]:
    """A client of a registry without metrics."""
    with gnomon.Client(registry=process.address) as client:
        yield client
        for metric in list(client.metrics.list()):
            client.metrics.delete(metric.name)


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(
    client: gnomon.Client,
    process: ServiceProcess,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Ran]:
    """Run `gnomon metrics …`."""
    monkeypatch.setenv("GNOMON_REGISTRY_ADDRESS", process.address)

    def call(*words: str) -> Ran:
        status = main(["metrics", *words])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return call
