"""One person at one review: what lies on the desk, and what a decision does to it.

Every decision is with the trainer before the next row is shown, so that a
terminal may be closed or killed at any time.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gnomon.errors import GnomonError, ReviewStateError
from gnomon.v1 import reviews_pb2 as pb

if TYPE_CHECKING:
    from gnomon import Client

_AT_ONCE = 10  # rows fetched together


class Desk:
    """`item` is the row to look at; `note` says what went wrong last.

    There is no item when nothing is left, when others have what is left, and
    when the trainer could not be asked; then any decision asks it again.
    """

    def __init__(
        self, client: "Client", review: pb.Review, reviewer: str, rubrics: Mapping[str, str]
    ) -> None:
        self._reviews = client.reviews
        self._waiting: deque[pb.ReviewItem] = deque()
        self.review = review
        self.reviewer = reviewer
        self.rubrics = rubrics
        self.note = ""
        self.left = 0
        self.is_fetched = False
        self.done = sum(
            person.labelled_count + person.unsure_count + person.skipped_count
            for person in review.reviewers
            if person.reviewer == reviewer
        )

    @property
    def item(self) -> pb.ReviewItem | None:
        return self._waiting[0] if self._waiting else None

    def load(self) -> None:
        """Fetch the next rows where none is at hand."""
        self._try(self._fetch)

    def label(self, label: str) -> None:
        """Give the row a label."""
        self._decide("label", label)

    def unsure(self) -> None:
        """Say that the row cannot be decided."""
        self._decide("unsure")

    def skip(self) -> None:
        """Leave the row to others."""
        self._decide("skip")

    def keep(self) -> None:
        """Give the row the label that it has, if the review is not blind."""
        if self.item is None or self.item.label:
            self.label(self.item.label if self.item else "")

    def undo(self) -> None:
        """Take the newest decision back, also one of an earlier session, and show its row."""
        self._try(self._undo)

    def _decide(self, answer: str, label: str = "") -> None:
        if self.item is None:
            self.load()
            return
        row = self.item.row
        self._try(lambda: self._record(row, answer, label))

    def _record(self, row: int, answer: str, label: str) -> None:
        try:
            self._reviews.decide(self.review.name, row, reviewer=self.reviewer, answer=answer, label=label)
            self.done += 1
        except ReviewStateError as error:
            if error.metadata.get("state") != "answered":
                raise
            self.note = error.message  # somebody was faster: there is nothing left to say of this row
        self._waiting.popleft()
        self.left -= 1
        self._fetch()

    def _undo(self) -> None:
        taken = self._reviews.undo(self.review.name, reviewer=self.reviewer)
        self._waiting.appendleft(taken.item)
        self.done -= 1
        self.left += 1

    def _fetch(self) -> None:
        if not self._waiting:
            self.is_fetched = False
            answer = self._reviews.next_items(self.review.name, self.reviewer, _AT_ONCE)
            self._waiting.extend(answer.items)
            self.left, self.is_fetched = answer.left_count, True

    def _try(self, work: Callable[[], None]) -> None:
        """Do something; where it fails, say why and change nothing else."""
        self.note = ""
        try:
            work()
        except GnomonError as error:
            self.note = error.message
