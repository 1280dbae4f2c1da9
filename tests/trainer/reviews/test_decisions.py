"""What people decide, alone and in pairs, over the wire."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import (
    InvalidRequestError,
    RequestIdReusedError,
    ReviewStateError,
)
from gnomon.v1 import reviews_pb2 as pb
from gnomon_rpc import pages
from gnomon_trainer.api import review_calls
from gnomon_trainer.api.review_messages import progress_message
from gnomon_trainer.domain.review_agreement import Progress
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.reviews.reviewing import (
    LABEL,
    REVIEW,
    SKIP,
    FakeProbe,
    apply,
    create,
    disputed,
    following,
    review_of,
    rows_of,
    say,
    settle,
    undo,
)
from tests.trainer.running import Trainer, jsonl, labelled_rows, refused, trainer_at

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
