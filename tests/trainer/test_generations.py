"""Generations over the real wire: a real trainer, a scripted endpoint, models that misbehave."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.longrunning import operations_pb2

from gnomon.errors import (
    GenerationSeedsMissingError,
    GenerationShapeUnsupportedError,
    InvalidRequestError,
    WorkStateError,
)
from gnomon.v1 import generations_pb2 as pb
from gnomon.v1 import labellings_pb2 as labellings
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from gnomon_trainer import judging_wiring
from tests.trainer.fake_endpoint import KEY, FakeEndpoint, completion, failure, fake_endpoint
from tests.trainer.fake_registry import TOPIC, TOXICITY, FakeRegistry
from tests.trainer.fake_writer import KIND, RUDE, FakeWriter, data_of, item, system_of
from tests.trainer.running import Trainer, codes, jsonl, refused, run_request, trainer_at
from tests.trainer.trainer_with_quick_probe import QuickProbe

State = pb.Generation.State
Reason = pb.Generation.Reason


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


async def test_a_sample_is_made_turned_down_made_again_and_becomes_a_training_set(
    trainer: Trainer, writer: FakeWriter
) -> None:
    first = await sample(trainer)

    assert first.state == State.AWAITING_REVIEW
    assert (first.progress.kept_count, first.progress.wanted_count) == (8, 8)
    assert len(first.seed_rows) == 20
    shown = await rows_of(trainer)
    assert [row.row for row in shown] == list(range(1, 9))
    assert sorted(row.label for row in shown) == ["false"] * 4 + ["true"] * 4
    assert all((RUDE in output_of(row)) == (row.label == "true") for row in shown)
    seeds = {f"datasets/test@1#{number}" for number in first.seed_rows}
    assert all(set(row.generated_from) <= seeds and row.generated_from for row in shown)
    asked = len(writer.asked)

    wish = pb.RegenerateSampleRequest(name="generations/first", reason=Reason.OTHER, words="Shorter, please.")
    await trainer.stub.RegenerateSample(wish)
    second = await settled(trainer)

    assert (second.state, second.sample_number) == (State.AWAITING_REVIEW, 2)
    assert [(wish.reason, wish.words) for wish in second.wishes] == [(Reason.OTHER, "Shorter, please.")]
    assert second.progress.turned_down_count == 8
    assert all("Shorter, please." in system_of(body) for body in writer.asked[asked:])
    avoided = "items that were turned down: write nothing like them"
    turned_down = {output_of(row) for row in shown}
    assert all({row["output"] for row in data_of(b)[avoided]} <= turned_down for b in writer.asked[asked:])
    assert not {output_of(row) for row in await rows_of(trainer)} & turned_down

    done = await approved(trainer)

    assert (done.state, done.generated_dataset) == (State.GENERATED, "datasets/first@1")
    assert dict(done.class_counts) == {"false": 12, "true": 12}
    dataset = await trainer.stub.GetDataset(trainer_pb.GetDatasetRequest(name="datasets/first"))
    assert dataset.generation == "generations/first"
    rows = await dataset_rows(trainer, "datasets/first")
    assert [row["label_probabilities"][row["label"]] for row in rows] == [1.0] * 24
    assert {row["generator"] for row in rows} == {"providers/main (tiny-1)"}
    assert len(await rows_of(trainer)) == 24
    assert all(said in done.card for said in ("tiny-1", "127.0.0.1", "Shorter, please."))
    assert KEY not in done.card
    figures = {figure.key: figure for figure in done.diversity.figures}
    assert (done.diversity.auroc, figures["spread"].generated, figures["spread"].seeds) == (0.75, 0.24, 0.2)
    assert figures["distinct_1"].generated == pytest.approx(figures["distinct_1"].seeds, abs=0.2)


async def test_each_reason_changes_how_the_generator_is_asked(trainer: Trainer, writer: FakeWriter) -> None:
    await sample(trainer)
    plain = writer.asked[-1]
    assert (
        "why"
        not in plain["response_format"]["json_schema"]["schema"]["properties"]["items"]["items"]["properties"]
    )

    async def after(reason: Any) -> Sequence[Mapping[str, Any]]:
        start = len(writer.asked)
        await trainer.stub.RegenerateSample(
            pb.RegenerateSampleRequest(name="generations/first", reason=reason)
        )
        assert (await settled(trainer)).state == State.AWAITING_REVIEW
        return writer.asked[start:]

    wrong = await after(Reason.LABELS_WRONG)
    assert all("`why`" in system_of(body) for body in wrong)
    assert len(data_of(wrong[0])["examples"]) == 4
    off = await after(Reason.OFF_TOPIC)
    assert all("beside the topic" in system_of(b) and "`why`" in system_of(b) for b in off)
    assert len(data_of(off[0])["examples"]) == 8
    alike = await after(Reason.TOO_REPETITIVE)
    assert len(alike) == 4 > len(off)  # two rows a call instead of five


async def test_a_run_leaves_the_seeds_out_of_its_evaluation_and_says_so(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, writer: FakeWriter
) -> None:
    async with generating_trainer(tmp_path, registry, endpoint, workers=1) as trainer:
        await make_provider(trainer, endpoint)
        people = labelled_by_people(60)
        echo = people[0] | {"output": people[0]["output"].upper()}
        await trainer.upload(jsonl([*people, echo]), dataset_id="test")
        await sample(trainer)
        done = await approved(trainer)
        fields = {"training_set": "datasets/first", "allow_small": True}

        await trainer.create_run(**fields)
        run = await trainer.until(resources.Run.State.REGISTERED, resources.Run.State.FAILED)

        assert run.state == resources.Run.State.REGISTERED, run.error
        seeds = set(done.seed_rows)
        (found,) = [entry for entry in run.findings if entry.code == "TEST_SEEDS_LEFT_OUT"]
        assert set(found.rows) >= seeds
        assert run.report.test_rows == 61 - found.row_count
        assert found.message in run.report.warnings
        request = trainer_pb.ListPredictionsRequest(parent=run.name, page_size=1000)
        predicted = {p.row for p in (await trainer.stub.ListPredictions(request)).predictions}
        assert not predicted & seeds
        assert len(predicted) == run.report.test_rows
        assert (1 in seeds) == (61 in found.rows)  # its echo goes where it goes

        await trainer.upload(jsonl(labelled_by_people(400)[200:]), dataset_id="people")
        await trainer.create_run(run_id="second", training_set="datasets/people", allow_small=True)
        other = await trainer.until(resources.Run.State.REGISTERED, name="projects/demo/runs/second")
        assert not [entry for entry in other.findings if entry.code == "TEST_SEEDS_LEFT_OUT"]
        both = trainer_pb.CompareRunsRequest(first_run=run.name, second_run=other.name)
        assert (await trainer.stub.CompareRuns(both)).row_count == run.report.test_rows


async def test_a_test_set_that_is_all_seeds_but_a_few_is_refused(
    trainer: Trainer, writer: FakeWriter
) -> None:
    await sample(trainer, row_count=300, sample_row_count=4)
    await approved(trainer)
    error = await refused(trainer.stub.CreateRun(run_request(training_set="datasets/first")))

    assert error.reason == "DATASET_TOO_SMALL"
    assert "seeds of the training set not counted" in error.message


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


async def test_a_spent_budget_ends_it_and_a_larger_one_goes_on(trainer: Trainer, writer: FakeWriter) -> None:
    small = labellings.JudgeBudget(max_tokens=2_500)
    found = await sample(trainer, budget=small)

    assert found.state == State.FAILED
    assert "JUDGE_BUDGET_SPENT" in str(found.error)
    assert 0 < found.progress.input_tokens + found.progress.output_tokens <= 2_500
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


async def test_documents_are_those_of_seeds_word_for_word(
    trainer: Trainer, writer: FakeWriter, registry: FakeRegistry
) -> None:
    grounded = prompted(TOXICITY)
    grounded.name, grounded.input_shape = "metrics/grounded", "DOCUMENTS_INPUT_OUTPUT"
    registry.metrics["metrics/grounded"] = grounded
    people = [
        {**row, "documents": [f"Chapter {n} says {row['input']}"]}
        for n, row in enumerate(labelled_by_people(60))
    ]
    await trainer.upload(jsonl(people), dataset_id="cited", metric="metrics/grounded")

    found = await sample(trainer, metric="metrics/grounded", test_set="datasets/cited")

    assert found.state == State.AWAITING_REVIEW
    known = {number: people[number - 1]["documents"] for number in found.seed_rows}
    for row in await rows_of(trainer):
        documents = [document.content for document in row.instance.span.documents]
        from_seeds = [known[int(place.rpartition("#")[2])] for place in row.generated_from]
        assert documents in from_seeds
    assert all("documents" in data_of(body) for body in writer.asked)


async def test_what_cannot_be_generated_is_refused_before_anything_is_paid(
    trainer: Trainer, writer: FakeWriter, registry: FakeRegistry
) -> None:
    whole = prompted(TOXICITY)
    whole.name, whole.step, whole.input_shape = "metrics/whole", "TRACE", "WHOLE_TRACE"
    registry.metrics["metrics/whole"] = whole
    registry.metrics["metrics/topic"] = TOPIC

    async def error(**fields: Any) -> Any:
        values = {
            "metric": "metrics/toxicity",
            "provider": "providers/main",
            "test_set": "datasets/test",
        } | fields
        request = pb.CreateGenerationRequest(generation=pb.Generation(**values))
        return await refused(trainer.stub.CreateGeneration(request))

    assert isinstance(await error(metric="metrics/whole"), GenerationShapeUnsupportedError)
    assert "judge prompt" in (await error(metric="metrics/topic")).message
    for fields in (
        {"seed_share": 0.9},
        {"row_count": 10},
        {"class_balance": {"maybe": 1.0}},
        {"dataset_id": "test"},
        {"votes": 99},
        {"row_count": -1},
    ):
        assert isinstance(await error(**fields), InvalidRequestError), fields
    await trainer.upload(jsonl(labelled_by_people(3)), dataset_id="tiny")
    assert isinstance(await error(test_set="datasets/tiny", seed_share=0.1), GenerationSeedsMissingError)
    assert not writer.asked


@pytest.mark.slow
async def test_drift_is_measured_by_the_real_probe(trainer: Trainer, writer: FakeWriter) -> None:
    await sample(trainer)
    done = await approved(trainer)

    figures = {figure.key: figure for figure in done.diversity.figures}
    assert 0 <= done.diversity.auroc <= 1
    assert 0 < figures["spread"].generated < 1 > figures["spread"].seeds > 0
    assert 0 <= done.diversity.mean_distance < 0.5
    assert 0 <= done.diversity.mean_distance_of_seeds < 0.5


async def test_the_class_balance_is_kept(trainer: Trainer, writer: FakeWriter) -> None:
    await sample(trainer, class_balance={"false": 3.0, "true": 1.0})
    done = await approved(trainer)

    assert dict(done.class_counts) == {"false": 18, "true": 6}
    assert KIND in output_of((await rows_of(trainer))[0])
