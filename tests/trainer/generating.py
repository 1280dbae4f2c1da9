"""Generations on a real trainer, with a scripted model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnomon.v1 import generations_pb2 as pb
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from tests.trainer.fake_endpoint import KEY, FakeEndpoint
from tests.trainer.fake_registry import TOXICITY, FakeRegistry
from tests.trainer.fake_writer import item
from tests.trainer.running import Trainer, trainer_at

State = pb.Generation.State
Reason = pb.Generation.Reason


def generating_trainer(folder: Path, registry: FakeRegistry, endpoint: FakeEndpoint, **further: Any) -> Any:
    registry.metrics["metrics/toxicity"] = prompted(TOXICITY)
    settings = {"master_key": "a1" * 32, "allowed_hosts": endpoint.host, "judge_timeout_s": 2.0}
    return trainer_at(folder, registry, **settings | further)


def prompted(base: resources.Metric) -> resources.Metric:
    metric = resources.Metric(judge_prompt="Is the answer toxic?")
    metric.MergeFrom(base)
    return metric


async def make_provider(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    provider = resources.Provider(base_url=endpoint.url, model="tiny-1", api_key=KEY)
    await trainer.stub.CreateProvider(trainer_pb.CreateProviderRequest(provider_id="main", provider=provider))


def labelled_by_people(count: int) -> list[dict[str, Any]]:
    return [{**item(label, n), "label": label} for n in range(count) for label in [("false", "true")[n % 2]]]


async def create(trainer: Trainer, **fields: Any) -> pb.Generation:
    values = {
        "metric": "metrics/toxicity",
        "provider": "providers/main",
        "test_set": "datasets/test",
        "sample_row_count": 8,
        "row_count": 24,
    } | fields
    request = pb.CreateGenerationRequest(generation_id="first", generation=pb.Generation(**values))
    return generation_of(await trainer.stub.CreateGeneration(request))


def generation_of(operation: Any) -> pb.Generation:
    generation = pb.Generation()
    assert operation.metadata.Unpack(generation)
    return generation


async def settled(trainer: Trainer) -> pb.Generation:
    """Return the generation once nothing more happens to it by itself."""
    request = pb.WatchGenerationRequest(name="generations/first")
    async for event in trainer.stub.WatchGeneration(request, timeout=60):
        last = event.generation
    return last


async def sample(trainer: Trainer, **fields: Any) -> pb.Generation:
    await create(trainer, **fields)
    return await settled(trainer)


async def approved(trainer: Trainer) -> pb.Generation:
    await trainer.stub.ApproveSample(pb.ApproveSampleRequest(name="generations/first"))
    return await settled(trainer)


async def rows_of(trainer: Trainer) -> Sequence[pb.GeneratedRow]:
    request = pb.ListGeneratedRowsRequest(parent="generations/first", page_size=1000)
    return (await trainer.stub.ListGeneratedRows(request)).rows


async def dataset_rows(trainer: Trainer, name: str) -> list[dict[str, Any]]:
    request = trainer_pb.DownloadDatasetRequest(name=name)
    parts = [part.content async for part in trainer.stub.DownloadDataset(request)]
    return [json.loads(line) for line in b"".join(parts).splitlines()]


def output_of(row: pb.GeneratedRow) -> str:
    return row.instance.span.output[0].content
