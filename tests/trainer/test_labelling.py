"""Labelling whole datasets over the real wire: from logs without labels to a training set."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.longrunning import operations_pb2

from gnomon.errors import (
    DatasetLabelledError,
    DatasetUnlabelledError,
    DatasetUnsuitableError,
    InvalidRequestError,
    NotFoundError,
    RequestIdReusedError,
    ResourceInUseError,
    WorkStateError,
)
from gnomon.status import from_status
from gnomon.v1 import labellings_pb2 as pb
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import reviews_pb2
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from tests.trainer.fake_endpoint import HANGS, FakeEndpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.labelling import (
    LabellingState,
    Purpose,
    answer,
    create,
    ended,
    firm,
    get,
    item_of,
    judged_label,
    labelled,
    labelling_of,
    labelling_trainer,
    logs,
    request_of,
    resume,
    rows_of,
    upload_logs,
)
from tests.trainer.running import Trainer, jsonl, labelled_rows, refused


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        yield trainer


async def test_logs_without_labels_become_a_version_with_labels(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await upload_logs(trainer, 30)

    done = await labelled(trainer)

    assert (done.state, done.labelled_dataset) == (LabellingState.LABELLED, "datasets/logs@2")
    assert (done.model, done.votes, done.judge_prompt) == ("tiny-1", 1, "Is the answer toxic?")
    told = done.progress
    assert (told.judged_count, told.failed_count, told.total_count) == (30, 0, 30)
    assert (told.input_tokens, told.output_tokens) == (600, 150)
    assert len(endpoint.bodies) == 30
    dataset = await trainer.stub.GetDataset(trainer_pb.GetDatasetRequest(name="datasets/logs"))
    assert (dataset.version, dataset.labelling, dataset.unlabelled) == (2, "labellings/first", False)
    assert dict(dataset.class_counts) == {"false": 15, "true": 15}
    assert (await rows_of(trainer, "datasets/logs"))[:2] == [
        row
        | {
            "label": label,
            "label_probabilities": {"false": float(label == "false"), "true": float(label == "true")},
            "judge_label": label,
            "judge_explanation": "Because.",
        }
        for row, label in zip(logs(2), ("true", "false"), strict=True)
    ]


async def test_a_labelling_is_an_operation_beside_runs(trainer: Trainer) -> None:
    await upload_logs(trainer, 3)
    created = await create(trainer)

    wait = operations_pb2.WaitOperationRequest(name=created.operation)
    wait.timeout.FromSeconds(10)
    operation = await trainer.operations.WaitOperation(wait)
    done = pb.Labelling()
    assert operation.done
    assert operation.response.Unpack(done)
    assert done.labelled_dataset == "datasets/logs@2"
    same = await trainer.operations.GetOperation(operations_pb2.GetOperationRequest(name=operation.name))
    assert same == operation

    await trainer.upload(jsonl(labelled_rows(300)), dataset_id="train")
    await trainer.upload(jsonl(labelled_rows(160, start=1000)), dataset_id="test")
    run = await trainer.create_run()
    names, token = [], ""
    for _ in range(3):
        page = await trainer.operations.ListOperations(
            operations_pb2.ListOperationsRequest(name="operations", page_size=1, page_token=token)
        )
        names += [each.name for each in page.operations]
        if not (token := page.next_page_token):
            break
    assert names == [run.operation, created.operation]
    absent = operations_pb2.GetOperationRequest(name="operations/x1")
    assert isinstance(await refused(trainer.operations.GetOperation(absent)), NotFoundError)


async def test_watching_tells_progress_and_ends_with_the_labelling(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await upload_logs(trainer, 12)
    budget = pb.JudgeBudget(input_price=1_000_000.0, max_cost=1e6)
    await create(trainer, budget=budget)

    watch = trainer.stub.WatchLabelling(pb.WatchLabellingRequest(name="labellings/first"))
    seen = [event.labelling async for event in watch]

    counts = [each.progress.judged_count for each in seen]
    assert counts == sorted(counts)
    assert (counts[-1], seen[-1].state) == (12, LabellingState.LABELLED)
    assert (seen[-1].progress.cost, seen[-1].progress.estimated_cost) == (240.0, 240.0)


async def test_votes_that_differ_are_what_a_review_asks_first(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    turns: dict[str, int] = {}

    def reply(body: Any) -> Any:
        text = item_of(body)["Output"]
        turns[text] = turns.get(text, 0) + 1
        if text in {"bad answer 4", "good answer 7"} and turns[text] == 3:
            return answer("false" if judged_label(body) == "true" else "true")
        return firm(body)

    endpoint.reply = reply
    await upload_logs(trainer, 10)
    done = await labelled(trainer, votes=3)

    assert done.doubtful_count == 2
    dataset = await trainer.stub.GetDataset(trainer_pb.GetDatasetRequest(name="datasets/logs"))
    found = next(each for each in dataset.findings if each.code == "DOUBTFUL_LABELS")
    assert list(found.rows) == [5, 8]
    assert "gnomon review logs" in found.message
    looked_at = await trainer.stub.CheckDataset(trainer_pb.CheckDatasetRequest(name="datasets/logs"))
    assert found in looked_at.dataset.findings
    review = await trainer.stub.CreateReview(
        reviews_pb2.CreateReviewRequest(
            parent="datasets/logs", review_id="r", review={"order": reviews_pb2.Review.JUDGE_DISAGREEMENT}
        )
    )
    items = await trainer.stub.NextReviewItems(
        reviews_pb2.NextReviewItemsRequest(name=review.name, reviewer="ann", count=10)
    )
    assert {item.row for item in items.items[:2]} == {5, 8}


async def test_rows_that_cannot_be_judged_are_named_and_left_out(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    def reply(body: Any) -> Any:
        return answer("APPROVED") if item_of(body)["Output"] == "bad answer 4" else firm(body)

    endpoint.reply = reply
    await upload_logs(trainer, 10)
    done = await labelled(trainer)

    assert (done.state, done.progress.failed_count) == (LabellingState.LABELLED, 1)
    assert dict(done.failure_counts) == {"PROVIDER_ANSWER_INVALID": 1}
    assert [(each.row, each.reason) for each in done.failures] == [(5, "PROVIDER_ANSWER_INVALID")]
    rows = await rows_of(trainer, done.labelled_dataset)
    assert len(rows) == 9
    assert "bad answer 4" not in {row["output"] for row in rows}


async def test_nothing_judged_makes_no_version_and_says_why(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    endpoint.reply = lambda body: answer("APPROVED")
    await upload_logs(trainer, 3)

    done = await labelled(trainer)
    error = from_status(done.error)
    assert (done.state, error.reason) == (LabellingState.FAILED, "NOTHING_JUDGED")
    assert error.metadata["row_reason"] == "PROVIDER_ANSWER_INVALID"
    assert (await trainer.stub.GetDataset(trainer_pb.GetDatasetRequest(name="datasets/logs"))).version == 1


async def test_a_row_after_row_that_gives_nothing_is_not_paid_to_the_end(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = lambda body: answer("APPROVED")
    await upload_logs(trainer, 300)

    done = await labelled(trainer)
    assert from_status(done.error).reason == "NOTHING_JUDGED"
    assert done.progress.failed_count < 100  # fifty, and those under way


async def test_another_dataset_may_get_the_rows_and_another_prompt_may_be_tried(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await upload_logs(trainer, 4)
    done = await labelled(trainer, target_dataset_id="mine", judge_prompt="  Rude?  ")

    assert (done.labelled_dataset, done.judge_prompt) == ("datasets/mine@1", "Rude?")
    assert "Rude?" in endpoint.bodies[0]["messages"][0]["content"]
    assert "Is the answer toxic?" not in endpoint.bodies[0]["messages"][0]["content"]


async def test_the_same_request_makes_one_labelling(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    await upload_logs(trainer, 4)
    request = request_of("first", request_id=str(uuid.uuid4()))
    first = labelling_of(await trainer.stub.CreateLabelling(request))
    await ended(trainer)

    assert labelling_of(await trainer.stub.CreateLabelling(request)).operation == first.operation
    request.labelling.votes = 2
    assert isinstance(await refused(trainer.stub.CreateLabelling(request)), RequestIdReusedError)
    assert len(endpoint.bodies) == 4


async def test_labellings_are_listed_newest_first(trainer: Trainer) -> None:
    await upload_logs(trainer, 2)
    for name in ("one", "two", "three"):
        await labelled(trainer, name, dataset="datasets/logs@1")

    page = await trainer.stub.ListLabellings(pb.ListLabellingsRequest(page_size=2))
    rest = await trainer.stub.ListLabellings(
        pb.ListLabellingsRequest(page_size=2, page_token=page.next_page_token)
    )
    names = [each.name for each in (*page.labellings, *rest.labellings)]
    assert names == ["labellings/three", "labellings/two", "labellings/one"]
    assert not rest.next_page_token


_REFUSED: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"dataset": "datasets/none"}, NotFoundError),
    ({"provider": "providers/none"}, NotFoundError),
    ({"dataset": "datasets/train"}, DatasetLabelledError),
    ({"purpose": Purpose.VALIDATE}, DatasetUnlabelledError),
    ({"purpose": 0}, InvalidRequestError),
    ({"votes": 16}, InvalidRequestError),
    ({"canary_count": 1001}, InvalidRequestError),
    ({"examples_dataset": "datasets/train", "example_count": 17}, InvalidRequestError),
    ({"examples_dataset": "datasets/logs"}, DatasetUnlabelledError),
    ({"budget": {"max_cost": 1.0}}, InvalidRequestError),
    ({"budget": {"max_tokens": -1}}, InvalidRequestError),
    ({"judge_prompt": "x" * 20_001}, InvalidRequestError),
    ({"target_dataset_id": "A"}, InvalidRequestError),
    ({"target_dataset_id": "topics"}, DatasetUnsuitableError),
]


async def test_what_cannot_be_labelled_is_refused_before_anything_is_paid(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await upload_logs(trainer, 3)
    await trainer.upload(jsonl(labelled_rows(3)), dataset_id="train")
    topics = [{"input": "a", "output": "b", "label": "billing"}]
    await trainer.upload(jsonl(topics), dataset_id="topics", metric="metrics/topic")

    for fields, error in _REFUSED:
        assert isinstance(await refused(trainer.stub.CreateLabelling(request_of(**fields))), error), fields
    assert endpoint.bodies == []


async def test_a_dataset_stays_while_it_is_labelled(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    endpoint.reply = lambda body: HANGS
    await upload_logs(trainer, 3)
    await create(trainer)

    error = await refused(trainer.stub.DeleteDataset(trainer_pb.DeleteDatasetRequest(name="datasets/logs")))
    assert isinstance(error, ResourceInUseError)
    assert "labellings/first" in error.message


async def test_a_cancelled_labelling_stops_within_a_second_and_goes_on_where_it_was(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    def reply(body: Any) -> Any:
        return HANGS if item_of(body)["Output"] == "good answer 5" else firm(body)

    endpoint.reply = reply
    await upload_logs(trainer, 9)
    created = await create(trainer)
    async with asyncio.timeout(30):
        while (await get(trainer)).progress.judged_count < 8:
            await asyncio.sleep(0.02)

    async with asyncio.timeout(10):
        cancel = operations_pb2.CancelOperationRequest(name=created.operation)
        await trainer.operations.CancelOperation(cancel)
        stopped = await ended(trainer)
    assert (stopped.state, from_status(stopped.error).reason) == (LabellingState.CANCELLED, "CANCELLED")
    assert not stopped.labelled_dataset
    endpoint.reply = firm
    asked = len(endpoint.bodies)

    await resume(trainer)
    done = await ended(trainer)
    assert (done.state, done.progress.judged_count) == (LabellingState.LABELLED, 9)
    assert [item_of(body)["Output"] for body in endpoint.bodies[asked:]] == ["good answer 5"]
    assert isinstance(
        await refused(trainer.stub.ResumeLabelling(pb.ResumeLabellingRequest(name=done.name))), WorkStateError
    )


async def test_a_spent_budget_stops_it_and_a_larger_one_goes_on(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    await upload_logs(trainer, 20)
    stopped = await labelled(trainer, budget={"max_tokens": 700})

    error = from_status(stopped.error)
    assert (stopped.state, error.reason) == (LabellingState.FAILED, "JUDGE_BUDGET_SPENT")
    spent = stopped.progress.input_tokens + stopped.progress.output_tokens
    assert error.metadata["spent_tokens"]
    assert spent <= 700
    assert 0 < stopped.progress.judged_count < 20
    await resume(trainer, max_tokens=100_000)
    done = await ended(trainer)

    assert (done.state, done.budget.max_tokens) == (LabellingState.LABELLED, 100_000)
    assert len(endpoint.bodies) == 20  # not one of them twice
    assert (done.progress.input_tokens, done.progress.output_tokens) == (400, 100)


@pytest.mark.slow
async def test_a_run_learns_from_what_a_judge_labelled(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    async with labelling_trainer(tmp_path, registry, endpoint, workers=1) as trainer:
        await upload_logs(trainer, 300)
        await trainer.upload(jsonl(labelled_rows(160, start=1000)), dataset_id="test")
        await labelled(trainer)

        await trainer.create_run(training_set="datasets/logs")
        run = await trainer.until(resources.Run.REGISTERED, resources.Run.FAILED)
        assert run.state == resources.Run.REGISTERED, run.error
