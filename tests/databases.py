"""Databases of the services for tests, on either engine."""

from pathlib import Path
from typing import Any

import pytest

from gnomon_registry.adapters.database import Database as RegistryDatabase
from gnomon_trainer.adapters.database import Database as TrainerDatabase
from tests.postgres import PostgresServer

ENGINES = ["sqlite", "postgresql"]


def registry_database(engine: str, request: pytest.FixtureRequest, folder: Path) -> RegistryDatabase:
    """Return a migrated database of the registry, which the caller closes."""
    return RegistryDatabase(_url(RegistryDatabase, "registry", engine, request, folder))


def trainer_database(engine: str, request: pytest.FixtureRequest, folder: Path) -> TrainerDatabase:
    """Return a migrated database of the trainer, which the caller closes."""
    return TrainerDatabase(_url(TrainerDatabase, "trainer", engine, request, folder))


def _url(make: Any, service: str, engine: str, request: pytest.FixtureRequest, folder: Path) -> str:
    def migrated(url: str) -> str:
        database = make(url)
        database.migrate()
        database.close()
        return url

    if engine == "sqlite":
        return migrated(f"sqlite:///{folder / service}.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.database(service, migrated)
    request.addfinalizer(lambda: server.drop(url))
    return url
