"""Runs whose training set a generation makes, over the real wire, with real workers where they train."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import (
    DatasetTooSmallError,
    DatasetUnsuitableError,
    InvalidRequestError,
    NotFoundError,
    TrainingSetWorkStoppedError,
)
from gnomon.v1 import generations_pb2 as generations
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer import judging_wiring
from tests.trainer.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.fake_writer import FakeWriter
from tests.trainer.generating import (
    approved,
    create,
    generating_trainer,
    labelled_by_people,
    make_provider,
    sample,
    settled,
)
from tests.trainer.running import State, Trainer, codes, jsonl, refused, run_request
from tests.trainer.trainer_with_quick_probe import QuickProbe

GENERATION = {"training_set": "", "generation": "generations/first", "allow_small": True}


@pytest.fixture(autouse=True)
def quick_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging_wiring, "ProcessDriftProbe", QuickProbe)


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    async with fake_endpoint() as endpoint:
        endpoint.reply = FakeWriter()
        yield endpoint


@pytest.fixture
async def trainer(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, request: pytest.FixtureRequest
) -> AsyncIterator[Trainer]:
    """A trainer without workers, unless the test is marked so: what is queued stays queued."""
    workers = getattr(request, "param", 0)
    async with generating_trainer(tmp_path, registry, endpoint, workers=workers) as trainer:
        await make_provider(trainer, endpoint)
        await trainer.upload(jsonl(labelled_by_people(100)), dataset_id="test")
        yield trainer


trains = pytest.mark.parametrize("trainer", [1], indirect=True, ids=["trains"])


async def until_it_awaits_review(trainer: Trainer) -> resources.Run:
    async with asyncio.timeout(20):
        while not (run := await trainer.run()).progress.work.awaits_review:
            await asyncio.sleep(0.05)
    return run


@trains
async def test_a_run_waits_for_a_generation_and_for_who_reviews_it_and_ends_registered(
    trainer: Trainer,
) -> None:
    await create(trainer)
    run = await trainer.create_run(**GENERATION)
    assert (run.state, run.generation) == (State.GENERATING, "generations/first")
    assert not run.training_set
    assert not run.resolved_parameters

    waiting = await until_it_awaits_review(trainer)
    assert waiting.state == State.GENERATING
    assert (waiting.progress.work.done_count, waiting.progress.work.total_count) == (8, 8)
    assert waiting.progress.work.input_tokens > 0

    made = await approved(trainer)
    ended = await trainer.until(State.REGISTERED, State.FAILED)

    assert ended.state == State.REGISTERED, ended.error
    assert (ended.training_set, ended.generation) == (made.generated_dataset, "generations/first")
    assert "TEST_SEEDS_LEFT_OUT" in codes(ended.findings)
    assert len(ended.resolved_parameters) == len(resources.TrainingParameters.DESCRIPTOR.fields)


@trains
async def test_a_watcher_sees_every_stage(trainer: Trainer) -> None:
    await create(trainer)
    await trainer.create_run(**GENERATION)
    seen: list[tuple[Any, bool]] = []
    async for event in trainer.stub.WatchRun(pb.WatchRunRequest(name="projects/demo/runs/first"), timeout=60):
        run = event.run
        stage = (run.state, run.progress.work.awaits_review)
        if stage not in seen:
            seen.append(stage)
        if stage == (State.GENERATING, True):
            await trainer.stub.ApproveSample(generations.ApproveSampleRequest(name=run.generation))

    assert (State.GENERATING, False) in seen
    assert (State.GENERATING, True) in seen
    assert seen[-1] == (State.REGISTERED, False)


async def test_a_run_of_a_generation_that_has_ended_is_queued_at_once(trainer: Trainer) -> None:
    await sample(trainer)
    made = await approved(trainer)

    run = await trainer.create_run(**GENERATION)

    assert (run.state, run.training_set) == (State.QUEUED, made.generated_dataset)


async def test_cancelling_a_run_that_awaits_review_cancels_the_generation_and_both_resume(
    trainer: Trainer,
) -> None:
    await create(trainer)
    await trainer.create_run(**GENERATION)
    run = await until_it_awaits_review(trainer)

    await trainer.cancel(run)
    assert (await trainer.run()).state == State.CANCELLED
    assert (await settled(trainer)).state == generations.Generation.CANCELLED

    await trainer.stub.ResumeRun(pb.ResumeRunRequest(name=run.name))
    assert (await trainer.run()).state == State.GENERATING
    assert (await settled(trainer)).state == generations.Generation.AWAITING_REVIEW
    await approved(trainer)
    assert (await trainer.until(State.QUEUED, State.FAILED)).state == State.QUEUED


async def test_cancelling_a_generation_cancels_the_run(trainer: Trainer) -> None:
    generation = await create(trainer)
    await trainer.create_run(**GENERATION)

    await trainer.cancel(generation)

    assert (await trainer.until(State.CANCELLED)).error.message


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        ({"generation": "generations/absent"}, NotFoundError, "generations/absent"),
        ({"generation": "generations/../etc"}, InvalidRequestError, "run.generation"),
        ({"training_set": "datasets/test"}, InvalidRequestError, "exactly one"),
        ({"labelling": "labellings/first"}, InvalidRequestError, "exactly one"),
        ({"generation": ""}, InvalidRequestError, "exactly one"),
        ({"metric": "metrics/topic"}, DatasetUnsuitableError, "metrics/topic"),
        ({"allow_small": False}, DatasetTooSmallError, "seeds"),
        ({"parameters": {"epochs": 0}}, InvalidRequestError, "epochs"),
        ({"report_options": resources.ReportOptions(judge_column="x")}, InvalidRequestError, "x"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_waited_for(
    trainer: Trainer, fields: dict[str, Any], kind: type[Exception], said: str
) -> None:
    await create(trainer)

    error = await refused(trainer.stub.CreateRun(run_request(**GENERATION | fields)))

    assert isinstance(error, kind)
    assert said in error.message


async def test_no_run_waits_for_work_that_was_cancelled(trainer: Trainer) -> None:
    generation = await create(trainer)
    await trainer.cancel(generation)
    await settled(trainer)

    error = await refused(trainer.stub.CreateRun(run_request(**GENERATION)))

    assert isinstance(error, TrainingSetWorkStoppedError)
    assert "gnomon generate resume first" in error.message


async def test_a_run_is_validated_before_anything_is_paid_and_nothing_is_kept(trainer: Trainer) -> None:
    request = run_request(training_set="", allow_small=True)
    request.validate_only = True

    operation = await trainer.stub.CreateRun(request)

    run = resources.Run()
    assert operation.metadata.Unpack(run)
    assert (operation.name, run.operation, run.test_set) == ("", "", "datasets/test@1")
    request.run.test_set = "datasets/absent"
    assert isinstance(await refused(trainer.stub.CreateRun(request)), NotFoundError)
    assert not (await trainer.stub.ListRuns(pb.ListRunsRequest(parent="projects/-"))).runs
