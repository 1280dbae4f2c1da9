"""A registry and scorers as real processes."""

import contextlib
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from gnomon import Client
from gnomon.errors import GnomonError, VersionUnloadableError
from gnomon.local import ServiceProcess
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer_pb
from gnomon.v1 import scorer_service_pb2_grpc as stubs

_START_S = 120.0
NO_CACHE = {"GNOMON_SCORER_CACHE_BYTES": "0"}  # an answer from memory would not be a measurement


class Site:
    """`environment` is the scorer's, beside addresses and folders."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.environment = NO_CACHE | dict(environment or {})
        data = home / "registry"
        self.registry = ServiceProcess(
            "registry",
            home,
            {
                "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{data / 'registry.db'}",
                "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{data / 'artifacts'}",
            },
        )
        self.scorer = ServiceProcess("scorer", home)
        self._client: Client | None = None

    def __enter__(self) -> Self:
        try:
            self.registry.start(_START_S)
            self.restart()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._client is not None:
            self._client.close()
        self.scorer.stop()
        self.registry.stop()

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    @property
    def pid(self) -> int:
        assert self.scorer.process is not None
        return self.scorer.process.pid

    def restart(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the scorer anew, with more settings if there are any."""
        if self._client is not None:
            self._client.close()
        self.scorer.stop()
        self.scorer.environment = self.settings(environment)
        self.scorer.start(_START_S)
        self.scorer.wait_until_ready(_START_S)
        self._client = Client(registry=self.registry.address, scorer=self.scorer.address)

    def settings(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return (
            self.environment
            | {
                "GNOMON_SCORER_REGISTRY_ADDRESS": self.registry.address,
                "GNOMON_SCORER_CACHE_DIR": str(self.home / "bundles"),
            }
            | dict(more or {})
        )

    def publish(self, metric: str, folder: Path, classes: tuple[str, ...], flagged: tuple[str, ...]) -> str:
        """Register a bundle as the next version of a metric of single texts; return its short name."""
        entries = [{"label": label, "flagged": label in flagged} for label in classes]
        with contextlib.suppress(GnomonError):  # it is there already
            self.client.metrics.create(metric, output_type="boolean", input_shape="input", classes=entries)
        version = self.client.versions.create(metric, folder)
        return f"{metric}@{version.name.rpartition('/')[2]}"

    def wait_until_scored(
        self, version: str, address: str | None = None, timeout_s: float = 300.0
    ) -> pb.Score:
        """Score one text as soon as that is possible; a first load is measured, and takes its time."""
        until = time.monotonic() + timeout_s
        with Client(registry=self.registry.address, scorer=address or self.scorer.address) as client:
            while True:
                try:
                    return client.score(version, input="Is it ready?")
                except GnomonError as error:
                    if isinstance(error, VersionUnloadableError) or time.monotonic() > until:
                        raise
                    time.sleep(0.2)

    def loaded(self) -> dict[str, scorer_pb.LoadedVersion]:
        """Return what the scorer says of its versions, by short name."""
        with grpc.insecure_channel(self.scorer.address) as channel:
            request = scorer_pb.ListLoadedVersionsRequest(page_size=1000)
            answer: Any = stubs.ScorerServiceStub(channel).ListLoadedVersions(request)
        parts = ((v.metric_version.split("/"), v) for v in answer.loaded_versions)
        return {f"{part[1]}@{part[3]}": version for part, version in parts}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
