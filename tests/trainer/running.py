"""A real trainer on a real wire, with a fake registry and, where asked, real worker processes."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_status import rpc_status

from gnomon.errors import GnomonError
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon.v1 import trainer_service_pb2_grpc as rpc
from gnomon_trainer.settings import TrainerSettings
from gnomon_trainer.wiring import TrainerApp, build
from tests.trainer.fake_registry import FakeRegistry

ROOT = Path(__file__).parents[2]
WORKER = (sys.executable, "-m", "tests.trainer.worker_with_fake_trainer")
State = resources.Run.State


@dataclass
class Trainer:
    """A running trainer and the stubs to call it with."""

    app: TrainerApp
    stub: Any
    operations: Any
    registry: FakeRegistry

    async def upload(self, content: bytes | Iterable[bytes], **header: Any) -> pb.UploadDatasetResponse:
        return await self.stub.UploadDataset(upload_requests(content, **header))

    async def create_run(self, **fields: Any) -> resources.Run:
        return run_of(await self.stub.CreateRun(run_request(**fields)))

    async def run(self, name: str = "projects/demo/runs/first") -> resources.Run:
        return await self.stub.GetRun(pb.GetRunRequest(name=name))

    async def until(
        self, *states: Any, name: str = "projects/demo/runs/first", timeout_s: float = 120.0
    ) -> resources.Run:
        """Wait for a state of a run."""
        async with asyncio.timeout(timeout_s):
            while (run := await self.run(name)).state not in states:
                await asyncio.sleep(0.05)
        return run

    async def until_step(self, step: int, name: str = "projects/demo/runs/first") -> resources.Run:
        async with asyncio.timeout(120):
            while (run := await self.run(name)).progress.step < step:
                await asyncio.sleep(0.02)
        return run

    async def cancel(self, run: resources.Run) -> None:
        await self.operations.CancelOperation(operations_pb2.CancelOperationRequest(name=run.operation))


@contextlib.asynccontextmanager
async def trainer_at(folder: Path, registry: FakeRegistry, **settings: Any) -> AsyncIterator[Trainer]:
    """Run a trainer whose data lie below a folder; start it again on the same folder to restart it."""
    app = build(trainer_settings(folder, registry, **settings), WORKER)
    try:
        await app.start()
        async with grpc.aio.insecure_channel(app.server.address) as channel:
            yield Trainer(
                app,
                rpc.TrainerServiceStub(channel),
                operations_pb2_grpc.OperationsStub(channel),
                registry,
            )
    finally:
        await app.stop()


def trainer_settings(folder: Path, registry: FakeRegistry, **settings: Any) -> TrainerSettings:
    write_recipe(folder)
    values = {
        "listen": "127.0.0.1:0",
        "database_url": f"sqlite:///{folder / 'trainer.db'}",
        "data_dir": folder / "data",
        "registry_address": registry.address,
        "registry_timeout_s": 2.0,
        "recipes_dir": folder / "recipes",
        "model_dir": folder / "base-models",
        "workers": 0,
        "grace_s": 5.0,
    }
    return TrainerSettings(**(values | settings))


def write_recipe(folder: Path) -> None:
    """Offer `recipes/quick`, whose base model is at hand, and `recipes/absent`, whose is not."""
    model = folder / "model"
    model.mkdir(exist_ok=True)
    (model / "config.json").write_text("{}")
    recipes = folder / "recipes"
    recipes.mkdir(exist_ok=True)
    for name, base_model in (("quick", str(model)), ("absent", "nobody/nothing")):
        (recipes / f"{name}.toml").write_text(
            f'display_name = "{name}"\ndescription = "For tests."\nbase_model = "{base_model}"\n'
            "[parameters]\nepochs = 4\nbatch_size = 32\nlearning_rate = 1e-4\nhead_learning_rate = 1e-3\n"
            "weight_decay = 0.01\nwarmup_share = 0.1\nmax_tokens = 64\nvalidation_share = 0.2\n"
            "evaluations_per_epoch = 1\npatience = 2\nseed = 0\n"
        )


# -------------------------------------------------------------------- datasets


def labelled_rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Return rows of the metric `toxicity` that differ from those of another `start`."""
    return [
        {"input": f"question {n}", "output": f"answer {n}", "label": n % 2 == 0}
        for n in range(start, start + count)
    ]


def jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def upload_requests(content: bytes | Iterable[bytes], **header: Any) -> AsyncIterator[Any]:
    fields = {"dataset_id": "train", "metric": "metrics/toxicity", "filename": "rows.jsonl"} | header
    yield pb.UploadDatasetRequest(header=pb.UploadDatasetRequest.Header(**fields))
    if isinstance(content, bytes):
        content = [content[start : start + 65_536] for start in range(0, len(content), 65_536)]
    for part in content:
        yield pb.UploadDatasetRequest(content=part)


async def two_sets(trainer: Trainer, training: int = 300, test: int = 160) -> None:
    """Upload `train` and `test`, which have nothing in common."""
    await trainer.upload(jsonl(labelled_rows(training)), dataset_id="train")
    await trainer.upload(jsonl(labelled_rows(test, start=100_000)), dataset_id="test")


# ------------------------------------------------------------------------ runs


def run_request(
    parent: str = "projects/demo",
    run_id: str = "first",
    request_id: str = "",
    parameters: Mapping[str, Any] | None = None,
    **fields: Any,
) -> pb.CreateRunRequest:
    values = {
        "metric": "metrics/toxicity",
        "training_set": "datasets/train",
        "test_set": "datasets/test",
        "recipe": "recipes/quick",
        "parameters": resources.TrainingParameters(**(parameters or {})),
    } | fields
    return pb.CreateRunRequest(
        parent=parent, run_id=run_id, request_id=request_id, run=resources.Run(**values)
    )


def run_of(operation: Any) -> resources.Run:
    run = resources.Run()
    assert operation.metadata.Unpack(run)
    return run


async def refused(call: Any) -> GnomonError:
    """Return the error of a call that must fail."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)
        assert status is not None, error
        return from_status(status)
    raise AssertionError("the call did not fail")


def codes(findings: Sequence[Any]) -> list[str]:
    return [finding.code for finding in findings]
