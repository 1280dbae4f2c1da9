"""Reviews: people look at labels again, alone or in pairs. The entities and what is allowed. Pure."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

from gnomon.errors import AlreadyExistsError, InvalidRequestError, NotFoundError, ReviewStateError, Violation
from gnomon.names import DatasetName, ReviewName

MOST_ITEMS = 20_000
DEFAULT_ITEMS = 1_000
_LONGEST_NAME = 63


class Order(StrEnum):
    """What puts a row in front of others; the names are those of `gnomon.v1.Review.Order`."""

    COMBINED = "combined"
    LABEL_NOISE = "label_noise"
    JUDGE_DISAGREEMENT = "judge_disagreement"
    LOW_MARGIN = "low_margin"


class Reason(StrEnum):
    """Why a row is asked; the names are those of `gnomon.v1.ReviewItem.Reason`."""

    LABEL_NOISE = "label_noise"
    JUDGE_DISAGREEMENT = "judge_disagreement"
    LOW_MARGIN = "low_margin"
    NO_SIGNAL = "no_signal"


class Answer(StrEnum):
    """What a person may say of a row; the names are those of `gnomon.v1.ReviewAnswer`."""

    LABEL = "label"
    UNSURE = "unsure"
    SKIP = "skip"


class Outcome(StrEnum):
    """Where a row stands after what was said of it."""

    OPEN = "open"  # waits for a person, or for a second one
    SETTLED = "settled"
    UNSURE = "unsure"  # nobody who answered could decide
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Signals:
    """What speaks for and against a row's label. Probabilities and shares are in [0, 1], None if unknown."""

    label: str
    expected_label: str = ""
    label_probability: float | None = None
    expected_probability: float | None = None
    margin: float | None = None  # between the two classes that the probe finds likeliest
    judge_label: str = ""
    judge_share: float | None = None  # of `label`


