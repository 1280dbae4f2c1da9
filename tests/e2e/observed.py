"""A deployment that tells all it can: logs at debug, spans and events to a collector, pages."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gnomon import AsyncClient, local
from gnomon.local import ServiceProcess
from tests.rpc.telemetry_collector import Collector, collecting
from tests.rpc.telemetry_pages import read_text


@dataclass
class Observed:
    home: Path
    services: Mapping[str, ServiceProcess]
    collector: Collector
    kept: dict[str, str] = field(default_factory=dict)  # pages, as they were last

    @property
    def addresses(self) -> dict[str, str]:
        return {name: service.address for name, service in self.services.items()}

    @property
    def logs(self) -> str:
        return "\n".join(service.log_path.read_text() for service in self.services.values())

    @property
    def spans(self) -> list[Any]:
        return self.collector.spans()

    async def look(self) -> None:
        for name, service in self.services.items():
            log = service.log_path.read_text().splitlines()
            lines = [json.loads(line) for line in log if line.startswith("{")]
            page = next(line["address"] for line in lines if line["event"] == "serving metrics")
            self.kept[name] = await read_text(page)

    def client(self, **options: Any) -> AsyncClient:
        return AsyncClient(**self.addresses, **options)


@contextlib.asynccontextmanager
async def observed(home: Path, **environment: str) -> AsyncIterator[Observed]:
    services = local.deployment(home)
    with collecting() as collector:
        for name, service in services.items():
            service.environment = {
                **service.environment,
                f"GNOMON_{name.upper()}_METRICS_LISTEN": "127.0.0.1:0",
                f"GNOMON_{name.upper()}_LOG_LEVEL": "debug",
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.address}",
                **environment,
            }
        try:
            await asyncio.to_thread(local.start, services)
            yield Observed(home, services, collector)
        finally:
            await asyncio.to_thread(local.stop, services)


@contextlib.contextmanager
def fake_training(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let trainers that are started be real ones whose workers learn nothing."""
    start = subprocess.Popen

    def started(command: list[str], **options: Any) -> Any:
        if command[-1] == "gnomon_trainer":
            command = [sys.executable, "-m", "tests.trainer.trainer_with_fake_worker"]
        return start(command, **options)

    with monkeypatch.context() as patch:
        patch.setattr(local.subprocess, "Popen", started)
        yield
