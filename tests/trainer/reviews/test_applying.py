"""Reviews become versions, over the wire."""

from typing import Any

import pytest

from gnomon.errors import (
    DatasetUnsuitableError,
    EtagMismatchError,
    ReviewStateError,
)
from gnomon.names import ReviewName
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import reviews_pb2 as pb
from gnomon_trainer.adapters.sql_reviews import SqlReviewStore
from gnomon_trainer.domain import review_use_cases
from gnomon_trainer.domain.reviews import Answer, Said
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.reviews.reviewing import REVIEW, apply, create, following, say, stored, undo
from tests.trainer.running import Trainer, codes, jsonl, labelled_rows, refused


async def test_what_was_settled_becomes_the_next_version_with_who_and_when(trainer: Trainer) -> None:
    rows = labelled_rows(40)
    rows[6] |= {"label_probabilities": {"true": 0.8, "false": 0.2}, "source": "web"}
    rows[3] |= {"label_probabilities": {"false": 0.9, "true": 0.1}}
    await trainer.upload(jsonl(rows))
    await create(trainer)
    await say(trainer, 7, "false")
    await say(trainer, 4, "false")
    await say(trainer, 18)

    answer = await apply(trainer)

    made, review = answer.dataset, answer.review
    assert (made.version, made.review, made.source_filename) == (3, REVIEW, "datasets/train@2")
    assert (review.state, review.applied_version) == (pb.Review.APPLIED, "datasets/train@3")
    assert (review.corrected_count, review.settled_count, review.open_count) == (1, 2, 37)
    assert (made.row_count, dict(made.class_counts)) == (40, {"false": 21, "true": 19})
    before, after = await stored(trainer, "datasets/train@2"), await stored(trainer)
    assert [n for n in range(40) if before[n] != after[n]] == [3, 6]
    changed = after[6]
    told = changed.pop("label_review")
    assert changed == {"input": "question 6", "output": "answer 6", "label": "false", "source": "web"}
    assert told.pop("time").endswith("Z")
    assert told == {"review": REVIEW, "by": ["ann"], "label_before": "true"}
    assert after[3]["label_probabilities"] == {"false": 0.9, "true": 0.1}


async def test_a_row_that_is_still_disputed_stays_as_it_was_and_is_counted(trainer: Trainer) -> None:
    await create(trainer, reviewers_per_row=2, limit=3)
    for row, ann, ben in ((7, "false", "false"), (4, "true", "false")):
        await say(trainer, row, ann, reviewer="ann")
        await say(trainer, row, ben, reviewer="ben")

    answer = await apply(trainer)

    after = await stored(trainer)
    assert (answer.review.disagreement_count, after[3]["label"], "label_review" in after[3]) == (
        1,
        "false",
        False,
    )
    assert after[6]["label_review"]["by"] == ["ann", "ben"]
    everyone = await trainer.stub.ListReviewDecisions(pb.ListReviewDecisionsRequest(parent=REVIEW))
    assert len(everyone.decisions) == 4


async def test_an_applied_review_takes_nothing_more_and_applies_once_for_a_request(trainer: Trainer) -> None:
    await create(trainer)
    assert isinstance(await refused(apply(trainer)), ReviewStateError)
    await say(trainer, 7, "false")
    request_id = "6f0b3f7c-9a52-4d0e-8a5d-6c3d0a4f1e14"

    first = await apply(trainer, request_id=request_id)

    assert (await apply(trainer, request_id=request_id)).dataset == first.dataset
    for call in (apply(trainer), following(trainer), say(trainer, 4, "true"), undo(trainer)):
        assert isinstance(await refused(call), ReviewStateError)


async def test_settled_rows_are_not_asked_by_the_next_review_unless_wanted(trainer: Trainer) -> None:
    await create(trainer)
    await say(trainer, 7, "false")
    await apply(trainer)

    again = await create(trainer, review_id="second")
    whole = await create(trainer, review_id="third", include_reviewed=True)

    assert (again.item_count, whole.item_count) == (39, 40)


async def test_reviews_of_one_version_are_applied_one_after_the_other(trainer: Trainer) -> None:
    await create(trainer)
    await create(trainer, review_id="second")
    other = "datasets/train/reviews/second"
    await say(trainer, 7, "false")
    await say(trainer, 4, "true", name=other)
    await say(trainer, 7, "true", name=other)

    await apply(trainer)
    await apply(trainer, name=other)

    after = await stored(trainer)
    assert [after[n]["label"] for n in (3, 6)] == ["true", "true"]
    assert after[6]["label_review"]["label_before"] == "false"


async def test_a_review_is_not_applied_to_rows_that_were_uploaded_since(trainer: Trainer) -> None:
    await create(trainer)
    await say(trainer, 7, "false")
    await trainer.upload(jsonl(labelled_rows(30)))

    error = await refused(apply(trainer))

    assert isinstance(error, ReviewStateError)
    assert "datasets/train@2 was uploaded" in error.message


async def test_a_review_is_not_applied_with_labels_that_are_no_classes_any_more(
    trainer: Trainer, registry: FakeRegistry
) -> None:
    rows = [{"input": f"q {n}", "label": "billing"} for n in range(10)]
    await trainer.upload(jsonl(rows), dataset_id="topics", metric="metrics/topic")
    await create(trainer, "datasets/topics")
    name = "datasets/topics/reviews/first"
    await say(trainer, 1, "other", name=name)
    metric = resources.Metric()
    metric.CopyFrom(registry.metrics["metrics/topic"])
    del metric.classes[2]
    registry.metrics["metrics/topic"] = metric

    error = await refused(apply(trainer, name=name))

    assert isinstance(error, DatasetUnsuitableError)
    assert "'other'" in error.message


async def test_a_decision_that_is_made_while_a_review_is_applied_is_not_lost(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(trainer)
    await say(trainer, 7, "false")
    whole = review_use_cases.next_draft

    def interrupted(*given: Any, **named: Any) -> Any:
        late = Said(4, "ben", Answer.LABEL, "true")
        SqlReviewStore(trainer.app.database).record(ReviewName("train", "first"), late, None, 1.0)
        return whole(*given, **named)

    monkeypatch.setattr(review_use_cases, "next_draft", interrupted)
    assert isinstance(await refused(apply(trainer)), EtagMismatchError)
    monkeypatch.setattr(review_use_cases, "next_draft", whole)

    assert (await apply(trainer)).review.settled_count == 2


async def test_a_corrected_version_trains_and_its_columns_of_the_review_divide_no_report(
    trainer: Trainer,
) -> None:
    await trainer.upload(jsonl(labelled_rows(300)))
    await trainer.upload(jsonl(labelled_rows(160, start=100_000)), dataset_id="test")
    await create(trainer)
    await say(trainer, 7, "false")
    await apply(trainer)

    run = await trainer.create_run()

    assert run.training_set == "datasets/train@3"
    assert "LABEL_PROBABILITIES_DISAGREE" not in codes(run.findings)
