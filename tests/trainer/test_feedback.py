"""Feedback over the real wire: recorded entry by entry, and learned from by the next run."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gnomon import convert, errors
from gnomon.instances import SpanKind, text_span
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc import pages
from gnomon_trainer import wiring
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import State, Trainer, jsonl, labelled_rows, refused, run_of, trainer_at, two_sets

V1 = "metrics/toxicity/versions/1"


@pytest.fixture
def registry(registry: FakeRegistry) -> FakeRegistry:
    registry.made_by[V1] = "projects/demo/runs/first"
    registry.aliases["metrics/toxicity/versions/production"] = V1
    return registry


def entry(text: str = "a", label: str = "true", **fields: Any) -> resources.Feedback:
    values = {
        "metric_version": V1,
        "instance": convert.instance_to_proto(
            text_span(input=f"question {text}", output=f"answer {text}", kind=SpanKind.LLM)
        ),
        "label": label,
        "score_label": "false",
    }
    return resources.Feedback(**(values | fields))


async def record(trainer: Trainer, *entries: resources.Feedback, request_id: str = "") -> Sequence[Any]:
    request = pb.RecordFeedbackRequest(entries=entries, request_id=request_id)
    return list((await trainer.stub.RecordFeedback(request)).outcomes)


async def listed(trainer: Trainer, **fields: Any) -> Sequence[resources.Feedback]:
    request = pb.ListFeedbackRequest(parent="metrics/toxicity", **fields)
    return list((await trainer.stub.ListFeedback(request)).feedback)


async def rows_of(trainer: Trainer, dataset: str) -> list[dict[str, Any]]:
    parts = trainer.stub.DownloadDataset(pb.DownloadDatasetRequest(name=dataset))
    return [json.loads(line) for line in b"".join([part.content async for part in parts]).splitlines()]


async def train(trainer: Trainer, version: str = V1, run_id: str = "second", **fields: Any) -> resources.Run:
    request = pb.TrainFromFeedbackRequest(metric_version=version, run_id=run_id, **fields)
    return run_of(await trainer.stub.TrainFromFeedback(request))


async def test_an_entry_comes_back_as_it_was_recorded(trainer: Trainer) -> None:
    said = entry(
        metric_version="metrics/toxicity/versions/production",
        score_probability=0.75,
        reviewer="ann",
        comment="It is a promise.",
        external_id="row 7",
    )
    said.review_time.FromSeconds(1_700_000_000)

    (outcome,) = await record(trainer, said)
    (stored,) = await listed(trainer)

    assert outcome.feedback == stored
    assert stored.name.startswith("metrics/toxicity/feedback/")
    assert stored.metric_version == V1
    for field in (
        "instance",
        "label",
        "score_label",
        "score_probability",
        "reviewer",
        "comment",
        "external_id",
    ):
        assert getattr(stored, field) == getattr(said, field)
    assert stored.review_time == said.review_time


async def test_an_entry_that_cannot_be_stored_does_not_fail_its_neighbours(trainer: Trainer) -> None:
    empty = convert.instance_to_proto(text_span(input="question", output="  "))
    bad = {
        "class": entry(label="maybe"),
        "score's class": entry(score_label="maybe"),
        "shape": entry(instance=convert.instance_to_proto(text_span(input="question"))),
        "empty text": entry(instance=empty),
        "nothing": entry(instance=resources.Instance()),
        "version": entry(metric_version="metrics/toxicity/versions/9"),
        "name": entry(metric_version="toxicity"),
        "probability": entry(score_probability=1.5),
        "missing": entry(label=""),
    }

    outcomes = await record(trainer, entry("a"), *bad.values(), entry("b"))

    assert [outcome.HasField("feedback") for outcome in outcomes] == [True, *[False] * len(bad), True]
    found = dict(zip(bad, (type(from_status(o.error)) for o in outcomes[1:-1]), strict=True))
    assert found == {
        "class": errors.InvalidRequestError,
        "score's class": errors.InvalidRequestError,
        "shape": errors.InstanceInvalidError,
        "empty text": errors.InstanceInvalidError,
        "nothing": errors.InstanceInvalidError,
        "version": errors.NotFoundError,
        "name": errors.InvalidRequestError,
        "probability": errors.InvalidRequestError,
        "missing": errors.InvalidRequestError,
    }
    assert len(await listed(trainer)) == 2


async def test_feedback_is_recorded_beside_uploads_that_take_their_time(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "_HEAVY_AT_ONCE", 0)  # all places are taken
    async with trainer_at(tmp_path, registry) as trainer, asyncio.timeout(10):
        (outcome,) = await record(trainer, entry())

    assert outcome.HasField("feedback")


async def test_the_same_request_again_stores_nothing_and_answers_the_same(trainer: Trainer) -> None:
    request_id = str(uuid.uuid4())
    entries = entry("a"), entry(label="maybe"), entry("b")

    first = await record(trainer, *entries, request_id=request_id)
    again = await record(trainer, *entries, request_id=request_id)
    other = pb.RecordFeedbackRequest(entries=[entry("c")], request_id=request_id)

    assert first == again
    assert len(await listed(trainer)) == 2
    assert isinstance(await refused(trainer.stub.RecordFeedback(other)), errors.RequestIdReusedError)


async def test_an_applications_own_id_is_stored_once_and_never_means_two_things(trainer: Trainer) -> None:
    (first,) = await record(trainer, entry(external_id="7"))
    again, other = await record(trainer, entry(external_id="7"), entry(external_id="7", label="false"))

    assert again.feedback == first.feedback
    assert isinstance(from_status(other.error), errors.AlreadyExistsError)
    assert len(await listed(trainer)) == 1


async def test_pages_of_feedback_are_whole(trainer: Trainer) -> None:
    await record(trainer, *(entry(f"number {n}") for n in range(5)))

    request = pb.ListFeedbackRequest(parent="metrics/toxicity", page_size=2)
    names = []
    while True:
        page = await trainer.stub.ListFeedback(request)
        names += [said.name for said in page.feedback]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert len(set(names)) == 5


async def test_pages_of_large_entries_are_small_enough_to_be_read(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(trainer, *(entry(f"{n} " + "x" * 1000) for n in range(5)))
    size = (await listed(trainer))[0].ByteSize()
    monkeypatch.setattr(pages, "PAGE_BYTES", 2 * size + 100)

    request, counts = pb.ListFeedbackRequest(parent="metrics/toxicity"), []
    while not counts or request.page_token:
        page = await trainer.stub.ListFeedback(request)
        counts.append(len(page.feedback))
        request.page_token = page.next_page_token

    assert counts == [2, 2, 1]


async def test_of_two_words_on_a_text_the_last_one_counts_and_both_are_kept(trainer: Trainer) -> None:
    await record(trainer, entry("Same!", "true"), entry("other", "true"))
    await record(trainer, entry("same", "false"))

    request = pb.CollectFeedbackRequest(parent="metrics/toxicity")
    dataset = await trainer.stub.CollectFeedback(request)
    rows = await rows_of(trainer, dataset.name)

    assert len(await listed(trainer)) == 3
    assert {row["input"]: row["label"] for row in rows} == {
        "question same": "false",
        "question other": "true",
    }
    assert {
        "score_label",
        "score_probability",
        "reviewer",
        "review_time",
        "metric_version",
        "held_out",
    } <= set(dataset.extra_columns)


async def test_collecting_no_feedback_says_what_to_do(trainer: Trainer) -> None:
    request = pb.CollectFeedbackRequest(parent="metrics/toxicity")
    assert isinstance(await refused(trainer.stub.CollectFeedback(request)), errors.FeedbackMissingError)


async def test_the_next_run_learns_the_last_ones_rows_with_what_people_said_since(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        await trainer.create_run(parameters={"seed": 3, "epochs": 1})
        first = await trainer.until(State.REGISTERED)
        new = [entry(f"live {n}", "true" if n % 2 else "false", score_label="false") for n in range(40)]
        known = entry("0", "true")  # what the training set says already
        relabelled = entry("1", "true")  # `false` there
        tested = entry("100000", "false")  # of the test set, where it is `true`
        outcomes = await record(trainer, *new, known, relabelled, tested)
        held_out = {o.feedback.instance.span.input[0].content for o in outcomes[:40] if o.feedback.held_out}

        await train(trainer, "metrics/toxicity/versions/production")
        second = await trainer.until(State.REGISTERED, name="projects/demo/runs/second")
        origin = second.feedback_origin
        learned = await rows_of(trainer, second.training_set)
        compared = await rows_of(trainer, origin.held_out_set)

    assert (second.recipe, second.test_set) == (first.recipe, first.test_set)
    assert second.parameters == first.parameters
    assert (origin.metric_version, origin.run) == (V1, first.name)
    assert len(held_out) == origin.held_out_rows == 8
    assert (origin.added_rows, origin.relabelled_rows, origin.known_rows) == (32, 1, 1)
    assert (origin.test_rows, origin.contradicting_test_rows) == (1, 1)
    assert {row["input"] for row in compared} == held_out
    assert len(learned) == 300 + 32
    assert {row["input"] for row in learned}.isdisjoint(held_out | {"question 100000"})
    assert next(row["label"] for row in learned if row["input"] == "question 1") == "true"
    assert [label for label, n in [("true", 4), ("false", 4)] if _count(compared, label) == n] == [
        "true",
        "false",
    ]


def _count(rows: Sequence[dict[str, Any]], label: str) -> int:
    return sum(row["label"] == label for row in rows)


async def test_a_corrected_row_loses_the_shares_that_its_old_label_came_with(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry) as trainer:
        rows = labelled_rows(300)
        for row in rows:
            row["label_probabilities"] = {"true": 0.9, "false": 0.1} if row["label"] else {"false": 1.0}
        await trainer.upload(jsonl(rows), dataset_id="train")
        await trainer.upload(jsonl(labelled_rows(160, start=100_000)), dataset_id="test")
        await trainer.create_run()
        await record(trainer, entry("0", "false", score_label="true"))
        run = await train(trainer)
        learned = await rows_of(trainer, run.training_set)

    assert (learned[0]["label"], learned[0].get("label_probabilities")) == ("false", None)
    assert learned[1]["label_probabilities"] == {"false": 1.0}


async def test_what_is_held_out_stays_so_in_all_later_trainings(trainer: Trainer) -> None:
    await two_sets(trainer)
    await trainer.create_run()
    await record(trainer, *(entry(f"live {n}") for n in range(20)))
    second = await train(trainer)
    trainer.registry.made_by["metrics/toxicity/versions/2"] = second.name
    await record(trainer, *(entry(f"later {n}") for n in range(20)))
    third = await train(trainer, "metrics/toxicity/versions/2", "third")
    learned = await rows_of(trainer, third.training_set)
    before = await rows_of(trainer, second.feedback_origin.held_out_set)
    now = await rows_of(trainer, third.feedback_origin.held_out_set)

    assert third.feedback_origin.added_rows == 16
    assert {row["input"] for row in before} < {row["input"] for row in now}
    assert {row["input"] for row in now}.isdisjoint(row["input"] for row in learned)


async def test_the_same_training_asked_for_twice_is_one_run(trainer: Trainer) -> None:
    await two_sets(trainer)
    await trainer.create_run()
    await record(trainer, entry("live one"), entry("live two"))
    request_id = str(uuid.uuid4())

    first = await train(trainer, request_id=request_id)
    await record(trainer, entry("live three"))
    again = await train(trainer, request_id=request_id)

    assert first == again


async def test_without_anything_new_no_run_is_queued(trainer: Trainer) -> None:
    await two_sets(trainer)
    await trainer.create_run()
    assert isinstance(await failed_training(trainer), errors.FeedbackMissingError)
    await record(trainer, entry("0", "true"))

    error = await failed_training(trainer)

    assert isinstance(error, errors.FeedbackMissingError)
    assert "1 rows are in its training set with the same label" in error.message


async def failed_training(trainer: Trainer, version: str = V1) -> errors.GnomonError:
    request = pb.TrainFromFeedbackRequest(metric_version=version, run_id="second")
    return await refused(trainer.stub.TrainFromFeedback(request))


async def test_a_version_that_cannot_be_gone_on_from_says_why_and_what_to_do(trainer: Trainer) -> None:
    registry = trainer.registry
    registry.made_by |= {
        "metrics/toxicity/versions/2": "",
        "metrics/toxicity/versions/3": "projects/demo/runs/lost",
    }
    await two_sets(trainer)
    run = await trainer.create_run()
    await record(trainer, entry("live"))

    missing = await failed_training(trainer, "metrics/toxicity/versions/9")
    elsewhere = await failed_training(trainer, "metrics/toxicity/versions/2")
    lost = await failed_training(trainer, "metrics/toxicity/versions/3")
    await trainer.cancel(run)
    await trainer.stub.DeleteDataset(pb.DeleteDatasetRequest(name="datasets/train"))
    deleted = await failed_training(trainer)

    assert isinstance(missing, errors.NotFoundError)
    for error, why in (
        (elsewhere, "not made by a training run"),
        (lost, "runs/lost"),
        (deleted, "datasets/train@1"),
    ):
        assert isinstance(error, errors.LineageMissingError)
        assert why in error.message
        assert "gnomon runs create" in error.message


async def test_a_metric_whose_classes_changed_is_not_trained_on_to_be_refused_later(trainer: Trainer) -> None:
    await two_sets(trainer)
    await trainer.create_run()
    await record(trainer, entry("live"))
    trainer.registry.metrics["metrics/toxicity"] = resources.Metric(
        name="metrics/toxicity", output_type="CATEGORICAL", step="LLM_SPAN", input_shape="INPUT_OUTPUT",
        classes=[resources.Metric.LabelClass(label=label) for label in ("false", "true", "unsure")],
    )  # fmt: skip

    assert isinstance(await failed_training(trainer), errors.RunsNotComparableError)


async def test_feedback_outlives_the_trainer(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry) as trainer:
        await record(trainer, entry("a"), entry("b"))
    async with trainer_at(tmp_path, registry) as trainer:
        assert len(await listed(trainer)) == 2


async def test_nothing_is_recorded_while_the_registry_is_away(trainer: Trainer) -> None:
    await trainer.registry.stop()

    error = await refused(trainer.stub.RecordFeedback(pb.RecordFeedbackRequest(entries=[entry()])))

    assert isinstance(error, errors.RegistryUnavailableError)
