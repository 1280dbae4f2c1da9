"""Runs whose training set a judge labels, over the real wire, with real workers where they train."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import (
    DatasetUnsuitableError,
    RunStateError,
    TrainingSetWorkStoppedError,
    TrainingSetWorkUnsuitableError,
    WorkStateError,
)
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.domain.waiting_runs import WaitingRuns
from tests.trainer.fake_endpoint import HANGS, FakeEndpoint, failure
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.labelling import (
    LabellingState,
    Purpose,
    answer,
    create,
    create_provider,
    ended,
    firm,
    get,
    labelled_logs,
    labelling_trainer,
    prompted,
    resume,
    upload_logs,
)
from tests.trainer.running import State, Trainer, jsonl, labelled_rows, refused, run_request
from tests.trainer.test_labelling_crash import CONCURRENCY, Process

ROWS = 24
LABELLING = {"training_set": "", "labelling": "labellings/first", "allow_small": True}


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    """A trainer without workers: what is queued stays queued."""
    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        await two_sets(trainer)
        yield trainer


async def two_sets(trainer: Trainer) -> None:
    await upload_logs(trainer, ROWS)
    await trainer.upload(jsonl(labelled_rows(40, start=100_000)), dataset_id="test")


async def resume_run(trainer: Trainer) -> None:
    """Resume the run, as soon as nothing is being cancelled any more."""
    request = pb.ResumeRunRequest(name="projects/demo/runs/first")
    while isinstance(error := await refused_or_none(trainer.stub.ResumeRun(request)), WorkStateError):
        await asyncio.sleep(0.05)
    assert error is None


async def refused_or_none(call: Any) -> Exception | None:
    try:
        return await refused(call)
    except AssertionError:
        return None


def asked_twice(endpoint: FakeEndpoint) -> int:
    asked = Counter(body["messages"][1]["content"] for body in endpoint.bodies)
    return asked.total() - len(asked)


def after(count: int, then: Any) -> Any:
    """Reply as a firm judge so often, then otherwise."""
    left = iter(range(count))

    def reply(body: Mapping[str, Any]) -> Any:
        return firm(body) if next(left, None) is not None else then

    return reply


async def until_judged(trainer: Trainer, count: int) -> resources.Run:
    async with asyncio.timeout(20):
        while (run := await trainer.run()).progress.work.done_count < count:
            await asyncio.sleep(0.03)
    return run


# ----------------------------------------------------------------------------- the whole way


async def test_a_run_waits_for_a_labelling_and_ends_registered(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = after(10, HANGS)
    budget = {"input_price": 1.0, "output_price": 2.0}
    async with labelling_trainer(tmp_path, registry, endpoint, workers=1, judge_timeout_s=0.8) as trainer:
        await two_sets(trainer)
        await create(trainer, budget=budget)
        run = await trainer.create_run(**LABELLING)
        assert (run.state, run.labelling, run.training_set) == (State.LABELLING, "labellings/first", "")

        run = await until_judged(trainer, 10)
        assert (run.state, run.progress.work.total_count) == (State.LABELLING, ROWS)
        assert run.progress.work.cost > 0
        assert run.progress.work.estimated_cost > run.progress.work.cost

        endpoint.reply = firm
        run = await trainer.until(State.REGISTERED, State.FAILED)
        assert run.state == State.REGISTERED, run.error
        assert run.training_set == (await get(trainer)).labelled_dataset == "datasets/logs@2"


async def test_a_run_repeats_that_labels_are_doubtful(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    wavers = iter(range(10_000))
    endpoint.reply = lambda body: firm(body) if next(wavers) % 7 else answer("true")
    await create(trainer, votes=3)
    await trainer.create_run(**LABELLING)

    run = await trainer.until(State.QUEUED)

    (doubt,) = (finding for finding in run.findings if finding.code == "DOUBTFUL_LABELS")
    assert "gnomon review logs" in doubt.message


# ------------------------------------------------------------------------- refused, and failed


async def test_a_validation_makes_no_training_set(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_logs(30)), dataset_id="people")
    await create(trainer, dataset="datasets/people", purpose=Purpose.VALIDATE)

    error = await refused(trainer.stub.CreateRun(run_request(**LABELLING)))

    assert isinstance(error, TrainingSetWorkUnsuitableError)


async def test_a_run_with_a_set_that_cannot_be_learned_from_fails_and_the_set_stays(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = lambda _: answer("true")
    await create(trainer)
    await trainer.create_run(**LABELLING)

    run = await trainer.until(State.FAILED)

    error = from_status(run.error)
    assert isinstance(error, DatasetUnsuitableError)
    assert "kept as datasets/logs@2" in error.message
    kept = await trainer.stub.GetDataset(pb.GetDatasetRequest(name="datasets/logs@2"))
    assert kept.class_counts["true"] == ROWS
    await resume_run(trainer)  # which may be tried, and ends the same way
    assert (await trainer.until(State.FAILED)).error.message == run.error.message


async def test_a_run_whose_judge_runs_out_of_money_goes_on_with_more(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await create(trainer, budget={"max_tokens": 500})
    await trainer.create_run(**LABELLING)
    run = await trainer.until(State.FAILED)
    assert from_status(run.error).reason == "JUDGE_BUDGET_SPENT"
    assert "gnomon runs resume demo/first" in run.error.message
    error = await refused(trainer.stub.CreateRun(run_request(**LABELLING, run_id="second")))
    assert isinstance(error, TrainingSetWorkStoppedError)

    await resume(trainer, max_tokens=1_000_000)
    await resume_run(trainer)

    run = await trainer.until(State.QUEUED)
    assert run.training_set == "datasets/logs@2"
    assert not run.HasField("error")
    assert len(endpoint.bodies) == ROWS


async def test_resuming_a_run_resumes_its_labelling(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    endpoint.reply = after(0, failure("401 Unauthorized", "no such key"))
    await create(trainer)
    await trainer.create_run(**LABELLING)
    run = await trainer.until(State.FAILED)
    assert run.error.message
    assert (await get(trainer)).state == LabellingState.FAILED

    endpoint.reply = firm
    await resume_run(trainer)

    assert (await trainer.until(State.QUEUED)).training_set == "datasets/logs@2"
    error = await refused(trainer.stub.ResumeRun(pb.ResumeRunRequest(name=run.name)))
    assert isinstance(error, RunStateError)


# ---------------------------------------------------------------------------------- cancelling


async def test_cancelling_a_run_cancels_its_labelling_and_resuming_pays_nothing_twice(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = after(8, HANGS)
    await create(trainer)
    await trainer.create_run(**LABELLING)
    run = await until_judged(trainer, 8)

    await trainer.cancel(run)

    assert (await trainer.run()).state == State.CANCELLED
    assert (await ended(trainer)).state == LabellingState.CANCELLED
    asked, endpoint.reply = len(endpoint.bodies), firm
    await resume_run(trainer)
    await trainer.until(State.QUEUED)
    assert len(endpoint.bodies) - asked == ROWS - 8  # what hung is asked again, what was answered is not


async def test_cancelling_a_labelling_cancels_its_run(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    endpoint.reply = after(0, HANGS)
    labelling = await create(trainer)
    await trainer.create_run(**LABELLING)

    await trainer.cancel(labelling)

    assert (await trainer.until(State.CANCELLED)).labelling == "labellings/first"


# ----------------------------------------------------------------------------------- restarting


async def test_a_trainer_that_went_between_the_end_of_the_labelling_and_the_queue_goes_on(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(WaitingRuns, "start", lambda _: None)
        async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
            await two_sets(trainer)
            await create(trainer)
            await trainer.create_run(**LABELLING)
            await ended(trainer)
            assert (await trainer.run()).state == State.LABELLING

    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        run = await trainer.until(State.QUEUED)

    assert run.training_set == "datasets/logs@2"
    assert len(endpoint.bodies) == ROWS


async def test_two_trainers_on_one_database_queue_a_run_once(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    async with (
        labelling_trainer(tmp_path, registry, endpoint) as trainer,
        labelling_trainer(tmp_path, registry, endpoint) as other,
    ):
        await two_sets(trainer)
        await create(trainer)
        await trainer.create_run(**LABELLING)
        run = await trainer.until(State.QUEUED)
        await asyncio.sleep(0.3)  # in which the other one would have written

        assert (await other.run()).etag == run.etag
        assert (await other.run()) == await trainer.run()
    assert asked_twice(endpoint) == 0


@pytest.mark.slow
async def test_a_trainer_that_is_killed_while_a_run_waits_pays_again_only_for_what_was_under_way(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    registry.metrics["metrics/toxicity"] = prompted()
    endpoint.delay_s = 0.25
    async with Process(tmp_path, registry, endpoint, workers=0) as running:
        await create_provider(running.trainer, endpoint)
        await two_sets(running.trainer)
        await create(running.trainer)
        await running.trainer.create_run(**LABELLING)
        await until_judged(running.trainer, 4)
        await running.kill()
    assert len(endpoint.bodies) < ROWS
    endpoint.delay_s = 0.0

    async with Process(tmp_path, registry, endpoint, workers=0) as running:
        run = await running.trainer.until(State.QUEUED)

    assert run.training_set == "datasets/logs@2"
    assert asked_twice(endpoint) <= CONCURRENCY
