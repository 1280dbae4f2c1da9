"""People look at labels again, through the trainer's real wire."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import (
    AlreadyExistsError,
    DatasetUnsuitableError,
    EtagMismatchError,
    InvalidRequestError,
    NotFoundError,
    RequestIdReusedError,
    ReviewStateError,
)
from gnomon.names import ReviewName
from gnomon.rendering import Rendered
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import reviews_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from gnomon_rpc import pages
from gnomon_trainer import wiring
from gnomon_trainer.adapters.sql_reviews import SqlReviewStore
from gnomon_trainer.api import review_calls
from gnomon_trainer.api.review_messages import progress_message
from gnomon_trainer.domain import review_use_cases
from gnomon_trainer.domain.label_checks import Opinion, Suspect
from gnomon_trainer.domain.review_agreement import Progress
from gnomon_trainer.domain.reviews import Answer, Said
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import Trainer, codes, jsonl, labelled_rows, refused, trainer_at

REVIEW = "datasets/train/reviews/first"
LABEL, UNSURE, SKIP = pb.REVIEW_ANSWER_LABEL, pb.REVIEW_ANSWER_UNSURE, pb.REVIEW_ANSWER_SKIP
Reason = pb.ReviewItem.Reason


class FakeProbe:
    """Believes every label at 0.9, but those of `places`, in that order the less."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.asked: list[int] = []
        self.opened = asyncio.Event()
        self.opened.set()

    async def suspects(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Suspect]:
        return []

    async def opinions(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Opinion]:
        self.asked.append(len(texts))
        await self.opened.wait()
        return [self._opinion(place, label) for place, label in enumerate(labels)]

    def _opinion(self, place: int, label: int) -> Opinion:
        if place not in self.places:
            return Opinion(label, 0.9, 0.9, 0.8)
        own = 0.01 * (1 + self.places.index(place))
        return Opinion(1 - label, own, 1 - own, 1 - 2 * own)


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> FakeProbe:
    probe = FakeProbe()
    monkeypatch.setattr(wiring, "ProcessProbe", lambda *_: probe)
    return probe


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, probe: FakeProbe) -> AsyncIterator[Trainer]:
    probe.places = [6, 3, 17]
    async with trainer_at(tmp_path, registry) as trainer:
        await trainer.upload(jsonl(labelled_rows(40)))
        yield trainer


async def create(trainer: Trainer, parent: str = "datasets/train", **fields: Any) -> pb.Review:
    request = {"review_id": "first"} | {k: fields.pop(k) for k in ("review_id", "request_id") if k in fields}
    return await trainer.stub.CreateReview(
        pb.CreateReviewRequest(parent=parent, review=pb.Review(**fields), **request)
    )


async def following(trainer: Trainer, reviewer: str = "ann", count: int = 1, name: str = REVIEW) -> Any:
    return await trainer.stub.NextReviewItems(
        pb.NextReviewItemsRequest(name=name, reviewer=reviewer, count=count)
    )


async def rows_of(trainer: Trainer, reviewer: str = "ann", count: int = 1) -> list[int]:
    return [item.row for item in (await following(trainer, reviewer, count)).items]


async def say(
    trainer: Trainer, row: int, label: str = "", reviewer: str = "ann", answer: Any = None, **fields: Any
) -> pb.ReviewDecision:
    answer = answer or (LABEL if label else UNSURE)
    return await trainer.stub.RecordReviewDecision(
        pb.RecordReviewDecisionRequest(
            **({"name": REVIEW, "row": row, "reviewer": reviewer, "answer": answer, "label": label} | fields)
        )
    )


async def undo(trainer: Trainer, reviewer: str = "ann", **fields: Any) -> pb.WithdrawReviewDecisionResponse:
    return await trainer.stub.WithdrawReviewDecision(
        pb.WithdrawReviewDecisionRequest(name=REVIEW, reviewer=reviewer, **fields)
    )


async def settle(trainer: Trainer, row: int, label: str = "", adjudicator: str = "cleo") -> Any:
    return await trainer.stub.AdjudicateDisagreement(
        pb.AdjudicateDisagreementRequest(
            name=REVIEW, row=row, adjudicator=adjudicator, answer=LABEL if label else UNSURE, label=label
        )
    )


async def disputed(trainer: Trainer, adjudicator: str = "cleo") -> Any:
    request = pb.ListDisagreementsRequest(parent=REVIEW, adjudicator=adjudicator)
    return (await trainer.stub.ListDisagreements(request)).disagreements


