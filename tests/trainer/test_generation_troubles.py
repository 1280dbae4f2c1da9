"""Generations over the real wire: models that misbehave, budgets, cancellations."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.longrunning import operations_pb2

from gnomon.errors import (
    WorkStateError,
)
from gnomon.v1 import generations_pb2 as pb
from gnomon.v1 import labellings_pb2 as labellings
from gnomon_trainer import judging_wiring
from tests.trainer.fake_endpoint import FakeEndpoint, completion, failure, fake_endpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.fake_writer import RUDE, FakeWriter, item
from tests.trainer.generating import (
    Reason,
    State,
    approved,
    generating_trainer,
    labelled_by_people,
    make_provider,
    output_of,
    rows_of,
    sample,
    settled,
)
from tests.trainer.running import Trainer, codes, jsonl, refused
from tests.trainer.trainer_with_quick_probe import QuickProbe


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    async with fake_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def quick_probe(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "slow" not in request.keywords:
        monkeypatch.setattr(judging_wiring, "ProcessDriftProbe", QuickProbe)


@pytest.fixture
def writer(endpoint: FakeEndpoint) -> FakeWriter:
    endpoint.reply = writer = FakeWriter()
    return writer


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    async with generating_trainer(tmp_path, registry, endpoint) as trainer:
        await make_provider(trainer, endpoint)
        await trainer.upload(jsonl(labelled_by_people(100)), dataset_id="test")
        yield trainer


async def test_what_a_model_does_wrong_is_dropped_and_counted(trainer: Trainer, writer: FakeWriter) -> None:
    people = labelled_by_people(100)

    def make(label: str, number: int) -> Any:
        match number % 8:
            case 0:
                return {"input": "only half of a row"}
            case 1:
                return {**item(label, number), "documents": ["invented"]}
            case 2:
                return {**item(label, number), "label": "very toxic"}
            case 3:
                return {name: people[number % 100][name].upper() for name in ("input", "output")}
            case 4:
                return item(label, 77_000)  # the same one each time
            case 5:
                return item("false" if label == "true" else "true", number)
            case _:
                return item(label, number)

    writer.make = make
    found = await sample(trainer, sample_row_count=16)

    dropped = found.progress.dropped
    assert found.state == State.AWAITING_REVIEW
    assert dropped.unusable >= 3
    assert dropped.copies_seed + dropped.copies_test_row >= 1
    assert dropped.repeats_row >= 1
    assert dropped.judged_otherwise >= 1
    shown = await rows_of(trainer)
    assert len(shown) == 16 == len({output_of(row) for row in shown})
    taken = {row["output"].casefold() for row in people}
    assert not {output_of(row).casefold() for row in shown} & taken
    assert all((RUDE in output_of(row)) == (row.label == "true") for row in shown)


async def test_a_model_that_only_repeats_itself_ends_with_what_there_is(
    trainer: Trainer, writer: FakeWriter
) -> None:
    writer.make = lambda label, number: item(label, 50_000 + number % 3)

    found = await sample(trainer)

    assert found.state == State.AWAITING_REVIEW
    assert 2 <= found.progress.kept_count < 8
    assert found.progress.asked_count <= 5 * 8 + 2 * 20
    done = await approved(trainer)
    assert codes(done.findings) == ["FEWER_ROWS_THAN_WANTED"]
    assert done.diversity.near_duplicate_share > 0.5


async def test_a_model_that_writes_nothing_usable_fails_with_the_reasons_and_can_be_resumed(
    trainer: Trainer, writer: FakeWriter, endpoint: FakeEndpoint
) -> None:
    endpoint.reply = lambda body: completion("I would rather not.")
    found = await sample(trainer)

    assert found.state == State.FAILED
    assert "GENERATION_YIELD_TOO_LOW" in str(found.error)
    assert found.progress.dropped.unusable == found.progress.asked_count > 0

    endpoint.reply = writer
    await trainer.stub.ResumeGeneration(pb.ResumeGenerationRequest(name="generations/first"))
    assert (await settled(trainer)).state == State.AWAITING_REVIEW


async def test_an_endpoint_without_schemas_is_asked_for_less(
    trainer: Trainer, writer: FakeWriter, endpoint: FakeEndpoint
) -> None:
    def reply(body: Any) -> Any:
        if "response_format" in body or "logprobs" in body:
            return failure("400 Bad Request", "unknown field")
        return writer(body)

    endpoint.reply = reply
    assert (await sample(trainer)).state == State.AWAITING_REVIEW


async def test_a_generator_is_bound_to_the_number_of_items_where_an_endpoint_knows_lengths(
    trainer: Trainer, writer: FakeWriter, endpoint: FakeEndpoint
) -> None:
    """As llama.cpp's Python server, which knows no other form, and whose models write on and on."""

    def reply(body: Any) -> Any:
        known = "schema" in body.get("response_format", {})
        return writer(body) if known else failure("500 Internal Server Error", "Oops.")

    endpoint.reply = reply
    assert (await sample(trainer)).state == State.AWAITING_REVIEW
    numbers = [body["response_format"]["schema"]["properties"]["items"]["maxItems"] for body in writer.asked]
    assert numbers
    assert set(numbers) <= {1, 2, 3, 4, 5}
    assert not any("maxItems" in str(body) for body in endpoint.bodies if "json_schema" in str(body))


