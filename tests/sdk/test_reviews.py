"""Reviews through both clients."""

from typing import Any

import grpc
import pytest

from gnomon import errors, shorthand
from gnomon.v1 import reviews_pb2 as pb
from tests.sdk.serving import Failing, collected, connected, serving

NAME = "datasets/tickets/reviews/first"


async def test_a_review_is_made_once_however_often_it_is_asked_for(kind: str) -> None:
    create = Failing(grpc.StatusCode.UNAVAILABLE, then=lambda request: pb.Review(name=NAME, blind=True))
    async with serving(CreateReview=create) as address, connected(kind, address) as client:
        review = await client.reviews.create(
            "tickets@2", review_id="first", order="label_noise", limit=5, blind=True, reviewers_per_row=2
        )

    assert review.name == NAME
    first, again = create.requests
    assert first == again
    assert (first.parent, first.review_id, bool(first.request_id)) == ("datasets/tickets@2", "first", True)
    assert first.review == pb.Review(order="LABEL_NOISE", limit=5, blind=True, reviewers_per_row=2)


async def test_what_people_say_goes_to_the_trainer_as_they_said_it(kind: str) -> None:
    seen: list[Any] = []

    def method(answer: Any) -> Any:
        async def call(request: Any, context: Any) -> Any:
            seen.append(request)
            return answer

        return call

    methods = {
        "GetReview": method(pb.Review(name=NAME)),
        "NextReviewItems": method(pb.NextReviewItemsResponse(items=[pb.ReviewItem(row=4)], left_count=3)),
        "RecordReviewDecision": method(pb.ReviewDecision(row=4)),
        "WithdrawReviewDecision": method(pb.WithdrawReviewDecisionResponse()),
        "AdjudicateDisagreement": method(pb.ReviewDecision(row=4)),
        "ApplyReview": method(pb.ApplyReviewResponse()),
    }
    async with serving(**methods) as address, connected(kind, address) as client:
        await client.reviews.get("tickets/first")
        answer = await client.reviews.next_items("tickets/first", "ann", 2)
        await client.reviews.decide("tickets/first", 4, reviewer="ann", label="true")
        await client.reviews.decide(NAME, 5, reviewer="ann", answer="skip")
        await client.reviews.undo(NAME, reviewer="ann")
        await client.reviews.adjudicate(NAME, 4, adjudicator="cleo", answer="UNSURE")
        await client.reviews.apply(NAME)

    assert (answer.items[0].row, answer.left_count) == (4, 3)
    get, following, label, skip, undo, settle, apply = seen
    assert {request.name for request in seen} == {NAME}
    assert get == pb.GetReviewRequest(name=NAME)
    assert (following.reviewer, following.count) == ("ann", 2)
    assert (label.row, label.answer, label.label) == (4, pb.REVIEW_ANSWER_LABEL, "true")
    assert (skip.answer, skip.label) == (pb.REVIEW_ANSWER_SKIP, "")
    assert (undo.reviewer, undo.row) == ("ann", 0)
    assert (settle.adjudicator, settle.answer) == ("cleo", pb.REVIEW_ANSWER_UNSURE)
    ids = [request.request_id for request in (label, skip, undo, settle, apply)]
    assert all(ids)
    assert len(set(ids)) == 5


async def test_long_lists_come_page_by_page(kind: str) -> None:
    def two_pages(response: Any, field: str, entry: Any) -> Any:
        async def call(request: Any, context: Any) -> Any:
            pages.append(request)
            token = "" if request.page_token else "more"
            return response(**{field: [entry], "next_page_token": token})

        return call

    pages: list[Any] = []
    disagreement = pb.ListDisagreementsResponse.Disagreement(item=pb.ReviewItem(row=4))
    methods = {
        "ListReviews": two_pages(pb.ListReviewsResponse, "reviews", pb.Review(name=NAME)),
        "ListReviewDecisions": two_pages(
            pb.ListReviewDecisionsResponse, "decisions", pb.ReviewDecision(row=4)
        ),
        "ListDisagreements": two_pages(pb.ListDisagreementsResponse, "disagreements", disagreement),
    }
    async with serving(**methods) as address, connected(kind, address) as client:
        assert len(await collected(client.reviews.list())) == 2
        assert len(await collected(client.reviews.list("tickets"))) == 2
        assert len(await collected(client.reviews.decisions("tickets/first", "ann"))) == 2
        assert len(await collected(client.reviews.disagreements("tickets/first", adjudicator="cleo"))) == 2

    assert [request.parent for request in pages[::2]] == ["datasets/-", "datasets/tickets", NAME, NAME]


async def test_words_that_no_service_needs_to_see_are_refused(kind: str) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidRequestError, match="label_noise"):
            await client.reviews.create("tickets", order="random")
        with pytest.raises(errors.InvalidRequestError, match="unsure"):
            await client.reviews.decide(NAME, 4, reviewer="ann", answer="perhaps")
        with pytest.raises(errors.InvalidRequestError, match="reviews"):
            await client.reviews.get("tickets")


def test_a_review_may_be_named_in_short() -> None:
    assert shorthand.review("tickets/first") == shorthand.review(NAME) == NAME
    with pytest.raises(errors.InvalidRequestError):
        shorthand.review("tickets/first/more")