async def review_of(trainer: Trainer) -> pb.Review:
    return await trainer.stub.GetReview(pb.GetReviewRequest(name=REVIEW))


async def apply(trainer: Trainer, **fields: Any) -> pb.ApplyReviewResponse:
    return await trainer.stub.ApplyReview(pb.ApplyReviewRequest(**({"name": REVIEW} | fields)))


async def stored(trainer: Trainer, name: str = "datasets/train") -> list[dict[str, Any]]:
    call = trainer.stub.DownloadDataset(trainer_pb.DownloadDatasetRequest(name=name))
    content = b"".join([part.content async for part in call])
    return [json.loads(line) for line in content.splitlines()]


# ------------------------------------------------------------------------- the queue


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


# ------------------------------------------------------------------------- deciding


async def test_a_row_that_was_answered_is_not_asked_again_and_one_that_was_not_is(trainer: Trainer) -> None:
    await create(trainer, limit=3)

    assert await rows_of(trainer) == await rows_of(trainer) == [7]
    await say(trainer, 7, "false")
    assert await rows_of(trainer) == [4]
    await say(trainer, 4, answer=SKIP)
    await say(trainer, 18)

    assert await rows_of(trainer) == []
    review = await review_of(trainer)
    assert (review.settled_count, review.corrected_count, review.unsure_count, review.open_count) == (
        1,
        1,
        1,
        1,
    )
    (ann,) = review.reviewers
    assert (ann.reviewer, ann.labelled_count, ann.unsure_count, ann.skipped_count) == ("ann", 1, 1, 1)


async def test_two_people_share_a_queue_and_one_takes_what_the_other_skips(trainer: Trainer) -> None:
    await create(trainer, limit=4)

    assert await rows_of(trainer, "ann", 2) == [7, 4]
    assert await rows_of(trainer, "ben", 4) == [18, 1]
    await say(trainer, 7, reviewer="ann", answer=SKIP)
    assert await rows_of(trainer, "ben", 4) == [7, 18, 1]

    await say(trainer, 7, "true", reviewer="ben")
    late = await refused(say(trainer, 7, "false", reviewer="cleo"))
    assert isinstance(late, ReviewStateError)
    assert "answered by ben meanwhile" in late.message


async def test_a_decision_is_kept_once_for_a_request_and_not_twice_otherwise(trainer: Trainer) -> None:
    await create(trainer)
    request_id = "6f0b3f7c-9a52-4d0e-8a5d-6c3d0a4f1e12"

    first = await say(trainer, 7, "false", request_id=request_id)

    assert await say(trainer, 7, "false", request_id=request_id) == first
    assert isinstance(await refused(say(trainer, 7, "true", request_id=request_id)), RequestIdReusedError)
    assert isinstance(await refused(say(trainer, 7, "false")), ReviewStateError)


@pytest.mark.parametrize(
    "fields",
    [
        {"label": "maybe"},
        {"label": "", "answer": LABEL},
        {"label": "true", "answer": SKIP},
        {"label": "true", "reviewer": " "},
        {"label": "true", "reviewer": "a\nb"},
        {"label": "true", "answer": 9},
    ],
)
async def test_a_decision_that_says_nothing_is_refused(trainer: Trainer, fields: dict[str, Any]) -> None:
    await create(trainer)
    assert isinstance(await refused(say(trainer, 7, **fields)), InvalidRequestError)


async def test_undo_gives_the_row_back_and_stays_on_record(trainer: Trainer) -> None:
    await create(trainer)
    await say(trainer, 7, "false")
    await say(trainer, 4, "true")
    request_id = "6f0b3f7c-9a52-4d0e-8a5d-6c3d0a4f1e13"

    taken = await undo(trainer, request_id=request_id)
    assert await undo(trainer, request_id=request_id) == taken
    assert (taken.decision.row, taken.item.row, taken.item.rank) == (4, 4, 2)
    assert taken.decision.HasField("withdraw_time")
    assert await rows_of(trainer) == [4]
    await undo(trainer, row=7)
    assert await rows_of(trainer) == [7]
    assert isinstance(await refused(undo(trainer)), ReviewStateError)

    kept = await trainer.stub.ListReviewDecisions(
        pb.ListReviewDecisionsRequest(parent=REVIEW, reviewer="ann")
    )
    assert [(d.row, d.HasField("withdraw_time")) for d in kept.decisions] == [(7, True), (4, True)]


