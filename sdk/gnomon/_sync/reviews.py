# Made from gnomon/_async/reviews.py by tools/unasync.py. Do not edit.

"""`client.reviews`."""

from collections.abc import Iterator

from gnomon import shorthand
from gnomon._requests import new_request_id
from gnomon._reviews import answer_of, review_message
from gnomon._sync.connection import Connection
from gnomon.v1 import reviews_pb2 as pb

_SERVICE = "gnomon.v1.TrainerService"
_CREATE_S = 3600.0  # a probe of many long texts on a busy machine


class Reviews:
    """Reviews are queues of rows whose labels people look at again.

    A name is `datasets/tickets/reviews/first` or `tickets/first`. Reviewers are
    told apart by the names that they give; nothing proves them.
    """

    def __init__(self, trainer_connection: Connection) -> None:
        self._trainer = trainer_connection

    def create(
        self,
        dataset: str,
        *,
        review_id: str = "",
        order: str = "combined",
        limit: int = 0,
        blind: bool = False,
        reviewers_per_row: int = 1,
        judge_column: str = "",
        include_reviewed: bool = False,
    ) -> pb.Review:
        """Order the rows of a dataset for review. Takes seconds to minutes where a probe is asked.

        Args:
            review_id: made by the server if empty.
            order: `label_noise` (what a probe that learned from other rows believes least),
                `judge_disagreement`, `low_margin`, or `combined`. Rows with a judge's label that no person
                has settled come before those of people, each in this order.
            limit: at most this many rows; 0 for 1000.
            blind: hide from reviewers the label that a row has, what was said of it before, and every
                cell that names a class. Words on a label in a column of your own are not recognised.
            reviewers_per_row: how many people label each row, independently: 1 or 2.
            judge_column: the extra column with a judge's labels; empty for `judge_label`.
            include_reviewed: ask also about rows that an earlier review settled.

        Raises:
            AlreadyExistsError: the dataset has a review of this ID.
        """
        request = pb.CreateReviewRequest(
            parent=shorthand.dataset(dataset),
            review_id=review_id,
            review=review_message(
                order=order,
                limit=limit,
                blind=blind,
                reviewers_per_row=reviewers_per_row,
                judge_column=judge_column,
                include_reviewed=include_reviewed,
            ),
            request_id=new_request_id(),
        )
        return self._trainer.unary(f"{_SERVICE}/CreateReview", request, pb.Review, timeout_s=_CREATE_S)

    def get(self, name: str) -> pb.Review:
        """Return a review, with its counts and how well its reviewers agree."""
        request = pb.GetReviewRequest(name=shorthand.review(name))
        return self._trainer.unary(f"{_SERVICE}/GetReview", request, pb.Review)

    def list(self, dataset: str | None = None) -> Iterator[pb.Review]:
        """Yield the reviews of a dataset, or of all, newest first, without what was done in them."""
        parent = "datasets/-" if dataset is None else shorthand.dataset(dataset)
        request, response = pb.ListReviewsRequest(parent=parent), pb.ListReviewsResponse
        for page in self._trainer.pages(f"{_SERVICE}/ListReviews", request, response):
            yield from page.reviews

    def next_items(self, name: str, reviewer: str, count: int = 1) -> pb.NextReviewItemsResponse:
        """Return the next rows for a person, at most 100, and how many are left to this person.

        What was handed out and not answered comes again; others do not get it
        for a quarter of an hour, where one answer a row is wanted.
        """
        request = pb.NextReviewItemsRequest(name=shorthand.review(name), reviewer=reviewer, count=count)
        return self._trainer.unary(f"{_SERVICE}/NextReviewItems", request, pb.NextReviewItemsResponse)

    def decide(
        self, name: str, row: int, *, reviewer: str, label: str = "", answer: str = "label"
    ) -> pb.ReviewDecision:
        """Say what the label of a row is, or answer `unsure` or `skip` without one.

        Raises:
            InvalidRequestError: the label is no class of the metric.
            ReviewStateError: this person, or enough others, answered it before.
        """
        request = pb.RecordReviewDecisionRequest(
            name=shorthand.review(name),
            row=row,
            reviewer=reviewer,
            answer=answer_of(answer),
            label=label,
            request_id=new_request_id(),
        )
        return self._trainer.unary(f"{_SERVICE}/RecordReviewDecision", request, pb.ReviewDecision)

    def undo(self, name: str, *, reviewer: str, row: int = 0) -> pb.WithdrawReviewDecisionResponse:
        """Take back a person's decision on a row, or the newest one; return it and the row.

        Raises:
            ReviewStateError: there is none, or somebody settled the row on its ground.
        """
        request = pb.WithdrawReviewDecisionRequest(
            name=shorthand.review(name), reviewer=reviewer, row=row, request_id=new_request_id()
        )
        return self._trainer.unary(
            f"{_SERVICE}/WithdrawReviewDecision", request, pb.WithdrawReviewDecisionResponse
        )

    def decisions(self, name: str, reviewer: str | None = None) -> Iterator[pb.ReviewDecision]:
        """Yield who said what, oldest first, withdrawn decisions too.

        Raises:
            ReviewStateError: the review is open, and no reviewer is named.
        """
        request = pb.ListReviewDecisionsRequest(parent=shorthand.review(name), reviewer=reviewer or "")
        response = pb.ListReviewDecisionsResponse
        for page in self._trainer.pages(f"{_SERVICE}/ListReviewDecisions", request, response):
            yield from page.decisions

    def disagreements(
        self, name: str, *, adjudicator: str
    ) -> Iterator[pb.ListDisagreementsResponse.Disagreement]:
        """Yield rows that two people answered differently, for a third one to settle."""
        request = pb.ListDisagreementsRequest(parent=shorthand.review(name), adjudicator=adjudicator)
        response = pb.ListDisagreementsResponse
        for page in self._trainer.pages(f"{_SERVICE}/ListDisagreements", request, response):
            yield from page.disagreements

    def adjudicate(
        self, name: str, row: int, *, adjudicator: str, label: str = "", answer: str = "label"
    ) -> pb.ReviewDecision:
        """Settle a row that two people answered differently: by a label, or by the answer `unsure`.

        Raises:
            ReviewStateError: they agree, it is settled, or the adjudicator is one of the two.
        """
        request = pb.AdjudicateDisagreementRequest(
            name=shorthand.review(name),
            row=row,
            adjudicator=adjudicator,
            answer=answer_of(answer),
            label=label,
            request_id=new_request_id(),
        )
        return self._trainer.unary(f"{_SERVICE}/AdjudicateDisagreement", request, pb.ReviewDecision)

    def apply(self, name: str) -> pb.ApplyReviewResponse:
        """Make the next version of the dataset by what was settled, and end the review.

        Raises:
            ReviewStateError: nothing was settled, it was applied, or other rows were uploaded since.
            EtagMismatchError: somebody decided meanwhile; apply it again.
        """
        request = pb.ApplyReviewRequest(name=shorthand.review(name), request_id=new_request_id())
        return self._trainer.unary(f"{_SERVICE}/ApplyReview", request, pb.ApplyReviewResponse)
