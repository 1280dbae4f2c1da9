"""A backup of services at work, restored elsewhere: all that is listed is there, and whole."""

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import gnomon
from gnomon import local
from gnomon.cli.main import main
from gnomon.local import ServiceProcess
from gnomon.v1 import resources_pb2 as pb
from tests.e2e.deployment import client_of
from tests.postgres import PostgresServer
from tests.registry import bundles

_ROWS = [{"input": "Hello?", "output": f"Answer {n}", "label": n % 2 == 0} for n in range(6)]


class Writer(threading.Thread):
    """Publishes versions and uploads datasets until it is told to stop."""

    def __init__(self, client: gnomon.Client, folder: Path) -> None:
        super().__init__()
        self._client, self._folder = client, folder
        self._ending = threading.Event()
        self.error: Exception | None = None
        self.count = 0

    def run(self) -> None:
        try:
            while not self._ending.is_set():
                self.once()
                self._ending.wait(0.3)  # leaves the processor to the backup
        except Exception as error:
            self.error = error

    def once(self) -> None:
        self.count += 1
        folder = self._folder / f"bundle-{self.count}"
        folder.mkdir(parents=True)
        for path, content in bundles.files("tox", salt=f"salt {self.count}").items():
            (folder / path).write_bytes(content)
        self._client.versions.create("tox", folder)
        rows = [*_ROWS, {"input": "?", "output": f"of {self.count}", "label": True}]
        self._client.datasets.upload("rows", pd.DataFrame(rows), metric="tox")

    def end(self) -> None:
        self._ending.set()
        self.join(60)


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Variables of empty databases to restore into: SQLite's are those below the home."""
    if request.param == "sqlite":
        yield {}
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    yield {name: server.database() for name in ("registry", "trainer")}


def services_of(home: Path, urls: dict[str, str]) -> dict[str, ServiceProcess]:
    services = {name: process for name, process in local.deployment(home).items() if name != "scorer"}
    services["trainer"].environment = {**services["trainer"].environment, "GNOMON_TRAINER_WORKERS": "0"}
    for name, url in urls.items():
        variable = f"GNOMON_{name.upper()}_DATABASE_URL"
        services[name].environment = {**services[name].environment, variable: url}
    return services


def start(services: dict[str, ServiceProcess]) -> None:
    address = services["registry"].start()
    environment = {**services["trainer"].environment, "GNOMON_TRAINER_REGISTRY_ADDRESS": address}
    services["trainer"].environment = environment
    services["trainer"].start()


def restore(backup: Path, services: dict[str, ServiceProcess], monkeypatch: pytest.MonkeyPatch) -> int:
    for process in services.values():
        for name, value in process.environment.items():
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("GNOMON_HOME", raising=False)
    return main(["restore", str(backup), "--json"])


@pytest.mark.slow
@pytest.mark.long
def test_a_backup_under_writes_restores_all_that_it_lists(
    tmp_path: Path,
    target: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    services = services_of(tmp_path / "home", {})
    try:
        start(services)
        with client_of(services) as client:
            client.metrics.create("tox", output_type="boolean", input_shape="output")
            writer = Writer(client, tmp_path)
            writer.once()
            writer.once()
            client.aliases.set("tox", "production", 2)
            writer.start()
            status = main(["backup", str(tmp_path / "backup"), "--home", str(tmp_path / "home"), "--json"])
            writer.end()
            assert writer.error is None
            assert status == 0
    finally:
        local.stop(services)
    told = json.loads(capfd.readouterr().out)

    elsewhere = services_of(tmp_path / "elsewhere", target)
    assert restore(tmp_path / "backup", elsewhere, monkeypatch) == 0
    assert restore(tmp_path / "backup", elsewhere, monkeypatch) == 1, "nothing may be overwritten"
    assert "not empty" in capfd.readouterr().err
    try:
        start(elsewhere)
        with client_of(elsewhere) as client:
            versions = list(client.versions.list("tox"))
            check_versions(client, versions, tmp_path)
            check_datasets(client, told["trainer"]["datasets"])
            assert client.aliases.get("tox@production").metric_version == "metrics/tox/versions/2"
            Writer(client, tmp_path / "more").once()
            numbers = [int(v.name.rpartition("/")[2]) for v in client.versions.list("tox")]
    finally:
        local.stop(elsewhere)

    assert len(versions) == told["registry"]["versions"] >= 2
    assert numbers == list(range(len(versions) + 1, 0, -1))


def check_versions(client: gnomon.Client, versions: list[pb.MetricVersion], folder: Path) -> None:
    for version in versions:
        place = folder / "downloads" / version.name
        client.versions.download(version, place)  # checks every digest
        for file in version.bundle.files:
            assert hashlib.sha256((place / file.path).read_bytes()).hexdigest() == file.sha256


def check_datasets(client: gnomon.Client, count: int) -> None:
    for number in range(1, count + 1):
        rows = client.datasets.rows(f"rows@{number}")
        assert rows[-1]["output"] == f"of {number}"
        assert len(rows) == 7