@dataclass(frozen=True, slots=True)
class Item:
    """A row to look at; `row` and `rank`, its place in the queue, count from 1."""

    row: int
    rank: int
    reason: Reason
    signals: Signals


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person said of one row. Times are seconds since the epoch."""

    number: int
    row: int
    reviewer: str
    answer: Answer
    label: str
    adjudicates: bool
    create_time: float
    withdraw_time: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A decision before it is kept."""

    row: int
    reviewer: str
    answer: Answer
    label: str = ""
    adjudicates: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """A queue of rows of one version of a dataset.

    `number` counts all reviews; `revision` grows with every decision.
    `applied_version` is the version that the decisions made, None while the
    review is open.
    """

    dataset: str
    review: str
    version: int
    metric: str  # metrics/{metric}
    classes: tuple[str, ...]
    order: Order
    limit: int
    blind: bool
    reviewers_per_row: int
    judge_column: str
    include_reviewed: bool
    item_count: int
    create_time: float
    number: int = 0
    revision: int = 0
    applied_version: int | None = None
    apply_time: float | None = None

    @property
    def name(self) -> ReviewName:
        return ReviewName(self.dataset, self.review)

    @property
    def reviewed(self) -> DatasetName:
        """The version whose rows are reviewed."""
        return DatasetName(self.dataset, self.version)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a row stands; `label` is set where it is settled. `decisions` led there."""

    outcome: Outcome
    label: str = ""
    decisions: tuple[Decision, ...] = ()


def verdict(live: Sequence[Decision], reviewers_per_row: int) -> Verdict:
    """Return what the decisions of one row that were not withdrawn lead to."""
    answers = tuple(d for d in live if d.answer is not Answer.SKIP)
    for decision in answers:
        if decision.adjudicates:
            return _of_label(decision.label, answers)
    if len(answers) < reviewers_per_row:
        return Verdict(Outcome.OPEN, decisions=answers)
    labels = {decision.label for decision in answers}
    if len(labels) > 1:
        return Verdict(Outcome.DISPUTED, decisions=answers)
    return _of_label(labels.pop(), answers)


def _of_label(label: str, answers: tuple[Decision, ...]) -> Verdict:
    return Verdict(Outcome.SETTLED if label else Outcome.UNSURE, label, answers)


def may_answer(reviewer: str, live: Iterable[Decision], holders: Set[str], reviewers_per_row: int) -> bool:
    """Return whether a row is still to be handed to a person.

    `holders` were just handed it and have not answered.
    """
    others = set(holders) - {reviewer}
    for decision in live:
        if decision.reviewer == reviewer:
            return False
        if decision.answer is not Answer.SKIP:
            others.add(decision.reviewer)
    return len(others) < reviewers_per_row


def check_said(review: Review, live: Sequence[Decision], said: Said) -> None:
    """Check a decision against those of its row that were not withdrawn.

    Raises:
        InvalidRequestError: the label is no class, or is missing.
        ReviewStateError: the review is applied, or the row is not this person's to answer.
    """
    check_open(review)
    _check_label(review, said)
    others = {d.reviewer for d in live if d.answer is not Answer.SKIP}
    if said.adjudicates:
        _check_adjudication(review, live, said, others)
    elif any(decision.reviewer == said.reviewer for decision in live):
        raise _row_state(review, said.row, "answered", f"was answered by {said.reviewer}. Undo it first")
    elif said.answer is not Answer.SKIP and len(others) >= review.reviewers_per_row:
        names = " and ".join(sorted(others))
        raise _row_state(review, said.row, "answered", f"was answered by {names} meanwhile. Ask for the next")


def _check_label(review: Review, said: Said) -> None:
    if (said.answer is Answer.LABEL) != bool(said.label):
        raise InvalidRequestError(
            "A label must be given with the answer LABEL, and with no other.",
            violations=[Violation("label", "must be set with the answer LABEL alone")],
        )
    if said.label and said.label not in review.classes:
        known = ", ".join(review.classes[:8]) + (", …" if len(review.classes) > 8 else "")
        raise InvalidRequestError(
            f"{said.label[:40]!r} is no class of {review.metric}; it has {known}.",
            violations=[Violation("label", "must be a class of the metric")],
        )


def _check_adjudication(review: Review, live: Sequence[Decision], said: Said, others: Set[str]) -> None:
    if said.answer is Answer.SKIP:
        raise InvalidRequestError(
            "A disagreement is settled by a label, or by saying that it cannot be decided.",
            violations=[Violation("answer", "must be LABEL or UNSURE")],
        )
    outcome = verdict(live, review.reviewers_per_row).outcome
    if outcome is not Outcome.DISPUTED:
        raise _row_state(review, said.row, outcome, "is in no disagreement that is to be settled")
    if said.reviewer in others:
        raise _row_state(
            review, said.row, outcome, f"was answered by {said.reviewer}; somebody else must settle it"
        )


def to_withdraw(review: Review, of_person: Sequence[Decision], row: int | None) -> Decision:
    """Return the newest decision of a person that was not withdrawn, or that of a row.

    Raises:
        ReviewStateError: the review is applied, or there is none.
    """
    check_open(review)
    for decision in sorted(of_person, key=lambda decision: -decision.number):
        if row in (None, decision.row):
            return decision
    raise ReviewStateError(
        "There is nothing to undo: no decision of this person"
        + (f" on row {row}." if row else " is left in the review."),
        resource=str(review.name),
        state="nothing_to_undo",
    )


def check_withdrawal(review: Review, live: Sequence[Decision], decision: Decision) -> None:
    """Raise ReviewStateError if somebody settled the row on the ground of this decision."""
    settled = [d for d in live if d.adjudicates and d.number != decision.number]
    if settled and not decision.adjudicates:
        what = f"was settled by {settled[0].reviewer}, who must undo that first"
        raise _row_state(review, decision.row, "adjudicated", what)


def check_open(review: Review) -> None:
    """Raise ReviewStateError if the review is applied."""
    if review.applied_version is not None:
        raise ReviewStateError(
            f"{review.name} was applied and made datasets/{review.dataset}@{review.applied_version}. Make a "
            "review of that version.",
            resource=str(review.name),
            state="APPLIED",
        )


def check_person(name: str, field: str) -> str:
    """Return a person's name without surrounding space, or raise InvalidRequestError."""
    stripped = name.strip()
    if not (0 < len(stripped) <= _LONGEST_NAME and stripped.isprintable()):
        raise InvalidRequestError(
            f"{field} must be 1 to {_LONGEST_NAME} printable characters.",
            violations=[Violation(field, f"must be 1 to {_LONGEST_NAME} printable characters")],
        )
    return stripped


def no_review(name: ReviewName) -> NotFoundError:
    return NotFoundError(f"There is no {name}. `gnomon review list` shows what there is.", resource=str(name))


def no_item(review: Review, row: int) -> NotFoundError:
    return NotFoundError(f"Row {row} is not in {review.name}.", resource=str(review.name))


def taken(name: ReviewName) -> AlreadyExistsError:
    return AlreadyExistsError(f"There is already a {name}. Choose another review ID.", resource=str(name))


def _row_state(review: Review, row: int, state: str, what: str) -> ReviewStateError:
    return ReviewStateError(f"Row {row} {what}.", resource=str(review.name), row=str(row), state=state)