async def test_decisions_outlive_a_restart(tmp_path: Path, registry: FakeRegistry, probe: FakeProbe) -> None:
    async with trainer_at(tmp_path, registry) as trainer:
        await trainer.upload(jsonl(labelled_rows(40)))
        await create(trainer, limit=3)
        await say(trainer, 1, "false")
    async with trainer_at(tmp_path, registry) as trainer:
        assert await rows_of(trainer) == [2]
        assert (await undo(trainer)).decision.row == 1


async def test_people_who_ask_at_once_get_different_rows_and_one_of_them_answers_each(
    trainer: Trainer,
) -> None:
    await create(trainer)
    people = [f"person {n}" for n in range(8)]

    handed = await asyncio.gather(*(rows_of(trainer, person, 4) for person in people))
    said = await asyncio.gather(
        *(say(trainer, 7, "true", reviewer=person) for person in people), return_exceptions=True
    )

    rows = [row for some in handed for row in some]
    assert len(rows) == len(set(rows)) == 32
    assert len([answer for answer in said if isinstance(answer, pb.ReviewDecision)]) == 1


# ------------------------------------------------------------------- two reviewers


async def test_two_people_answer_the_same_rows_and_see_nothing_of_each_other(trainer: Trainer) -> None:
    await create(trainer, reviewers_per_row=2, limit=3)

    before = await following(trainer, "ben", 3)
    for row in await rows_of(trainer, "ann", 3):
        await say(trainer, row, "true", reviewer="ann")
    after = await following(trainer, "ben", 3)

    assert before == after
    assert await rows_of(trainer, "cleo", 3) == []
    assert list(await disputed(trainer, "ben")) == []
    listing = pb.ListReviewDecisionsRequest(parent=REVIEW)
    assert isinstance(await refused(trainer.stub.ListReviewDecisions(listing)), ReviewStateError)


async def test_a_third_opinion_settles_what_two_people_disagree_on(trainer: Trainer) -> None:
    await create(trainer, reviewers_per_row=2, limit=4)
    for row, ann, ben in ((7, "false", "true"), (4, "true", "true"), (18, "", "false"), (1, "", "")):
        await say(trainer, row, ann, reviewer="ann")
        await say(trainer, row, ben, reviewer="ben")

    found = await disputed(trainer)

    assert [(d.item.row, [s.label for s in d.decisions]) for d in found] == [
        (7, ["false", "true"]),
        (18, ["", "false"]),
    ]
    assert list(await disputed(trainer, "ann")) == []
    assert isinstance(await refused(settle(trainer, 7, "false", "ben")), ReviewStateError)
    assert isinstance(await refused(settle(trainer, 4, "false")), ReviewStateError)
    await settle(trainer, 7, "false")
    assert [d.item.row for d in await disputed(trainer)] == [18]
    settled = await refused(undo(trainer, "ann", row=7))
    assert "settled by cleo" in settled.message
    review = await review_of(trainer)
    assert (review.settled_count, review.disagreement_count, review.unsure_count) == (2, 1, 1)
    (pair,) = review.agreements
    assert (pair.first_reviewer, pair.second_reviewer, pair.row_count) == ("ann", "ben", 2)
    assert pair.agreement.value == 0.5
    assert (await undo(trainer, "cleo")).decision.adjudicates
    assert len(await disputed(trainer)) == 2


async def test_large_rows_come_few_at_a_time_and_all_come(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "x" * 1000
    await trainer.upload(jsonl([row | {"note": long} for row in labelled_rows(40)]))
    await create(trainer, reviewers_per_row=2, limit=3)
    monkeypatch.setattr(pages, "PAGE_BYTES", 2500)
    seen = []
    while items := (await following(trainer, count=3)).items:
        assert len(items) < 3
        for item in items:
            seen.append(item.row)
            await say(trainer, item.row, "true")
            await say(trainer, item.row, "false", reviewer="ben")
    request, counts = pb.ListDisagreementsRequest(parent=REVIEW, adjudicator="cleo"), []
    while not counts or request.page_token:
        page = await trainer.stub.ListDisagreements(request)
        counts.append(len(page.disagreements))
        request.page_token = page.next_page_token

    assert sorted(seen) == [4, 7, 18]
    assert counts == [2, 1]


async def test_counts_and_agreement_are_computed_beside_other_calls(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def message(progress: Progress) -> pb.Review:
        threads.add(threading.current_thread())
        return progress_message(progress)

    monkeypatch.setattr(review_calls, "progress_message", message)
    await create(trainer, limit=4)
    await review_of(trainer)
    await say(trainer, 7, "true")
    await apply(trainer)

    assert threads
    assert threading.current_thread() not in threads


# ------------------------------------------------------------------------ applying


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
