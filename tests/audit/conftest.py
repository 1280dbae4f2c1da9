"""A registry and a trainer of real processes, for all tests of this folder that want them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import gnomon
from gnomon import local
from gnomon.cli.main import main
from gnomon.local import ServiceProcess


@dataclass(frozen=True)
class Deployed:
    home: Path
    services: dict[str, ServiceProcess]
    client: gnomon.Client

    def database(self, service: str) -> Path:
        (found,) = self.home.rglob(f"{service}.db")
        return found


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    home = tmp_path_factory.mktemp("gnomon")
    whole = local.deployment(home)
    services = {name: whole[name] for name in ("registry", "trainer")}
    try:
        services["registry"].start()
        trainer = services["trainer"]
        told = {"REGISTRY_ADDRESS": services["registry"].address, "WORKERS": "0"}
        trainer.environment = {
            **trainer.environment,
            **{f"GNOMON_TRAINER_{key}": value for key, value in told.items()},
        }
        trainer.start()
        addresses = {name: service.address for name, service in services.items()}
        with gnomon.Client(**addresses) as client:
            yield Deployed(home, services, client)
    finally:
        local.stop(services)


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def cli(deployed, monkeypatch, capsys):
    """Run one command line against the deployment."""
    for name, service in deployed.services.items():
        monkeypatch.setenv(f"GNOMON_{name.upper()}_ADDRESS", service.address)

    def run(*words):
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run
