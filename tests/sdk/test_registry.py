"""The client against the real registry, in a process of its own."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gnomon
from gnomon import errors
from gnomon.bundle import MANIFEST_FILE, Calibration, Evaluator, Format, Threshold
from gnomon.instances import InputShape, OutputType, Step
from gnomon.local import ServiceProcess
from gnomon.v1 import registry_service_pb2 as pb
from tests.scorer.evaluators import onnx_model, tokenizer_json
from tests.sdk.serving import collected, connected

EVALUATOR = Evaluator(
    metric="metrics/tone",
    output_type=OutputType.CATEGORICAL,
    step=Step.LLM_SPAN,
    input_shape=InputShape.OUTPUT,
    classes=("kind", "rude"),
    flagged_classes=("rude",),
    template="output/1",
    max_tokens=128,
    calibration=Calibration(),
    threshold=Threshold(0.5),
    formats=(Format("onnx-fp32", "model.onnx"),),
)
_SIZE = 256 * 12_000
_HEADER = f'{{"weight": {{"dtype": "U8", "shape": [{_SIZE}], "data_offsets": [0, {_SIZE}]}}}}'.encode()
HEAD = len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(range(256)) * 12_000
TONE: Any = {
    "output_type": "categorical",
    "input_shape": "output",
    "classes": ["kind", {"label": "rude", "flagged": True, "rubric": "Hurts someone."}],
}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[ServiceProcess]:
    data = tmp_path / "data"
    environment = {
        "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{data / 'registry.db'}",
        "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{data / 'artifacts'}",
    }
    process = ServiceProcess("registry", tmp_path / "home", environment)
    process.start()
    yield process
    process.kill()


def write_bundle(folder: Path, evaluator: Evaluator = EVALUATOR) -> Path:
    folder.mkdir()
    (folder / "evaluator.json").write_text(evaluator.to_json())
    (folder / "tokenizer.json").write_bytes(tokenizer_json())
    (folder / "model.onnx").write_bytes(onnx_model())
    (folder / "head.safetensors").write_bytes(HEAD)  # three parts of an upload
    (folder / "report.json").write_text('{"test_rows": 10, "measures": [{"key": "macro_f1", "value": 0.5}]}')
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST_FILE}


def create_metric(client: gnomon.Client) -> None:
    client.metrics.create("tone", **TONE)


def test_a_version_is_registered_named_and_fetched(registry: ServiceProcess, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle")
    with gnomon.Client(registry=registry.address) as client:
        create_metric(client)
        version = client.versions.create("tone", folder, description="first")
        assert version.name == "metrics/tone/versions/1"
        assert client.aliases.set("tone", "production", 1, protected=True).protected
        assert client.versions.get("tone").name == version.name
        assert client.versions.compare("tone", "tone@1")[0].a_value == 0.5

        fetched = client.versions.download("tone", tmp_path / "fetched")
        assert fetched.bundle.digest == version.bundle.digest
        assert contents(tmp_path / "fetched") == contents(folder)

        second = client.versions.create(
            "tone", write_bundle(tmp_path / "b", replace(EVALUATOR, max_tokens=64))
        )
        with pytest.raises(errors.AliasProtectedError):
            client.aliases.set("tone", "production", 2)
        moved = client.aliases.set("tone", "production", second.name, allow_protected=True)
        assert (moved.metric_version, moved.protected) == (second.name, True)
        history = [event.new_metric_version for event in client.aliases.history("tone@production")]
        assert history == [second.name, version.name]
        assert [found.name for found in client.versions.list("tone")] == [second.name, version.name]
        with pytest.raises(errors.ResourceInUseError):
            client.versions.delete("tone@2")
        client.versions.delete("tone@1")
        client.versions.undelete("tone@1")


def test_the_same_request_gives_the_same_version(registry: ServiceProcess, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle")
    request_id = "7b1f2c3e-0000-4000-8000-000000000000"
    with gnomon.Client(registry=registry.address) as client:
        create_metric(client)
        names = {client.versions.create("tone", folder, request_id=request_id).name for _ in range(2)}
        assert names == {"metrics/tone/versions/1"}
        with pytest.raises(errors.RequestIdReusedError):
            client.versions.create("tone", folder, description="other", request_id=request_id)


def test_metrics_are_updated_field_by_field(registry: ServiceProcess) -> None:
    with gnomon.Client(registry=registry.address) as client:
        create_metric(client)
        metric = client.metrics.get("tone")
        metric.description = "How it sounds."
        client.metrics.update(metric, fields=["description"])
        with pytest.raises(errors.EtagMismatchError):
            client.metrics.update(metric, fields=["description"])
        assert client.metrics.get("tone").description == "How it sounds."


@pytest.mark.slow
async def test_kills_at_any_moment_are_seen_as_a_delay(
    kind: str, registry: ServiceProcess, tmp_path: Path
) -> None:
    """Versions are registered while the registry is killed and started again: each once, none twice."""
    kills = 3
    over = threading.Event()

    def kill_and_start() -> None:
        for number in range(kills):
            time.sleep(0.1 + 0.07 * number)
            registry.kill()
            registry.start()
        over.set()

    async with connected(kind, registry.address, timeout_s=30) as client:
        await client.metrics.create("tone", **TONE)
        killer = asyncio.create_task(asyncio.to_thread(kill_and_start))
        made: list[str] = []
        while not over.is_set():
            evaluator = replace(EVALUATOR, max_tokens=100 + len(made))
            folder = write_bundle(tmp_path / f"bundle-{len(made)}", evaluator)
            made.append((await client.versions.create("tone", folder)).name)
        await killer
        assert made == [f"metrics/tone/versions/{number + 1}" for number in range(len(made))]
        assert [version.name for version in await collected(client.versions.list("tone"))] == made[::-1]
        for name in made:
            await client.versions.download(name, tmp_path / "fetched" / name.rpartition("/")[2])


async def test_the_catalog_is_followed_to_the_moment_the_registry_dies(
    kind: str, registry: ServiceProcess, tmp_path: Path
) -> None:
    kinds = pb.WatchCatalogResponse
    async with connected(kind, registry.address) as client, connected("async", registry.address) as other:
        await other.metrics.create(
            "tone",
            output_type="categorical",
            input_shape="output",
            classes=["kind", {"label": "rude", "flagged": True}],
        )
        async with contextlib.aclosing(client.watch_catalog()) as events:
            assert (await anext(events)).kind == kinds.SNAPSHOT_COMPLETE
            version = await other.versions.create("tone", write_bundle(tmp_path / "bundle"))
            event = await anext(e async for e in events if e.kind != kinds.HEARTBEAT)
            assert (event.kind, event.metric_version) == (kinds.VERSION_CREATED, version.name)
            registry.kill()
            with pytest.raises(errors.ServiceUnavailableError):
                await collected(events)
