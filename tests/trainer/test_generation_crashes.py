"""A trainer process that is killed in the middle of a generation, and what that costs."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gnomon.v1 import generations_pb2 as pb
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from tests.trainer.fake_endpoint import KEY, FakeEndpoint, fake_endpoint
from tests.trainer.fake_registry import TOXICITY, FakeRegistry
from tests.trainer.fake_writer import FakeWriter
from tests.trainer.generating import State, labelled_by_people, prompted
from tests.trainer.running import ROOT, jsonl, trainer_settings
from tests.trainer.test_workers import calling

_CONCURRENCY = 4


def start_trainer(folder: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> subprocess.Popen[bytes]:
    settings = trainer_settings(
        folder,
        registry,
        address_file=folder / "address",
        allowed_hosts=endpoint.host,
        judge_concurrency=_CONCURRENCY,
    )
    values = settings.model_dump(mode="json", exclude_none=True) | {"master_key": "a1" * 32}
    (folder / "address").unlink(missing_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.trainer.trainer_with_quick_probe"],
        cwd=ROOT,
        env=os.environ | {f"GNOMON_TRAINER_{key.upper()}": str(value) for key, value in values.items()},
    )


class Deliveries:
    """Counts how often each question was answered in full; the text between markers tells questions apart."""

    def __init__(self, endpoint: FakeEndpoint, writer: FakeWriter) -> None:
        self.answered: Counter[str] = Counter()
        self._writer = writer
        endpoint.reply = self

    def __call__(self, body: Any) -> Any:
        self.answered[body["messages"][1]["content"]] += 1
        return self._writer(body)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while self.answered.total() < count:
                await asyncio.sleep(0.002)


async def begin(trainer: Any, endpoint: FakeEndpoint, sample_rows: int, rows: int) -> None:
    provider = resources.Provider(base_url=endpoint.url, model="tiny-1", api_key=KEY)
    await trainer.stub.CreateProvider(trainer_pb.CreateProviderRequest(provider_id="main", provider=provider))
    await trainer.upload(jsonl(labelled_by_people(60)), dataset_id="test")
    generation = pb.Generation(
        metric="metrics/toxicity",
        provider="providers/main",
        test_set="datasets/test",
        sample_row_count=sample_rows,
        row_count=rows,
    )
    await trainer.stub.CreateGeneration(
        pb.CreateGenerationRequest(generation_id="first", generation=generation)
    )


async def until(trainer: Any, state: Any) -> pb.Generation:
    async with asyncio.timeout(60):
        while True:
            found = await trainer.stub.GetGeneration(pb.GetGenerationRequest(name="generations/first"))
            assert found.state != State.FAILED, found.error
            if found.state == state:
                return found
            await asyncio.sleep(0.05)


async def killed_at(
    kills: list[int], folder: Path, registry: FakeRegistry, *, sample: int, rows: int
) -> None:
    """Kill a trainer each time so many questions more were answered; let the last one finish."""
    registry.metrics["metrics/toxicity"] = prompted(TOXICITY)
    async with fake_endpoint() as endpoint:
        deliveries = Deliveries(endpoint, FakeWriter())
        process = start_trainer(folder, registry, endpoint)
        try:
            async with calling(folder, registry) as trainer:
                await begin(trainer, endpoint, sample, rows)
            for more in kills:
                await deliveries.until(deliveries.answered.total() + more)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                process = start_trainer(folder, registry, endpoint)
            async with calling(folder, registry) as trainer:
                found = await until(trainer, State.AWAITING_REVIEW)
                assert found.progress.kept_count == sample
                await trainer.stub.ApproveSample(pb.ApproveSampleRequest(name="generations/first"))
                done = await until(trainer, State.GENERATED)
                assert sum(done.class_counts.values()) == rows
                tokens = done.progress.input_tokens + done.progress.output_tokens
        finally:
            process.terminate()
            process.wait()
    # What was delivered and not yet written down when a process died is asked again; nothing else is.
    twice = sum(count - 1 for count in deliveries.answered.values())
    assert twice <= _CONCURRENCY * len(kills)
    assert len(deliveries.answered) == rows // 5 + rows  # every call for rows, and every judgement, once
    assert tokens >= 25 * len(deliveries.answered)


@pytest.mark.slow
async def test_a_killed_trainer_pays_nothing_twice_but_what_was_under_way(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    await killed_at([15], tmp_path, registry, sample=20, rows=40)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [[1, 2, 3, 5], [7, 1, 9], [3, 18, 2]])
async def test_a_trainer_that_is_killed_again_and_again_pays_nothing_twice_but_what_was_under_way(
    tmp_path: Path, registry: FakeRegistry, kills: list[int]
) -> None:
    await killed_at(kills, tmp_path, registry, sample=40, rows=120)
