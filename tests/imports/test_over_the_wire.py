"""Malicious bundles, sent straight over gRPC to a real registry in a process of its own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from gnomon.errors import BundleInvalidError
from gnomon.local import ServiceProcess
from gnomon.status import from_status
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import registry_service_pb2_grpc, resources_pb2
from tests.imports import malicious, watching
from tests.imports.good import Contents, good
from tests.registry.running import BOOLEAN, upload_messages, version_request


@dataclass
class Wire:
    """A registry, called as an attacker would call it: without the SDK."""

    stub: Any
    process: watching.Watched
    log: Path
    folder: Path

    def send(self, contents: Contents) -> resources_pb2.MetricVersion:
        for content in contents.values():
            self.stub.UploadBlob(iter(upload_messages(content, part=1 << 20)))
        request = version_request(contents, "toxicity")
        self.process.begin()
        try:
            return self.stub.CreateMetricVersion(request)
        except grpc.RpcError as error:
            raise from_status(rpc_status.from_call(error)) from error

    def versions(self) -> int:
        request = rpc.ListMetricVersionsRequest(parent="metrics/toxicity")
        return len(self.stub.ListMetricVersions(request).metric_versions)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    folder = tmp_path_factory.mktemp("registry")
    log = folder / "audit.jsonl"
    environment = {
        "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{folder / 'registry.db'}",
        "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{folder / 'artifacts'}",
        **watching.audited(log),
    }
    registry = ServiceProcess("registry", folder / "home", environment)
    registry.start()
    assert registry.process is not None
    try:
        with grpc.insecure_channel(registry.address) as channel:
            stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
            metric = resources_pb2.Metric(**BOOLEAN)
            stub.CreateMetric(rpc.CreateMetricRequest(metric_id="toxicity", metric=metric))
            wire = Wire(stub, watching.Watched(registry.process.pid), log, folder)
            wire.send(good())  # whatever is imported late is there now
            yield wire
    finally:
        registry.kill()


@pytest.mark.parametrize("name", malicious.CASES)
def test_a_malicious_bundle_is_refused_quickly_in_little_memory_and_leaves_nothing(
    wire: Wire, name: str
) -> None:
    case, before, told = malicious.CASES[name], wire.versions(), len(watching.told(wire.log))

    with pytest.raises(BundleInvalidError) as caught:
        wire.send(case.make())

    used, peak = wire.process.processor_s, wire.process.peak_bytes
    with (wire.folder / "measured.jsonl").open("a") as file:  # for those who want the figures
        file.write(json.dumps({"name": name, "processor_s": used, "peak_bytes": peak}) + "\n")
    assert (caught.value.metadata["rule"], caught.value.metadata["path"]) == (case.rule, case.path)
    assert case.path in caught.value.message
    assert used < watching.MOST_PROCESSOR_S
    assert peak < watching.MOST_MEMORY_BYTES
    assert watching.outside(wire.log, wire.folder, since=told) == []
    assert wire.versions() == before


def test_the_watch_sees_what_it_must_see(wire: Wire) -> None:
    """Without this the tests above would pass if nothing were told at all."""
    told = len(watching.told(wire.log))
    made = wire.send(good(seed=5))
    assert made.name.startswith("metrics/toxicity/versions/")
    writes = watching.told(wire.log)[told:]
    assert any("manifests" in str(path) for entry in writes for path in entry["paths"])  # type: ignore[attr-defined]
    assert watching.outside(wire.log, Path("/nowhere"), since=told)


def test_there_are_at_least_forty_kinds(wire: Wire) -> None:
    assert len(malicious.CASES) >= 40