async def test_a_spent_budget_ends_it_and_a_larger_one_goes_on(
    trainer: Trainer, writer: FakeWriter, endpoint: FakeEndpoint
) -> None:
    usage = {"prompt_tokens": 900, "completion_tokens": 100}
    endpoint.reply = lambda body: writer(body) | {"usage": usage}
    small = labellings.JudgeBudget(max_tokens=6_000)  # of the ten calls that it takes, some
    found = await sample(trainer, budget=small)

    assert found.state == State.FAILED
    assert "JUDGE_BUDGET_SPENT" in str(found.error)
    assert 0 < found.progress.input_tokens + found.progress.output_tokens < 10_000
    paid = len(writer.asked) + len(writer.judgements)

    larger = labellings.JudgeBudget(max_tokens=200_000)
    await trainer.stub.ResumeGeneration(pb.ResumeGenerationRequest(name="generations/first", budget=larger))
    assert (await settled(trainer)).state == State.AWAITING_REVIEW
    texts = [body["messages"][1]["content"] for body in (*writer.asked, *writer.judgements)]
    assert len(texts) == len(set(texts)) > paid  # nothing was asked twice


async def test_it_is_cancelled_and_resumed(trainer: Trainer, writer: FakeWriter) -> None:
    await sample(trainer)
    generation = await trainer.stub.GetGeneration(pb.GetGenerationRequest(name="generations/first"))
    await trainer.operations.CancelOperation(operations_pb2.CancelOperationRequest(name=generation.operation))

    cancelled = await settled(trainer)
    assert cancelled.state == State.CANCELLED
    error = await refused(trainer.stub.ApproveSample(pb.ApproveSampleRequest(name="generations/first")))
    assert isinstance(error, WorkStateError)

    await trainer.stub.ResumeGeneration(pb.ResumeGenerationRequest(name="generations/first"))
    assert (await settled(trainer)).state == State.AWAITING_REVIEW
    assert len(await rows_of(trainer)) == 8


async def test_a_sample_that_was_turned_down_meanwhile_is_not_approved(
    trainer: Trainer, writer: FakeWriter
) -> None:
    await sample(trainer)
    await trainer.stub.RegenerateSample(
        pb.RegenerateSampleRequest(name="generations/first", reason=Reason.OFF_TOPIC, sample_number=1)
    )
    await settled(trainer)

    late = pb.ApproveSampleRequest(name="generations/first", sample_number=1)
    assert isinstance(await refused(trainer.stub.ApproveSample(late)), WorkStateError)


async def test_rows_that_were_turned_down_do_not_come_again(trainer: Trainer, writer: FakeWriter) -> None:
    await sample(trainer)
    before = {output_of(row) for row in await rows_of(trainer)}
    writer.number -= 8  # the model writes the same rows again, and goes on from there

    await trainer.stub.RegenerateSample(
        pb.RegenerateSampleRequest(name="generations/first", reason=Reason.LABELS_WRONG)
    )
    found = await settled(trainer)

    assert found.progress.kept_count == 8
    assert found.progress.dropped.repeats_row == 8
    assert not before & {output_of(row) for row in await rows_of(trainer)}
