"""What a trainer would remember of one review, in which the rows 4, 9 and 2 are asked."""

import asyncio
import threading
from typing import Any

from gnomon.errors import GnomonError, ReviewStateError
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import reviews_pb2 as reviews_pb


def an_item(row: int) -> reviews_pb.ReviewItem:
    said = [pb.Message(role="user", content=f"Where is my [red] card {row}?")]
    return reviews_pb.ReviewItem(
        row=row,
        rank=1,
        instance=pb.Instance(span=pb.Span(input=said)),
        reason="LABEL_NOISE",
        label="true",
        expected_label="false",
        label_probability=0.04,
        expected_probability=0.96,
    )


class FakeReviews:
    """Methods are named as in the protos."""

    def __init__(self) -> None:
        super().__init__()
        self.reviews: dict[str, reviews_pb.Review] = {}
        self.waiting = [4, 9, 2]
        self.said: list[Any] = []
        self.next_error: GnomonError | None = None
        self.others_have_the_rest = False
        self.may_record = threading.Event()
        self.may_record.set()

    async def CreateReview(self, request: Any, context: Any) -> reviews_pb.Review:
        review = request.review
        review.name = f"{request.parent}/reviews/{request.review_id or 'made'}"
        review.dataset, review.metric, review.item_count = f"{request.parent}@1", "metrics/tone", 3
        review.state = reviews_pb.Review.OPEN
        self.reviews[review.name] = review
        return review

    async def GetReview(self, request: Any, context: Any) -> reviews_pb.Review:
        review = reviews_pb.Review()
        review.CopyFrom(self.reviews[request.name])
        review.reviewers.add(reviewer="ann", labelled_count=2, skipped_count=1)
        kappa = pb.Measure(key="kappa", value=0.61, low=0.4, high=0.8)
        agreement = pb.Measure(key="agreement", value=0.8, low=0.7, high=0.9)
        pair = {"first_reviewer": "ann", "second_reviewer": "ben", "row_count": 50, "agreement": agreement}
        review.agreements.add(**pair, kappa=kappa)
        review.agreements.add(**pair)
        return review

    async def ListReviews(self, request: Any, context: Any) -> Any:
        return reviews_pb.ListReviewsResponse(reviews=self.reviews.values())

    async def NextReviewItems(self, request: Any, context: Any) -> Any:
        if self.next_error is not None:
            raise self.next_error
        items = map(an_item, [] if self.others_have_the_rest else self.waiting[: request.count])
        return reviews_pb.NextReviewItemsResponse(items=items, left_count=len(self.waiting))

    async def RecordReviewDecision(self, request: Any, context: Any) -> Any:
        await asyncio.to_thread(self.may_record.wait)
        if request.row not in self.waiting:
            raise ReviewStateError(f"Row {request.row} was answered by ben meanwhile.", state="answered")
        self.waiting.remove(request.row)
        self.said.append(request)
        return reviews_pb.ReviewDecision(row=request.row, answer=request.answer, label=request.label)

    async def WithdrawReviewDecision(self, request: Any, context: Any) -> Any:
        if not self.said:
            raise ReviewStateError("There is nothing to undo.", state="nothing_to_undo")
        row = self.said.pop().row
        self.waiting.insert(0, row)
        return reviews_pb.WithdrawReviewDecisionResponse(
            decision=reviews_pb.ReviewDecision(row=row), item=an_item(row)
        )

    async def ListDisagreements(self, request: Any, context: Any) -> Any:
        decisions = [
            reviews_pb.ReviewDecision(row=4, reviewer="ann", label="true"),
            reviews_pb.ReviewDecision(row=4, reviewer="ben", answer="REVIEW_ANSWER_UNSURE"),
        ]
        found = reviews_pb.ListDisagreementsResponse.Disagreement(item=an_item(4), decisions=decisions)
        return reviews_pb.ListDisagreementsResponse(disagreements=[found])

    async def AdjudicateDisagreement(self, request: Any, context: Any) -> Any:
        self.said.append(request)
        return reviews_pb.ReviewDecision(row=request.row, label=request.label, adjudicates=True)

    async def ApplyReview(self, request: Any, context: Any) -> Any:
        review = self.reviews[request.name]
        review.settled_count, review.corrected_count, review.disagreement_count = 5, 3, 1
        dataset = pb.Dataset(name="datasets/tickets", version=2, review=request.name)
        return reviews_pb.ApplyReviewResponse(dataset=dataset, review=review)
