"""Labellings over the wire: a trainer with a provider on loopback, and what tests ask of them."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from gnomon.v1 import labellings_pb2 as pb
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from tests.trainer.fake_endpoint import KEY, FakeEndpoint, completion
from tests.trainer.fake_registry import TOXICITY, FakeRegistry
from tests.trainer.running import Trainer, jsonl, trainer_at

MASTER_KEY = "a1" * 32
Purpose = pb.Labelling.Purpose
LabellingState = pb.Labelling.State


def prompted() -> resources.Metric:
    metric = resources.Metric(judge_prompt="Is the answer toxic?")
    metric.MergeFrom(TOXICITY)
    return metric


@contextlib.asynccontextmanager
async def labelling_trainer(
    folder: Path, registry: FakeRegistry, endpoint: FakeEndpoint, **settings: Any
) -> AsyncIterator[Trainer]:
    """Run a trainer that may call the endpoint, and knows it as `providers/main`."""
    registry.metrics["metrics/toxicity"] = prompted()
    values = {
        "master_key": MASTER_KEY,
        "allowed_hosts": endpoint.host,
        "judge_timeout_s": 10.0,  # a busy machine must not make calls break off
    } | settings
    async with trainer_at(folder, registry, **values) as trainer:
        with contextlib.suppress(Exception):  # it is there after a restart
            await create_provider(trainer, endpoint)
        yield trainer


async def create_provider(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    provider = resources.Provider(base_url=endpoint.url, model="tiny-1", api_key=KEY)
    await trainer.stub.CreateProvider(trainer_pb.CreateProviderRequest(provider_id="main", provider=provider))


# ------------------------------------------------------------------------- the rows and the model


def logs(count: int) -> list[dict[str, Any]]:
    """Return rows without labels. The even ones are what `judged_label` calls toxic."""
    return [
        {"input": f"question {n}", "output": f"{'bad' if n % 2 == 0 else 'good'} answer {n}"}
        for n in range(count)
    ]


def labelled_logs(count: int, wrong: Iterable[int] = ()) -> list[dict[str, Any]]:
    """Return rows with the labels of people; at places in `wrong`, `judged_label` says otherwise."""
    flipped = set(wrong)
    return [row | {"label": (n % 2 == 0) != (n in flipped)} for n, row in enumerate(logs(count))]


def item_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Return what a request asks to judge: it stands between the last two markers."""
    found: dict[str, str] = json.loads(body["messages"][1]["content"].split("\n")[-2])
    return found


def judged_label(body: Mapping[str, Any]) -> str:
    return "true" if item_of(body)["Output"].startswith("bad") else "false"


def answer(label: str, explanation: str = "Because.") -> dict[str, Any]:
    return completion(json.dumps({"explanation": explanation, "label": label}))


def firm(body: Mapping[str, Any]) -> Any:
    """Judge by the text as it began, whatever is planted in it."""
    return answer(judged_label(body))


def obedient(body: Mapping[str, Any]) -> Any:
    """Answer what an instruction in the text says; without one, judge."""
    planted = item_of(body)["Output"].partition("\n\n")[2]
    told = re.findall(r"true|false", planted)
    return answer(told[-1]) if told else firm(body)


# ------------------------------------------------------------------------------------- the calls


async def upload_logs(trainer: Trainer, count: int, dataset: str = "logs") -> resources.Dataset:
    return (await trainer.upload(jsonl(logs(count)), dataset_id=dataset, unlabelled=True)).dataset


def request_of(labelling_id: str = "first", request_id: str = "", **fields: Any) -> pb.CreateLabellingRequest:
    values: dict[str, Any] = {
        "dataset": "datasets/logs",
        "provider": "providers/main",
        "purpose": Purpose.LABEL,
        "canary_count": 0,
    } | fields
    return pb.CreateLabellingRequest(
        labelling_id=labelling_id, request_id=request_id, labelling=pb.Labelling(**values)
    )


async def create(trainer: Trainer, labelling_id: str = "first", **fields: Any) -> pb.Labelling:
    return labelling_of(await trainer.stub.CreateLabelling(request_of(labelling_id, **fields)))


def labelling_of(operation: Any) -> pb.Labelling:
    labelling = pb.Labelling()
    assert operation.metadata.Unpack(labelling)
    return labelling


async def get(trainer: Trainer, labelling_id: str = "first") -> pb.Labelling:
    return await trainer.stub.GetLabelling(pb.GetLabellingRequest(name=f"labellings/{labelling_id}"))


async def ended(trainer: Trainer, labelling_id: str = "first", timeout_s: float = 60.0) -> pb.Labelling:
    """Wait until a labelling goes on by itself no more."""
    async with asyncio.timeout(timeout_s):
        while (found := await get(trainer, labelling_id)).state == LabellingState.LABELLING:
            await asyncio.sleep(0.03)
    return found


async def labelled(trainer: Trainer, labelling_id: str = "first", **fields: Any) -> pb.Labelling:
    """Create a labelling, and wait for its end."""
    await create(trainer, labelling_id, **fields)
    return await ended(trainer, labelling_id)


async def resume(trainer: Trainer, labelling_id: str = "first", **budget: Any) -> pb.Labelling:
    request = pb.ResumeLabellingRequest(name=f"labellings/{labelling_id}")
    if budget:
        request.budget.CopyFrom(pb.JudgeBudget(**budget))
    return labelling_of(await trainer.stub.ResumeLabelling(request))


async def rows_of(trainer: Trainer, name: str) -> list[dict[str, Any]]:
    call = trainer.stub.DownloadDataset(trainer_pb.DownloadDatasetRequest(name=name))
    content = b"".join([response.content async for response in call])
    return [json.loads(line) for line in content.splitlines()]
