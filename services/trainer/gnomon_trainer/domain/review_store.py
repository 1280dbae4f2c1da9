"""The port that keeps reviews. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gnomon.errors import EtagMismatchError
from gnomon.names import ReviewName
from gnomon_trainer.domain.datasets import Dataset, DatasetDraft, Request
from gnomon_trainer.domain.review_agreement import Progress, by_row
from gnomon_trainer.domain.reviews import Decision, Item, Review, Said, check_open, may_answer


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What a person gets to look at, and how many rows are left to this person with these."""

    items: tuple[Item, ...]
    left: int


def rows_left(
    review: Review,
    rows: Iterable[int],
    live: Iterable[Decision],
    held: Iterable[tuple[int, str]],
    *,
    reviewer: str,
) -> list[int]:
    """Return which of the rows, in their order, a person may still be handed.

    `held` are the rows that were just handed out, and to whom.

    Raises:
        ReviewStateError: the review was applied.
    """
    check_open(review)
    decisions, holders = by_row(live), defaultdict[int, set[str]](set)
    for row, holder in held:
        holders[row].add(holder)
    wanted = review.reviewers_per_row
    return [
        row
        for row in rows
        if may_answer(reviewer, decisions.get(row, ()), holders.get(row, frozenset()), wanted)
    ]


def check_applicable(read: Review, now: Review, base: Dataset, newest: Dataset) -> None:
    """Check that nothing changed since a review and its dataset were read.

    Raises:
        EtagMismatchError, ReviewStateError: see `ReviewStore.apply`.
    """
    check_open(now)
    if now.revision != read.revision or newest.version != base.version:
        raise EtagMismatchError(
            f"Somebody decided on a row of {read.name}, or changed its dataset, meanwhile. Apply it again.",
            resource=str(read.name),
        )


class ReviewStore(Protocol):
    """Keeps reviews, their queues and decisions. Every write is all or nothing."""

    def replayed(self, request: Request) -> Review | None:
        """Return the review that the same request made before; None if it is new.

        Raises:
            RequestIdReusedError: the ID came with another body.
        """
        ...

    def create(self, review: Review, items: Sequence[Item], request: Request | None) -> Review:
        """Store a new review with its queue; a replayed request gives the review it made.

        Raises:
            AlreadyExistsError: the dataset has a review of this ID.
            NotFoundError: the dataset was deleted meanwhile.
        """
        ...

    def get(self, name: ReviewName) -> Review:
        """Return a review, or raise NotFoundError."""
        ...

    def page(self, dataset: str | None, before: int | None, size: int) -> Sequence[Review]:
        """Return reviews of a dataset, or of all, newest first, below a number."""
        ...

    def progress(self, name: ReviewName) -> Progress:
        """Return a review with its queue and live decisions, or raise NotFoundError."""
        ...

    def item(self, name: ReviewName, row: int) -> Item:
        """Return an entry of the queue, or raise NotFoundError."""
        ...

    def hand_out(
        self, name: ReviewName, reviewer: str, count: int, *, now: float, hold_s: float
    ) -> HandedOut:
        """Hand the first rows that `may_answer` allows to a person, who holds them for so long.

        Raises:
            NotFoundError, ReviewStateError: there is no such review, or it was applied.
        """
        ...

    def record(self, name: ReviewName, said: Said, request: Request | None, now: float) -> Decision:
        """Keep a decision that `check_said` allows; a replayed request gives the decision it made.

        Raises:
            NotFoundError: there is no such review, or the row is not in it.
            InvalidRequestError, ReviewStateError: see `check_said`.
        """
        ...

    def withdraw(
        self, name: ReviewName, reviewer: str, row: int | None, request: Request | None, now: float
    ) -> Decision:
        """Withdraw what `to_withdraw` and `check_withdrawal` allow; a replayed request withdraws no more."""
        ...

    def decisions(self, name: ReviewName, reviewer: str | None, after: int, size: int) -> Sequence[Decision]:
        """Return decisions above a number, oldest first, withdrawn ones too; of one person if named."""
        ...

    def apply(
        self, review: Review, base: Dataset, draft: DatasetDraft, request: Request | None, now: float
    ) -> Dataset:
        """Store the draft as the dataset's next version, and end the review, in one transaction.

        A replayed request gives the version it made.

        Raises:
            EtagMismatchError: the review has another revision by now, or the
                dataset another version than `base`.
            ReviewStateError: it was applied.
            NotFoundError: the dataset was deleted.
        """
        ...
