"""What people say of scores. Pure.

Every word is kept; of several about the same text the last one counts. Texts
are the same where only case and punctuation differ, as in all checks of rows.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gnomon.errors import (
    AlreadyExistsError,
    GnomonError,
    InstanceInvalidError,
    InvalidRequestError,
    Violation,
)
from gnomon.instances import Instance
from gnomon.names import MetricVersionName
from gnomon_trainer.domain.columns import LABEL, Columns
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.instance_cells import cells_of
from gnomon_trainer.domain.labels import LabelError, parse_label
from gnomon_trainer.domain.rows import BadRow, RawRecord, stored_row
from gnomon_trainer.domain.texts import fingerprint, normalised
from gnomon_trainer.domain.training import MetricDefinition

MAX_ENTRIES = 1000
MAX_NAME_CHARACTERS = 200
MAX_COMMENT_CHARACTERS = 2000
MAX_AHEAD_S = 24 * 3600.0  # clocks and time zones are wrong by less


@dataclass(frozen=True, slots=True)
class FeedbackEntry:
    """What an application sends of one score, with its names parsed; times are seconds since the epoch."""

    metric_version: MetricVersionName
    instance: Instance
    label: str
    score_label: str = ""
    score_probability: float | None = None
    reviewer: str = ""
    review_time: float | None = None
    comment: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class FeedbackDraft:
    """An entry that can be stored: `cells` is the row without its label, `text` tells the same texts."""

    metric: str  # metrics/{metric}
    version: int
    cells: Mapping[str, Any]
    text: int
    label: str
    score_label: str
    score_probability: float | None
    reviewer: str
    review_time: float | None
    comment: str
    external_id: str

    @property
    def body(self) -> str:
        """A digest of all that was said."""
        said = [getattr(self, name) for name in FeedbackDraft.__dataclass_fields__]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @property
    def stratum(self) -> str:
        """Rows of one stratum are held out in equal shares: those of one class, corrected or confirmed."""
        if not self.score_label:
            return f"{self.label}, score not told"
        return f"{self.label}, {'confirmed' if self.label == self.score_label else 'corrected'}"


@dataclass(frozen=True, slots=True)
class Feedback:
    """An entry as it is stored. `number` grows with every entry; times are seconds since the epoch."""

    number: int
    uid: str
    metric: str
    version: int
    cells: Mapping[str, Any]
    text: int
    label: str
    score_label: str
    score_probability: float | None
    reviewer: str
    review_time: float
    comment: str
    external_id: str
    held_out: bool
    create_time: float

    @property
    def name(self) -> str:
        return f"{self.metric}/feedback/{self.uid}"

    @property
    def metric_version(self) -> str:
        return f"{self.metric}/versions/{self.version}"


@dataclass(frozen=True, slots=True)
class FeedbackOrigin:
    """How a run's training set was made; the fields are those of `gnomon.v1.FeedbackOrigin`."""

    metric_version: str
    run: str
    held_out_set: str
    held_out_rows: int
    added_rows: int
    relabelled_rows: int
    known_rows: int
    test_rows: int
    contradicting_test_rows: int


Outcome = Feedback | GnomonError


def draft_of(
    entry: FeedbackEntry, metric: MetricDefinition, version: int, *, max_cell_characters: int, now: float
) -> FeedbackDraft:
    """Check an entry as an upload checks a row. `now` is in seconds since the epoch.

    Raises:
        InvalidRequestError: a label is no class of the metric, a text beside the instance is too long, or
            the time of review is to come.
        InstanceInvalidError: the instance is not what the metric reads, or cannot be kept.
    """
    _check_texts(entry)
    _check_time(entry.review_time, now)
    label = _label("label", entry.label, metric)
    cells = cells_of(entry.instance, metric)
    columns = Columns({name: name for name in (*cells, LABEL)}, ())
    row = stored_row(RawRecord(1, {**cells, LABEL: label}), columns, metric, max_cell_characters)
    if isinstance(row, BadRow):
        place = row.column or "instance"
        raise InstanceInvalidError(f"{place} of the instance {row.message}.", field=place)
    return FeedbackDraft(
        metric=metric.name,
        version=version,
        cells={name: cell for name, cell in row.record.items() if name != LABEL},
        text=fingerprint(normalised(row.text)),
        label=label,
        score_label=_label("score_label", entry.score_label, metric) if entry.score_label else "",
        score_probability=entry.score_probability,
        reviewer=entry.reviewer,
        review_time=entry.review_time,
        comment=entry.comment,
        external_id=entry.external_id,
    )


def _label(field: str, label: str, metric: MetricDefinition) -> str:
    try:
        return parse_label(label, metric)
    except LabelError as error:
        raise _refused(field, str(error)) from error


def _check_texts(entry: FeedbackEntry) -> None:
    limits = {"reviewer": MAX_NAME_CHARACTERS, "external_id": MAX_NAME_CHARACTERS}
    for field, most in {**limits, "comment": MAX_COMMENT_CHARACTERS}.items():
        if len(getattr(entry, field)) > most:
            raise _refused(field, f"must have at most {most} characters")
    share = entry.score_probability
    if share is not None and not 0 <= share <= 1:
        raise _refused("score_probability", f"is {share:g}; it must be in [0, 1]")


def _check_time(review_time: float | None, now: float) -> None:
    # The last word on a text counts: one from the future would stay the last.
    if review_time is not None and review_time > now + MAX_AHEAD_S:
        raise _refused("review_time", "must not be more than a day ahead of the trainer's clock")


def _refused(field: str, rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field}: {rule}.", violations=[Violation(field, rule)])


def is_held_out(stratum: str, before: int, share: float) -> bool:
    """Tell whether the next new text of a stratum is held out, after `before` texts of it.

    Systematic sampling: of n texts, n·share are held out, to within one; where
    the counting starts is drawn from the stratum's name. Decided once for each
    text, so that what a version is compared on was never learned by an earlier one.
    """
    start = int.from_bytes(hashlib.blake2b(stratum.encode(), digest_size=4).digest(), "big") / 2**32
    return int(start + (before + 1) * share) > int(start + before * share)


def last_words(every: Iterable[Feedback]) -> list[Feedback]:
    """Return the last word on each text, in the order in which the texts were first spoken of."""
    last: dict[int, Feedback] = {}
    for said in sorted(every, key=lambda entry: entry.number):
        known = last.get(said.text)
        if known is None or said.review_time >= known.review_time:
            last[said.text] = said
    return list(last.values())


def said_otherwise(known: Feedback) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"The external_id {known.external_id!r} was recorded with other content as {known.name}. Give a "
        "second word on the same score an ID of its own: the last word counts.",
        resource=known.name,
    )


class FeedbackStore(Protocol):
    """Keeps feedback. Every write is all or nothing."""

    def replayed(self, request: Request) -> tuple[Outcome, ...] | None:
        """Return what the same request led to before; None if it is new.

        Raises:
            RequestIdReusedError: the ID came with another body.
        """
        ...

    def add(
        self,
        drafts: Sequence[FeedbackDraft | GnomonError],
        request: Request | None,
        now: float,
        held_out_share: float,
    ) -> tuple[Outcome, ...]:
        """Store the drafts in one transaction; errors among them are handed through.

        A draft whose `external_id` is known gives the entry that is there, or
        AlreadyExistsError as its outcome if that says something else.
        """
        ...

    def page(self, metric: str, before: int | None, size: int) -> Sequence[Feedback]:
        """Return feedback on a metric, newest first, with numbers below `before`."""
        ...

    def all(self, metric: str) -> Sequence[Feedback]:
        """Return all feedback on a metric, oldest first."""
        ...
