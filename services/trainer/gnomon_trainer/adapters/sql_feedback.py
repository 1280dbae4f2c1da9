"""Feedback in SQL."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from gnomon.errors import BY_REASON, GnomonError, Violation
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.records import find_request, keep_request
from gnomon_trainer.adapters.tables import feedback as table
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.feedback import Feedback, FeedbackDraft, Outcome, is_held_out, said_otherwise
from gnomon_trainer.domain.runs import new_uid

_INTERNAL = {"body", "first_stratum"}  # what the store alone needs

_Stratum = tuple[str, str]  # a metric and a stratum of it
_Counted = tuple[int, int]  # how many texts of a stratum there are up to an entry's number


class SqlFeedbackStore:
    """A `FeedbackStore` on SQLAlchemy."""

    def __init__(self, database: Database, random_bytes: Callable[[int], bytes]) -> None:
        self._database = database
        self._random_bytes = random_bytes
        self._counted: dict[_Stratum, _Counted] = {}

    def replayed(self, request: Request) -> tuple[Outcome, ...] | None:
        with self._database.read() as connection:
            return _replayed(connection, request)

    def add(
        self,
        drafts: Sequence[FeedbackDraft | GnomonError],
        request: Request | None,
        now: float,
        held_out_share: float,
    ) -> tuple[Outcome, ...]:
        with self._database.write() as connection:
            if request and (known := _replayed(connection, request)) is not None:
                return known
            strata = _Strata(connection, self._counted)
            outcomes = tuple(
                draft if isinstance(draft, GnomonError) else self._add(strata, draft, now, held_out_share)
                for draft in drafts
            )
            if request:
                keep_request(connection, request, list(map(_answer, outcomes)), now)
            return outcomes

    def _add(self, strata: "_Strata", draft: FeedbackDraft, now: float, share: float) -> Outcome:
        connection = strata.connection
        if draft.external_id:
            same_id = (table.c.metric == draft.metric, table.c.external_id == draft.external_id)
            if (known := connection.execute(select(table).where(*same_id)).first()) is not None:
                return _feedback(known) if known.body == draft.body else said_otherwise(_feedback(known))
        same_text = (table.c.metric == draft.metric, table.c.text == draft.text)
        first = connection.execute(select(table.c.held_out).where(*same_text).limit(1)).first()
        if first is None:
            before = strata.count_one_more(draft.metric, draft.stratum)
            held_out = is_held_out(f"{draft.metric}, {draft.stratum}", before, share)
        else:
            held_out = first.held_out
        values = asdict(draft) | {
            "uid": new_uid(self._random_bytes(16)),
            "review_time": now if draft.review_time is None else draft.review_time,
            "body": draft.body,
            "first_stratum": draft.stratum if first is None else None,
            "held_out": held_out,
            "create_time": now,
        }
        row = connection.execute(insert(table).values(values).returning(table)).one()
        return _feedback(row)

    def page(self, metric: str, before: int | None, size: int) -> Sequence[Feedback]:
        query = select(table).where(table.c.metric == metric).order_by(table.c.number.desc()).limit(size)
        if before is not None:
            query = query.where(table.c.number < before)
        with self._database.read() as connection:
            return [_feedback(row) for row in connection.execute(query)]

    def all(self, metric: str) -> Sequence[Feedback]:
        query = select(table).where(table.c.metric == metric).order_by(table.c.number)
        with self._database.read() as connection:
            return [_feedback(row) for row in connection.execute(query)]


class _Strata:
    """How many texts each stratum has, within one transaction that writes.

    Entries never change and never go, so what was counted once stays true: only
    entries after it are counted, and the work does not grow with the table.
    `counted` is shared between transactions, and holds committed entries alone.
    """

    def __init__(self, connection: Connection, counted: dict[_Stratum, _Counted]) -> None:
        self.connection = connection
        self._counted = counted
        self._now: dict[_Stratum, int] = {}
        self._last = connection.execute(select(func.max(table.c.number))).scalar() or 0

    def count_one_more(self, metric: str, stratum: str) -> int:
        """Return how many texts the stratum had before, and count one more."""
        place = metric, stratum
        if place not in self._now:
            self._now[place] = self._count(place)
        self._now[place] += 1
        return self._now[place] - 1

    def _count(self, place: _Stratum) -> int:
        known, up_to = self._counted.get(place, (0, 0))
        since = select(func.count()).where(
            table.c.metric == place[0],
            table.c.first_stratum == place[1],
            table.c.number > up_to,
            table.c.number <= self._last,  # entries of this transaction may yet be taken back
        )
        found = known + self.connection.execute(since).scalar_one()
        self._counted[place] = found, self._last
        return found


def _replayed(connection: Connection, request: Request) -> tuple[Outcome, ...] | None:
    answer = find_request(connection, request)
    return None if answer is None else tuple(_outcome(connection, entry) for entry in answer)


def _answer(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Feedback):
        return {"uid": outcome.uid}
    violations = [[violation.field, violation.description] for violation in outcome.violations]
    return {
        "reason": outcome.reason,
        "message": outcome.message,
        "violations": violations,
        "metadata": outcome.metadata,
    }


def _outcome(connection: Connection, answer: dict[str, Any]) -> Outcome:
    if "uid" in answer:
        return _feedback(connection.execute(select(table).where(table.c.uid == answer["uid"])).one())
    violations = [Violation(*pair) for pair in answer["violations"]]
    error = BY_REASON.get(answer["reason"], GnomonError)(answer["message"], violations=violations)
    error.metadata = answer["metadata"]
    return error


def _feedback(row: Row[Any]) -> Feedback:
    return Feedback(**{name: value for name, value in row._mapping.items() if name not in _INTERNAL})
