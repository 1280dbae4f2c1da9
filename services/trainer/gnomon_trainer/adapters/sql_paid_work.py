"""Paid work in SQL. A piece of work is a row that a trainer leases; the database is the queue."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, func, insert, not_, or_, select, update
from sqlalchemy.exc import IntegrityError

from gnomon.names import DatasetName
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.records import expire, failure_from, find_request, keep_request, life_signs
from gnomon_trainer.adapters.sql_datasets import check_there
from gnomon_trainer.adapters.tables import paid_answers, paid_outcomes
from gnomon_trainer.adapters.tables import paid_work as table
from gnomon_trainer.domain.chat_budget import Allowance, Prices, Tokens
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.leases import LifeSign
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind, WorkState, cancelled
from gnomon_trainer.domain.paid_work_store import Change, Outcome, WorkLease, lost, no_work, taken

_NOTHING = Tokens()
_LEASED = and_(table.c.state == WorkState.WORKING, table.c.holder != "", not_(table.c.lease_expired))


class SqlPaidWorkStore:
    """A `PaidWorkStore` on SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replayed(self, request: Request) -> PaidWork | None:
        with self._database.read() as connection:
            return _replayed(connection, request)

    def create(self, work: PaidWork, request: Request | None) -> PaidWork:
        with self._database.write() as connection:
            if request and (known := _replayed(connection, request)):
                return known
            for name in work.needs:
                check_there(connection, DatasetName.parse(name))
            try:
                connection.execute(insert(table).values(_values(work)))
            except IntegrityError as error:
                raise taken(work) from error
            if request:
                keep_request(connection, request, work.uid, work.create_time)
            return _find(connection, work.uid)

    def get(self, kind: WorkKind, work_id: str) -> PaidWork:
        query = select(table).where(table.c.kind == kind, table.c.work_id == work_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise no_work(f"{kind}/{work_id}")
        return _work(row)

    def find(self, uid: str) -> PaidWork:
        with self._database.read() as connection:
            return _find(connection, uid)

    def page(self, kinds: Collection[WorkKind], before: int | None, size: int) -> Sequence[PaidWork]:
        query = select(table).where(table.c.kind.in_(kinds)).order_by(table.c.number.desc()).limit(size)
        if before is not None:
            query = query.where(table.c.number < before)
        with self._database.read() as connection:
            return [_work(row) for row in connection.execute(query)]

    def change(self, uid: str, change: Change) -> PaidWork:
        with self._database.write() as connection:
            work = _find(connection, uid)
            changed = change(work)
            if changed is not work:
                connection.execute(update(table).where(table.c.uid == uid).values(_next(changed)))
            return _find(connection, uid)

    def claim(self, kinds: Collection[WorkKind], holder: str, now: float) -> PaidWork | None:
        free = or_(table.c.holder == "", table.c.lease_expired)
        claimable = and_(table.c.state == WorkState.WORKING, free, table.c.kind.in_(kinds))
        oldest = select(table.c.number).where(claimable).order_by(table.c.number).limit(1)
        with self._database.read() as connection:  # nobody need wait for a write where nothing is to do
            if connection.execute(oldest).first() is None:
                return None
        statement = (
            update(table)
            .where(table.c.number == oldest.scalar_subquery(), claimable)
            .values(
                crashes=table.c.crashes + case((table.c.holder != "", 1), else_=0),
                holder=holder,
                fence=table.c.fence + 1,
                lease_expired=False,
                attempts=table.c.attempts + 1,
                start_time=func.coalesce(table.c.start_time, now),
                revision=table.c.revision + 1,
            )
            .returning(table)
        )
        with self._database.write() as connection:
            row = connection.execute(statement).first()
        return _work(row) if row else None

    def write_leased(
        self,
        lease: WorkLease,
        change: Change,
        outcomes: Sequence[Outcome] = (),
        spent: Tokens = _NOTHING,
    ) -> PaidWork:
        held = and_(table.c.uid == lease.uid, table.c.fence == lease.fence)
        with self._database.write() as connection:
            row = connection.execute(select(table).where(held)).first()
            if row is None:
                raise lost(lease)
            changed = change(replace(_work(row), lease_expired=False))
            written = connection.execute(update(table).where(held).values(_next(changed, spent)))
            if written.rowcount == 0:
                raise lost(lease)
            _keep_outcomes(connection, lease.uid, outcomes)
            if changed.state is WorkState.DONE:
                connection.execute(delete(paid_answers).where(paid_answers.c.uid == lease.uid))
            return _find(connection, lease.uid)

    def outcomes(
        self, uid: str, parts: Collection[str], after: int = 0, size: int | None = None
    ) -> Sequence[tuple[str, int, Mapping[str, Any]]]:
        query = (
            select(paid_outcomes.c.part, paid_outcomes.c.place, paid_outcomes.c.body)
            .where(paid_outcomes.c.uid == uid, paid_outcomes.c.part.in_(parts), paid_outcomes.c.place > after)
            .order_by(paid_outcomes.c.place, paid_outcomes.c.part)
            .limit(size)
        )
        with self._database.read() as connection:
            return [(row.part, row.place, row.body) for row in connection.execute(query)]

    def drop_outcomes(self, uid: str, parts: Collection[str]) -> None:
        of_parts = and_(paid_outcomes.c.uid == uid, paid_outcomes.c.part.in_(parts))
        with self._database.write() as connection:
            connection.execute(delete(paid_outcomes).where(of_parts))

    def holders(self) -> frozenset[str]:
        query = select(table.c.holder).where(_LEASED).distinct()
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def expire_leases(self, holder: str) -> int:
        dead = and_(table.c.holder == holder, not_(table.c.lease_expired))
        with self._database.write() as connection:
            return connection.execute(update(table).where(dead).values(lease_expired=True)).rowcount

    def life_signs(self) -> Sequence[LifeSign]:
        with self._database.read() as connection:
            return life_signs(connection, table, _LEASED)

    def expire(self, sign: LifeSign) -> bool:
        with self._database.write() as connection:
            return expire(connection, table, sign)

    def settle_cancelled(self, now: float) -> int:
        left = and_(table.c.cancel_requested, or_(table.c.holder == "", table.c.lease_expired))
        with self._database.read() as connection:
            if connection.execute(select(table.c.number).where(left).limit(1)).first() is None:
                return 0
        with self._database.write() as connection:
            found = [_work(row) for row in connection.execute(select(table).where(left))]
            for work in found:
                values = _next(cancelled(work, now))
                connection.execute(update(table).where(table.c.uid == work.uid).values(values))
        return len(found)


def _keep_outcomes(connection: Connection, uid: str, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        there = and_(
            paid_outcomes.c.uid == uid,
            paid_outcomes.c.part == outcome.part,
            paid_outcomes.c.place == outcome.place,
        )
        connection.execute(delete(paid_outcomes).where(there))
    if outcomes:
        rows = [{"uid": uid, "part": o.part, "place": o.place, "body": dict(o.body)} for o in outcomes]
        connection.execute(insert(paid_outcomes), rows)
    subjects = [outcome.subject for outcome in outcomes if outcome.subject]
    if subjects:
        used = and_(paid_answers.c.uid == uid, paid_answers.c.subject.in_(subjects))
        connection.execute(delete(paid_answers).where(used))


def _replayed(connection: Connection, request: Request) -> PaidWork | None:
    uid = find_request(connection, request)
    return None if uid is None else _find(connection, uid)


def _find(connection: Connection, uid: str) -> PaidWork:
    row = connection.execute(select(table).where(table.c.uid == uid)).first()
    if row is None:
        raise no_work(f"operations/{uid}")
    return _work(row)


_APART = {"number", "kind", "needs", "allowance", "error", "spent"}
_PLAIN = [entry.name for entry in fields(PaidWork) if entry.name not in _APART]
_FIXED = ("uid", "work_id", "kind", "spec", "needs", "secret", "create_time", "input_tokens", "output_tokens")


def _values(work: PaidWork) -> dict[str, Any]:
    return {name: getattr(work, name) for name in _PLAIN} | {
        "kind": work.kind,
        "needs": "".join(f"{name} " for name in work.needs),
        "allowance": asdict(work.allowance),
        "error": asdict(work.error) if work.error else None,
        "input_tokens": work.spent.input,
        "output_tokens": work.spent.output,
    }


def _next(changed: PaidWork, spent: Tokens = _NOTHING) -> dict[str, Any]:
    values = _values(changed)
    for fixed in _FIXED:
        del values[fixed]
    return values | {
        # Added up where they are: the journal adds to them without a lease.
        "input_tokens": table.c.input_tokens + spent.input,
        "output_tokens": table.c.output_tokens + spent.output,
        "revision": table.c.revision + 1,
    }


def _work(row: Row[Any]) -> PaidWork:
    values = dict(row._mapping)
    spent = Tokens(values.pop("input_tokens"), values.pop("output_tokens"))
    allowance = values["allowance"]
    return PaidWork(
        **{
            **values,
            "kind": WorkKind(values["kind"]),
            "needs": tuple(values["needs"].split()),
            "allowance": Allowance(**{**allowance, "prices": Prices(**allowance["prices"])}),
            "state": WorkState(values["state"]),
            "error": failure_from(values["error"]),
            "spent": spent,
        }
    )
