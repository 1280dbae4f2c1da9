"""Generations over the real wire: a real trainer, a scripted endpoint, a model that writes well."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gnomon.bundle import LineageRecord, parse_evaluator
from gnomon.errors import (
    GenerationSeedsMissingError,
    GenerationShapeUnsupportedError,
    InvalidRequestError,
)
from gnomon.v1 import generations_pb2 as pb
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from gnomon_trainer import judging_wiring
from gnomon_trainer.adapters.tables import paid_answers
from tests.trainer.fake_endpoint import KEY, FakeEndpoint, fake_endpoint
from tests.trainer.fake_registry import TOPIC, TOXICITY, FakeRegistry
from tests.trainer.fake_writer import KIND, RUDE, FakeWriter, data_of, system_of
from tests.trainer.generating import (
    Reason,
    State,
    approved,
    dataset_rows,
    generating_trainer,
    labelled_by_people,
    make_provider,
    output_of,
    prompted,
    rows_of,
    sample,
    settled,
)
from tests.trainer.running import Trainer, jsonl, refused, run_request
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
    with trainer.app.database.read() as connection:  # answers whose rows are stored are needed no more
        assert not connection.execute(select(paid_answers)).all()
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
    assert all(
        said in done.card for said in ("tiny-1", "127.0.0.1", "Shorter, please.", "Is the answer toxic?")
    )
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


def made_from(folder: Path) -> LineageRecord:
    (bundle,) = folder.glob("data/runs/**/evaluator.json")
    return parse_evaluator(bundle.read_bytes()).lineage


@pytest.mark.slow
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
        lineage = made_from(tmp_path)
        assert (lineage.generation, lineage.generator) == ("generations/first", "providers/main (tiny-1)")
        (found,) = [entry for entry in run.findings if entry.code == "TEST_SEEDS_LEFT_OUT"]
        assert set(found.rows) >= seeds
        assert run.report.test_rows == 61 - found.row_count
        assert found.message in run.report.warnings
        request = trainer_pb.ListPredictionsRequest(parent=run.name, page_size=1000)
        predicted = {p.row for p in (await trainer.stub.ListPredictions(request)).predictions}
        assert not predicted & seeds
        assert len(predicted) == run.report.test_rows
        assert (1 in seeds) == (61 in found.rows)  # its echo goes where it goes

        # Rows that were downloaded and put together with others still say what they were made from.
        mixed = [*await dataset_rows(trainer, "datasets/first"), *labelled_by_people(400)[300:]]
        await trainer.upload(jsonl(mixed), dataset_id="mixed")
        made = await trainer.create_run(run_id="third", training_set="datasets/mixed", allow_small=True)
        (again,) = [entry for entry in made.findings if entry.code == "TEST_SEEDS_LEFT_OUT"]
        shown = {int(place.rpartition("#")[2]) for row in mixed for place in row.get("generated_from", ())}
        assert shown <= set(again.rows) <= set(found.rows)
        await trainer.until(resources.Run.State.REGISTERED, name="projects/demo/runs/third")

        await trainer.upload(jsonl(labelled_by_people(400)[200:]), dataset_id="people")
        await trainer.create_run(run_id="second", training_set="datasets/people", allow_small=True)
        other = await trainer.until(resources.Run.State.REGISTERED, name="projects/demo/runs/second")
        assert not [entry for entry in other.findings if entry.code == "TEST_SEEDS_LEFT_OUT"]
        both = trainer_pb.CompareRunsRequest(first_run=run.name, second_run=other.name)
        assert (await trainer.stub.CompareRuns(both)).row_count == run.report.test_rows


async def test_a_test_set_that_is_all_seeds_but_a_few_is_refused(
    trainer: Trainer, writer: FakeWriter
) -> None:
    await trainer.upload(jsonl(labelled_by_people(5)), dataset_id="five")
    await sample(trainer, test_set="datasets/five", seed_share=0.5, row_count=24)
    await approved(trainer)
    request = run_request(training_set="datasets/first", test_set="datasets/five", allow_small=True)

    error = await refused(trainer.stub.CreateRun(request))

    assert error.reason == "DATASET_TOO_SMALL"
    assert "seeds of the training set not counted" in error.message


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

    async def error(generation_id: str = "", **fields: Any) -> Any:
        values = {"metric": "metrics/toxicity", "provider": "providers/main", "test_set": "datasets/test"}
        generation = pb.Generation(**values | fields)
        request = pb.CreateGenerationRequest(generation_id=generation_id, generation=generation)
        return await refused(trainer.stub.CreateGeneration(request))

    assert isinstance(await error(metric="metrics/whole"), GenerationShapeUnsupportedError)
    await trainer.upload(jsonl(labelled_by_people(4)), dataset_id="mine")
    assert "judge prompt" in (await error(metric="metrics/topic")).message
    for fields in (
        {"seed_share": 0.9},
        {"row_count": 10},
        {"class_balance": {"maybe": 1.0}},
        {"dataset_id": "test"},
        {"votes": 99},
        {"row_count": -1},
        {"generation_id": "mine"},  # where it would become the next version of what people labelled
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
