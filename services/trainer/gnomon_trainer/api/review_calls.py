"""The methods of `TrainerService` that concern reviews."""

from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import DatasetName, ReviewName, check_id
from gnomon.threads import in_thread
from gnomon.v1 import reviews_pb2 as pb
from gnomon_rpc import pages
from gnomon_rpc.request_ids import request_key
from gnomon_trainer.api.dataset_calls import as_request
from gnomon_trainer.api.messages import dataset_message
from gnomon_trainer.api.review_messages import (
    answer_of,
    decision_message,
    disagreement_message,
    item_message,
    progress_message,
    review_message,
)
from gnomon_trainer.api.run_calls import number
from gnomon_trainer.domain.review_agreement import Progress
from gnomon_trainer.domain.review_reading import ReviewOrder
from gnomon_trainer.domain.review_use_cases import Reviews
from gnomon_trainer.domain.reviews import Answer, Order, Said, check_person

_ALL_DATASETS = "datasets/-"
_ORDERS = {pb.Review.ORDER_UNSPECIFIED: Order.COMBINED} | {
    pb.Review.Order.Value(order.name): order for order in Order
}


class ReviewCalls:
    """Answers calls about reviews."""

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews

    async def create(self, request: pb.CreateReviewRequest) -> pb.Review:
        asked = request.review
        if asked.order not in _ORDERS:
            raise InvalidRequestError(
                "The order is not known to this release.",
                violations=[Violation("review.order", "must be known")],
            )
        order = ReviewOrder(
            dataset=DatasetName.parse(request.parent, "parent"),
            review=check_id(request.review_id, "review_id") if request.review_id else "",
            order=_ORDERS[asked.order],
            limit=asked.limit,
            blind=asked.blind,
            reviewers_per_row=asked.reviewers_per_row,
            judge_column=asked.judge_column,
            include_reviewed=asked.include_reviewed,
        )
        review = await self._reviews.create(order, as_request(request_key(request)))
        return await self._told(await self._reviews.progress(review.name))

    async def get(self, request: pb.GetReviewRequest) -> pb.Review:
        return await self._told(await self._reviews.progress(ReviewName.parse(request.name)))

    async def _told(self, progress: Progress) -> pb.Review:
        # Verdicts and intervals of many rows take long enough to hold up other calls.
        return await in_thread(progress_message, progress)

    async def list(self, request: pb.ListReviewsRequest) -> pb.ListReviewsResponse:
        dataset = None
        if request.parent != _ALL_DATASETS:
            dataset = DatasetName.parse(request.parent, "parent").dataset
        size = pages.page_size(request.page_size)
        found = await self._reviews.page(dataset, number(pages.read_token(request)), size + 1)
        last = str(found[size - 1].number) if len(found) > size else None
        return pb.ListReviewsResponse(
            reviews=map(review_message, found[:size]), next_page_token=pages.make_token(request, last)
        )

    async def next_items(self, request: pb.NextReviewItemsRequest) -> pb.NextReviewItemsResponse:
        name = ReviewName.parse(request.name)
        shown, left = await self._reviews.hand_out(name, request.reviewer, request.count)
        # Rows that do not fit stay this person's for a while, who gets them by the next call.
        items, _ = await in_thread(pages.filled, shown, len(shown), item_message)
        return pb.NextReviewItemsResponse(items=items, left_count=left)

    async def record(self, request: pb.RecordReviewDecisionRequest) -> pb.ReviewDecision:
        person = check_person(request.reviewer, "reviewer")
        said = Said(request.row, person, _answer(request.answer), request.label)
        return await self._record(request, said)

    async def adjudicate(self, request: pb.AdjudicateDisagreementRequest) -> pb.ReviewDecision:
        person = check_person(request.adjudicator, "adjudicator")
        said = Said(request.row, person, _answer(request.answer), request.label, adjudicates=True)
        return await self._record(request, said)

    async def _record(
        self, request: pb.RecordReviewDecisionRequest | pb.AdjudicateDisagreementRequest, said: Said
    ) -> pb.ReviewDecision:
        name = ReviewName.parse(request.name)
        return decision_message(await self._reviews.record(name, said, as_request(request_key(request))))

    async def withdraw(self, request: pb.WithdrawReviewDecisionRequest) -> pb.WithdrawReviewDecisionResponse:
        decision, shown = await self._reviews.withdraw(
            ReviewName.parse(request.name),
            request.reviewer,
            request.row or None,
            as_request(request_key(request)),
        )
        return pb.WithdrawReviewDecisionResponse(
            decision=decision_message(decision), item=item_message(shown)
        )

    async def list_decisions(self, request: pb.ListReviewDecisionsRequest) -> pb.ListReviewDecisionsResponse:
        size = pages.page_size(request.page_size)
        after = number(pages.read_token(request)) or 0
        name = ReviewName.parse(request.parent, "parent")
        found = await self._reviews.decisions(name, request.reviewer.strip(), after, size + 1)
        last = str(found[size - 1].number) if len(found) > size else None
        return pb.ListReviewDecisionsResponse(
            decisions=map(decision_message, found[:size]), next_page_token=pages.make_token(request, last)
        )

    async def list_disagreements(self, request: pb.ListDisagreementsRequest) -> pb.ListDisagreementsResponse:
        size = pages.page_size(request.page_size)
        after = number(pages.read_token(request)) or 0
        name = ReviewName.parse(request.parent, "parent")
        found = await self._reviews.disagreements(name, request.adjudicator, after, size + 1)
        page, last = await in_thread(pages.filled, found, size, disagreement_message)
        key = None if last is None else str(last.shown.item.rank)
        return pb.ListDisagreementsResponse(
            disagreements=page, next_page_token=pages.make_token(request, key)
        )

    async def apply(self, request: pb.ApplyReviewRequest) -> pb.ApplyReviewResponse:
        name = ReviewName.parse(request.name)
        dataset, progress = await self._reviews.apply(name, as_request(request_key(request)))
        return pb.ApplyReviewResponse(dataset=dataset_message(dataset), review=await self._told(progress))


def _answer(value: int) -> Answer:
    answer = answer_of(value)
    if answer is None:
        raise InvalidRequestError(
            "The answer is not known to this release.", violations=[Violation("answer", "must be known")]
        )
    return answer
