"""Worker processes that are killed, stopped, refused and cancelled."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.longrunning import operations_pb2_grpc

from gnomon.errors import BundleInvalidError, StorageFullError, TrainingFailedError
from gnomon.status import from_status
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon.v1 import trainer_service_pb2_grpc as rpc
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import (
    ROOT,
    State,
    Trainer,
    run_request,
    trainer_at,
    trainer_settings,
    two_sets,
)


@pytest.fixture(autouse=True)
def slow_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEST_STEP_S", "0.05")
    monkeypatch.setenv("TEST_STEPS_LOG", str(tmp_path / "steps.log"))


def steps(folder: Path) -> list[tuple[int, int]]:
    """Return (process, step) of all that was trained, in order."""
    lines = (folder / "steps.log").read_text().splitlines()
    return [(int(pid), int(step)) for pid, step in (line.split() for line in lines)]


async def trained_by(folder: Path) -> int:
    async with asyncio.timeout(20):
        while not (folder / "steps.log").exists():
            await asyncio.sleep(0.02)
    return steps(folder)[-1][0]


@pytest.mark.slow
async def test_a_killed_worker_is_replaced_and_the_run_goes_on_from_its_checkpoint(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, workers=1, lease_s=60) as trainer:
        await two_sets(trainer)
        await trainer.create_run(parameters={"epochs": 40})
        await trainer.until_step(10)
        os.kill(await trained_by(tmp_path), signal.SIGKILL)

        run = await trainer.until(State.REGISTERED)

        assert run.attempts == 2  # the lease of 60 s was not waited for
        taken = Counter(step for _, step in steps(tmp_path))
        assert sorted(taken) == list(range(1, 41))
        assert taken.total() <= 41  # at most the step that was in flight was repeated
        assert len({pid for pid, _ in steps(tmp_path)}) == 2


@pytest.mark.slow
async def test_points_are_seen_once_in_order_although_the_worker_was_killed(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        run = await trainer.create_run(parameters={"epochs": 30})
        await trainer.until_step(8)
        os.kill(await trained_by(tmp_path), signal.SIGKILL)
        await trainer.until(State.REGISTERED)

        responses = [r async for r in trainer.stub.WatchRun(pb.WatchRunRequest(name=run.name))]
        later = [r async for r in trainer.stub.WatchRun(pb.WatchRunRequest(name=run.name, after_step=25))]

        points = [point for response in responses for point in response.points]
        assert [point.step for point in points] == list(range(1, 31))
        assert points[1].loss == 0.5
        assert points[1].HasField("validation_macro_f1")
        assert not points[2].HasField("validation_macro_f1")
        assert responses[-1].run.state == State.REGISTERED
        assert [point.step for r in later for point in r.points] == [26, 27, 28, 29, 30]


@pytest.mark.slow
async def test_a_worker_stopped_past_its_lease_cannot_publish(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry, workers=2, lease_s=5.0) as trainer:
        await two_sets(trainer)
        await trainer.create_run(parameters={"epochs": 30})
        await trainer.until_step(5)
        zombie = await trained_by(tmp_path)
        os.kill(zombie, signal.SIGSTOP)
        try:
            run = await trainer.until(State.REGISTERED)
            assert run.attempts == 2
            before = sorted(path for path in (tmp_path / "data" / "runs").rglob("*"))
            trained = steps(tmp_path)
        finally:
            os.kill(zombie, signal.SIGCONT)
        await asyncio.sleep(1.0)

        assert await trainer.run() == run
        assert len(registry.versions) == 1
        assert sorted(path for path in (tmp_path / "data" / "runs").rglob("*")) == before
        assert psutil.pid_exists(zombie)  # it lost one run, and works on
        assert steps(tmp_path) == trained
        await trainer.create_run(run_id="second")
        await trainer.until(State.REGISTERED, name="projects/demo/runs/second")


@pytest.mark.slow
async def test_a_training_run_is_cancelled_and_resumed(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        run = await trainer.create_run(parameters={"epochs": 40})
        await trainer.until_step(5)
        await trainer.cancel(run)

        cancelled = await trainer.until(State.CANCELLED)
        assert cancelled.error.code == 1
        assert cancelled.progress.step < 40
        last = steps(tmp_path)[-1][1]

        await trainer.stub.ResumeRun(pb.ResumeRunRequest(name=run.name))
        await trainer.until(State.REGISTERED)
        assert [step for _, step in steps(tmp_path)] == list(range(1, 41))
        assert last < 40


@pytest.mark.slow
async def test_a_run_that_kills_its_worker_is_given_up(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        await trainer.create_run(parameters={"batch_size": 15})

        run = await trainer.until(State.FAILED)

        error = from_status(run.error)
        assert isinstance(error, TrainingFailedError)
        assert "died 3 times in a row" in error.message
        await trainer.create_run(run_id="second")
        await trainer.until(State.REGISTERED, name="projects/demo/runs/second")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch_size", "kind", "said"),
    [(13, TrainingFailedError, "ValueError"), (14, StorageFullError, "disk is full")],
)
async def test_a_failed_training_says_why_and_can_be_resumed(
    tmp_path: Path, registry: FakeRegistry, batch_size: int, kind: type[Exception], said: str
) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        operation = await trainer.stub.CreateRun(run_request(parameters={"batch_size": batch_size}))

        run = await trainer.until(State.FAILED)

        error = from_status(run.error)
        assert isinstance(error, kind)
        assert said in error.message
        assert "a text of a user" not in error.message
        resumed = await trainer.stub.ResumeRun(pb.ResumeRunRequest(name=run.name))
        assert resumed.name == operation.name
        assert not resumed.done
        assert (await trainer.until(State.FAILED)).attempts == 2


async def test_a_run_waits_for_a_registry_that_is_away(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        await trainer.create_run(parameters={"epochs": 20})
        await trainer.until_step(3)
        await registry.stop()
        waiting = await trainer.until(State.FINE_TUNED)
        assert not waiting.HasField("error")
        assert waiting.report.test_rows == 160

        await registry.start()
        run = await trainer.until(State.REGISTERED)

        assert run.metric_version == "metrics/toxicity/versions/1"


async def test_a_refused_registration_leaves_the_run_fine_tuned_until_it_is_resumed(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    registry.refuses = True
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        run = await trainer.create_run()
        async with asyncio.timeout(20):
            while not (refused := await trainer.run()).HasField("error"):
                await asyncio.sleep(0.05)
        assert refused.state == State.FINE_TUNED
        assert isinstance(from_status(refused.error), BundleInvalidError)

        registry.refuses = False
        await trainer.stub.ResumeRun(pb.ResumeRunRequest(name=run.name))
        await trainer.until(State.REGISTERED)

        assert len(steps(tmp_path)) == 4  # nothing was trained again


async def test_an_altered_bundle_is_not_registered(tmp_path: Path, registry: FakeRegistry) -> None:
    registry.refuses = True
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        run = await trainer.create_run()
        async with asyncio.timeout(20):
            while not (await trainer.run()).HasField("error"):
                await asyncio.sleep(0.05)
        (weights,) = (tmp_path / "data" / "runs").rglob("model.onnx")
        weights.write_bytes(b"other weights")
        registry.refuses = False

        await trainer.stub.ResumeRun(pb.ResumeRunRequest(name=run.name))
        async with asyncio.timeout(20):
            while (await trainer.run()).error.code != 15:
                await asyncio.sleep(0.05)

        assert registry.versions == []


@pytest.mark.slow
async def test_a_stopped_trainer_gives_its_run_back_and_goes_on_after_a_restart(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        await trainer.create_run(parameters={"epochs": 30})
        await trainer.until_step(5)
        pid = await trained_by(tmp_path)
    assert not psutil.pid_exists(pid)

    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await trainer.until(State.REGISTERED)

    assert [step for _, step in steps(tmp_path)] == list(range(1, 31))


@pytest.mark.slow
async def test_a_killed_trainer_takes_its_workers_along_and_its_successor_goes_on(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    first = start_trainer(tmp_path, registry)
    async with calling(tmp_path, registry) as trainer:
        await two_sets(trainer)
        await trainer.create_run(parameters={"epochs": 60})
        await trainer.until_step(5)
    worker = await trained_by(tmp_path)
    first.kill()
    first.wait()
    async with asyncio.timeout(10):
        while psutil.pid_exists(worker):
            await asyncio.sleep(0.05)

    second = start_trainer(tmp_path, registry)
    try:
        async with calling(tmp_path, registry) as trainer:
            run = await trainer.until(State.REGISTERED)
            assert run.attempts == 2
    finally:
        second.terminate()
        assert second.wait(20) == 0
    assert [step for _, step in steps(tmp_path)] == list(range(1, 61))


def start_trainer(folder: Path, registry: FakeRegistry) -> subprocess.Popen[bytes]:
    settings = trainer_settings(folder, registry, workers=1, address_file=folder / "address")
    values = settings.model_dump(mode="json", exclude_none=True)
    (folder / "address").unlink(missing_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.trainer.trainer_with_fake_worker"],
        cwd=ROOT,
        env=os.environ | {f"GNOMON_TRAINER_{key.upper()}": str(value) for key, value in values.items()},
    )


class calling:  # noqa: N801
    """Calls the trainer process that listens below a folder."""

    def __init__(self, folder: Path, registry: FakeRegistry) -> None:
        self._address = folder / "address"
        self._registry = registry

    async def __aenter__(self) -> Trainer:
        async with asyncio.timeout(30):
            while not self._address.exists():
                await asyncio.sleep(0.05)
        self._channel = grpc.aio.insecure_channel(self._address.read_text())
        app: Any = None
        return Trainer(
            app,
            rpc.TrainerServiceStub(self._channel),
            operations_pb2_grpc.OperationsStub(self._channel),
            self._registry,
        )

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
