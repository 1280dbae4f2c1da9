"""A trainer process that is killed while it labels: no answer that it had is paid again."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2_grpc

from gnomon.v1 import trainer_service_pb2_grpc as rpc
from tests.trainer.fake_endpoint import KEY, FakeEndpoint, fake_endpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.labelling import (
    MASTER_KEY,
    LabellingState,
    create,
    create_provider,
    ended,
    firm,
    prompted,
    rows_of,
    upload_logs,
)
from tests.trainer.running import ROOT, Trainer, trainer_settings

CONCURRENCY = 4


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    async with fake_endpoint() as endpoint:
        endpoint.reply, endpoint.delay_s = firm, 0.05
        yield endpoint


class Process:
    """A trainer process on a folder, and a connection to it."""

    def __init__(self, folder: Path, registry: FakeRegistry, endpoint: FakeEndpoint, **settings: Any) -> None:
        self._folder = folder
        values = {
            "address_file": folder / "address",
            "allowed_hosts": endpoint.host,
            "judge_concurrency": CONCURRENCY,
            "lease_s": 60.0,  # nobody waits for it: the lock of a dead process is free
            "log_level": "debug",
        } | settings
        made = trainer_settings(folder, registry, **values).model_dump(mode="json", exclude_none=True)
        self._environment = {f"GNOMON_TRAINER_{key.upper()}": str(value) for key, value in made.items()}
        self._environment["GNOMON_TRAINER_MASTER_KEY"] = MASTER_KEY

    async def __aenter__(self) -> "Process":
        address = self._folder / "address"
        address.unlink(missing_ok=True)
        self.process = await asyncio.to_thread(self._start)
        async with asyncio.timeout(30):
            while not address.exists():
                await asyncio.sleep(0.02)
        self._channel = grpc.aio.insecure_channel(address.read_text())
        app: Any = None
        operations = operations_pb2_grpc.OperationsStub(self._channel)
        self.trainer = Trainer(app, rpc.TrainerServiceStub(self._channel), operations, FakeRegistry())
        return self

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.trainer.trainer_with_fake_worker"],
                cwd=ROOT,
                env=os.environ | self._environment,
                stdout=log,
                stderr=log,
            )

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
        self.process.terminate()
        await asyncio.to_thread(self.process.wait, 20)

    async def kill(self) -> None:
        self.process.kill()
        await asyncio.to_thread(self.process.wait, 20)


async def killed_again_and_again(
    folder: Path,
    registry: FakeRegistry,
    endpoint: FakeEndpoint,
    *,
    rows: int,
    votes: int,
    kills: int,
    seed: int,
    earliest: int = 1,
) -> int:
    """Label with a kill -9 at random places; return how many questions were asked again."""
    registry.metrics["metrics/toxicity"] = prompted()
    calls = rows * votes
    places = sorted(random.Random(seed).sample(range(earliest, calls), kills))
    for place in places:
        async with Process(folder, registry, endpoint) as running:
            if place == places[0]:
                await create_provider(running.trainer, endpoint)
                await upload_logs(running.trainer, rows)
                await create(running.trainer, votes=votes)
            async with asyncio.timeout(60):
                while endpoint.answered < place:
                    await asyncio.sleep(0.001)
            await running.kill()
    started = time.monotonic()
    async with Process(folder, registry, endpoint) as running:
        done = await ended(running.trainer, timeout_s=60)
        assert time.monotonic() - started < 45  # less than the lease
        assert (done.state, done.progress.judged_count) == (LabellingState.LABELLED, rows)
        # What an undisturbed labelling counts: each answer once.
        assert (done.progress.input_tokens, done.progress.output_tokens) == (20 * calls, 5 * calls)
        stored = await rows_of(running.trainer, done.labelled_dataset)
    assert [row["label"] for row in stored] == [str(n % 2 == 0).lower() for n in range(rows)]
    asked = Counter(body["messages"][1]["content"] for body in endpoint.bodies)
    assert len(asked) == calls  # markers differ by row and vote, and are the same again
    return len(endpoint.bodies) - calls


@pytest.mark.slow
async def test_a_killed_trainer_pays_again_only_for_what_was_under_way(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    # Late enough that some rows are stored whole by then, and of others some answers.
    again = await killed_again_and_again(
        tmp_path, registry, endpoint, rows=40, votes=2, kills=2, seed=7, earliest=40
    )

    assert again <= 2 * CONCURRENCY
    log = (tmp_path / "log").read_text()
    assert "labellings/first" in log
    assert KEY not in log
    assert MASTER_KEY not in log
    assert "answer 3" not in log


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_a_trainer_that_is_killed_many_times_pays_again_only_for_what_was_under_way(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, seed: int
) -> None:
    again = await killed_again_and_again(tmp_path, registry, endpoint, rows=100, votes=3, kills=8, seed=seed)

    print(f"asked again after 8 kills: {again} of 300 questions, {8 * CONCURRENCY} could be")
    assert again <= 8 * CONCURRENCY
