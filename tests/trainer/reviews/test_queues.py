"""Which rows people are asked about and what they are shown, over the wire."""

from typing import Any

import pytest

from gnomon.errors import (
    AlreadyExistsError,
    DatasetUnsuitableError,
    InvalidRequestError,
    NotFoundError,
    RequestIdReusedError,
)
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import reviews_pb2 as pb
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.reviews.reviewing import REVIEW, FakeProbe, Reason, create, following, say
from tests.trainer.running import Trainer, jsonl, labelled_rows, refused


async def test_the_least_believed_labels_are_asked_first_and_say_why(
    trainer: Trainer, probe: FakeProbe
) -> None:
    review = await create(trainer, limit=4)

    answer = await following(trainer, count=10)

    assert (review.name, review.dataset, review.item_count, review.open_count) == (
        REVIEW,
        "datasets/train@1",
        4,
        4,
    )
    assert [item.row for item in answer.items] == [7, 4, 18, 1]
    assert answer.left_count == 4
    worst = answer.items[0]
    assert (worst.label, worst.expected_label, worst.reason) == ("true", "false", Reason.LABEL_NOISE)
    assert (worst.label_probability, worst.rank) == (pytest.approx(0.01), 1)
    assert worst.instance.span.output[0].content == "answer 6"
    assert answer.items[3].reason == Reason.NO_SIGNAL
    assert probe.asked == [40]


async def test_a_judge_alone_orders_without_asking_the_probe(trainer: Trainer, probe: FakeProbe) -> None:
    rows = labelled_rows(40)
    rows[9] |= {"judge_label": "yes"}
    rows[10] |= {"judge_label": "true"}
    rows[20] |= {"label_probabilities": {"true": 0.3, "false": 0.7}, "judge_label": "nonsense"}
    await trainer.upload(jsonl(rows))

    await create(trainer, order="JUDGE_DISAGREEMENT", limit=5)

    items = (await following(trainer, count=5)).items
    assert [item.row for item in items] == [10, 21, 11, 1, 2]
    assert [item.judge_label for item in items] == ["true", "false", "true", "", ""]
    assert (items[0].reason, items[2].reason) == (Reason.JUDGE_DISAGREEMENT, Reason.NO_SIGNAL)
    assert items[1].judge_share == pytest.approx(0.3)
    assert probe.asked == []


@pytest.mark.parametrize("order", ["COMBINED", "LABEL_NOISE", "JUDGE_DISAGREEMENT", "LOW_MARGIN"])
async def test_labels_of_a_judge_that_nobody_settled_are_asked_before_those_of_people(
    trainer: Trainer, order: str
) -> None:
    rows = labelled_rows(40)
    for n in (30, 33, 38):
        rows[n] |= {"judge_label": str(rows[n]["label"]).lower(), "judge_explanation": "Because."}
    rows[5] |= {"judge_label": "true"}  # a second opinion: the label is a person's
    rows[38] |= {"label_review": {"time": "2026-01-01T00:00:00.000Z"}}
    await trainer.upload(jsonl(rows))

    await create(trainer, order=order, limit=2)

    assert {item.row for item in (await following(trainer, count=5)).items} == {31, 34}


async def test_a_blind_review_tells_no_label_in_any_field(trainer: Trainer) -> None:
    rows = [row | {"judge_label": "false", "source": "web", "n": 3} for row in labelled_rows(40)]
    rows[6] |= {"label_probabilities": {"true": 1.0}}
    await trainer.upload(jsonl(rows))

    await create(trainer, blind=True)

    items = (await following(trainer, count=50)).items
    assert len(items) == 40
    for item in items:
        told = {field.name for field, _ in item.ListFields()}
        assert told == {"row", "rank", "instance", "columns"}
        assert dict(item.columns) == {"source": "web", "n": "3"}


@pytest.mark.parametrize("judge_column", ["", "second_opinion"])
async def test_a_blind_review_hides_what_judges_applications_and_people_said(
    trainer: Trainer, judge_column: str
) -> None:
    said = {
        "judge_label": "maybe",
        "judge_explanation": "Insults.",
        "second_opinion": "true, I think",
        "score_label": "false",
        "score_probability": 0.9,
        "reviewer": "ann",
        "held_out": True,
        "review_time": 1.0,
        "metric_version": "metrics/toxicity/versions/1",
        "gold": " TRUE",
        "mturk": ["no", "hm"],
        "shares": '{"False": 0.8}',
        "n": 1,
        "source": "web",
    }
    await trainer.upload(jsonl([row | said for row in labelled_rows(40)]))

    await create(trainer, blind=True, judge_column=judge_column)
    await create(trainer, blind=False, review_id="seen")

    (item,) = (await following(trainer)).items
    own = {} if judge_column else {"second_opinion": "true, I think"}
    assert dict(item.columns) == {"source": "web"} | own
    (item,) = (await following(trainer, name="datasets/train/reviews/seen")).items
    assert dict(item.columns).keys() == said.keys()


async def test_a_review_of_labels_that_are_no_classes_any_more_is_refused(
    trainer: Trainer, registry: FakeRegistry
) -> None:
    metric = resources.Metric()
    metric.CopyFrom(registry.metrics["metrics/topic"])
    rows = [{"input": f"q {n}", "label": "other"} for n in range(10)]
    await trainer.upload(jsonl(rows), dataset_id="topics", metric="metrics/topic")
    del metric.classes[2]
    registry.metrics["metrics/topic"] = metric

    error = await refused(create(trainer, "datasets/topics"))

    assert isinstance(error, DatasetUnsuitableError)
    assert "'other'" in error.message


@pytest.mark.parametrize(
    "fields", [{"limit": 20_001}, {"limit": -1}, {"reviewers_per_row": 3}, {"order": 99}]
)
async def test_what_cannot_be_reviewed_so_is_refused(trainer: Trainer, fields: dict[str, Any]) -> None:
    assert isinstance(await refused(create(trainer, **fields)), InvalidRequestError)


async def test_a_review_is_made_once_for_a_request(trainer: Trainer, probe: FakeProbe) -> None:
    request_id = "6f0b3f7c-9a52-4d0e-8a5d-6c3d0a4f1e11"
    first = await create(trainer, review_id="", request_id=request_id)
    again = await create(trainer, review_id="", request_id=request_id)

    assert first == again
    assert probe.asked == [40]
    other = await refused(create(trainer, review_id="", request_id=request_id, limit=3))
    assert isinstance(other, RequestIdReusedError)
    await create(trainer)
    assert isinstance(await refused(create(trainer)), AlreadyExistsError)


async def test_reviews_are_listed_newest_first_page_by_page(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_rows(20)), dataset_id="other")
    for parent, review in (("datasets/train", "a"), ("datasets/other", "b"), ("datasets/train", "c")):
        await create(trainer, parent, review_id=review)
    request = pb.ListReviewsRequest(parent="datasets/-", page_size=2)

    first = await trainer.stub.ListReviews(request)
    request.page_token = first.next_page_token
    second = await trainer.stub.ListReviews(request)

    assert [review.name[-1] for review in (*first.reviews, *second.reviews)] == ["c", "b", "a"]
    of_train = await trainer.stub.ListReviews(pb.ListReviewsRequest(parent="datasets/train"))
    assert [review.name[-1] for review in of_train.reviews] == ["c", "a"]


async def test_what_is_not_there_is_not_found(trainer: Trainer) -> None:
    for call in (create(trainer, "datasets/absent"), following(trainer), say(trainer, 1, "true")):
        assert isinstance(await refused(call), NotFoundError)
    await create(trainer, limit=3)
    assert isinstance(await refused(say(trainer, 40, "true")), NotFoundError)
