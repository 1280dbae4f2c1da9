"""Runs in SQL. A run is a row that a worker leases; the database is the queue."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, func, insert, not_, or_, select, update
from sqlalchemy.exc import IntegrityError

from gnomon.names import DatasetName, OperationName, RunName
from gnomon_trainer.adapters import usage
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.records import (
    expire,
    failure_from,
    find_request,
    keep_request,
    life_signs,
    progress_from,
    spec_from,
    spec_to,
)
from gnomon_trainer.adapters.sql_datasets import check_there
from gnomon_trainer.adapters.tables import points as point_table
from gnomon_trainer.adapters.tables import runs as table
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.leases import LifeSign
from gnomon_trainer.domain.run_store import Change, Lease, lost, no_run, taken
from gnomon_trainer.domain.runs import LONGEST_WAIT_S, Run, RunState, cancelled
from gnomon_trainer.domain.training import Point

_FOR_WORKERS = (RunState.QUEUED, RunState.TRAINING, RunState.FINE_TUNED)
_LEASED = and_(table.c.state.in_(_FOR_WORKERS), table.c.worker != "", not_(table.c.lease_expired))
_MEASURES = ("loss", "learning_rate", "gradient_norm", "validation_loss", "validation_macro_f1")


class SqlRunStore:
    """A `RunStore` on SQLAlchemy."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def replayed(self, request: Request) -> Run | None:
        with self._database.read() as connection:
            return _replayed(connection, request)

    def create(self, run: Run, request: Request | None) -> Run:
        with self._database.write() as connection:
            if request and (known := _replayed(connection, request)):
                return known
            for name in filter(None, (run.spec.training_set, run.spec.test_set)):
                check_there(connection, DatasetName.parse(name))
            try:
                connection.execute(insert(table).values(_values(run)))
            except IntegrityError as error:
                raise taken(run) from error
            usage.charge_run(connection, run.uid, run.create_time)
            if request:
                keep_request(connection, request, str(run.operation), run.create_time)
            return _get(connection, run.name)

    def get(self, name: RunName | OperationName) -> Run:
        with self._database.read() as connection:
            return _get(connection, name)

    def page(self, projects: frozenset[str] | None, before: int | None, size: int) -> Sequence[Run]:
        query = select(table).order_by(table.c.number.desc()).limit(size)
        if projects is not None:
            query = query.where(table.c.project.in_(projects))
        if before is not None:
            query = query.where(table.c.number < before)
        with self._database.read() as connection:
            return [_run(row) for row in connection.execute(query)]

    def change(self, name: RunName | OperationName, change: Change) -> Run:
        with self._database.write() as connection:
            run = _get(connection, name)
            changed = change(run)
            if changed is not run:
                connection.execute(update(table).where(table.c.uid == run.uid).values(_next(changed)))
            return _get(connection, name)

    def claim(self, worker: str, now: float) -> Run | None:
        is_time = or_(table.c.next_attempt <= now, table.c.next_attempt > now + LONGEST_WAIT_S)
        waits = and_(
            or_(
                table.c.state == RunState.QUEUED,
                and_(table.c.state == RunState.FINE_TUNED, table.c.error.is_(None)),
            ),
            is_time,
        )
        free = or_(table.c.worker == "", table.c.lease_expired)
        claimable = and_(
            table.c.state.in_(_FOR_WORKERS), free, or_(waits, table.c.state == RunState.TRAINING)
        )
        oldest = select(table.c.number).where(claimable).order_by(table.c.number).limit(1)
        with self._database.read() as connection:  # nobody need wait for a write where nothing is to do
            if connection.execute(oldest).first() is None:
                return None
        statement = (
            update(table)
            .where(table.c.number == oldest.scalar_subquery(), claimable)
            .values(
                state=case((table.c.state == RunState.QUEUED, RunState.TRAINING), else_=table.c.state),
                crashes=table.c.crashes + case((table.c.worker != "", 1), else_=0),
                worker=worker,
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
            if row is not None:
                usage.begin_work(connection, row.uid, row.fence, now)
        return _run(row) if row else None

    def write_leased(self, lease: Lease, change: Change, points: Sequence[Point] = ()) -> Run:
        held = and_(table.c.uid == lease.uid, table.c.fence == lease.fence)
        with self._database.write() as connection:
            row = connection.execute(select(table).where(held)).first()
            if row is None:
                raise lost(lease)
            was = _run(row)
            changed = change(replace(was, lease_expired=False))
            values = _next(changed)
            if changed.spec is not was.spec:
                check_there(connection, DatasetName.parse(changed.spec.training_set))
                values |= _spec_values(changed)
            written = connection.execute(update(table).where(held).values(values))
            if written.rowcount == 0:
                raise lost(lease)
            usage.go_on(connection, lease.uid, lease.fence, self._clock())
            for point in points:
                _add_point(connection, lease.uid, point)
        return changed

    def waiting(self) -> Sequence[Run]:
        states = [state for state in RunState if state.waits]
        query = select(table).where(table.c.state.in_(states)).order_by(table.c.number)
        with self._database.read() as connection:
            return [_run(row) for row in connection.execute(query)]

    def points(self, uid: str, after: int = 0) -> Sequence[tuple[int, Point]]:
        query = select(point_table).where(point_table.c.uid == uid, point_table.c.place > after)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(point_table.c.place))
            return [(row.place, _point(row)) for row in rows]

    def latest_point(self, uid: str) -> Point | None:
        query = select(point_table).where(point_table.c.uid == uid).order_by(point_table.c.place.desc())
        with self._database.read() as connection:
            row = connection.execute(query.limit(1)).first()
        return _point(row) if row else None

    def expire_leases(self, worker: str) -> int:
        dead = and_(table.c.worker == worker, not_(table.c.lease_expired))
        with self._database.write() as connection:
            return connection.execute(update(table).where(dead).values(lease_expired=True)).rowcount

    def free_leases(self, worker: str) -> int:
        with self._database.write() as connection:
            freed = update(table).where(table.c.worker == worker).values(worker="", lease_expired=False)
            return connection.execute(freed).rowcount

    def life_signs(self) -> Sequence[LifeSign]:
        with self._database.read() as connection:
            return life_signs(connection, table, _LEASED)

    def expire(self, sign: LifeSign) -> bool:
        with self._database.write() as connection:
            return expire(connection, table, sign)

    def settle_cancelled(self, now: float) -> int:
        left = and_(table.c.cancel_requested, or_(table.c.worker == "", table.c.lease_expired))
        with self._database.read() as connection:
            if connection.execute(select(table.c.number).where(left).limit(1)).first() is None:
                return 0
        with self._database.write() as connection:
            rows = connection.execute(select(table).where(left)).all()
            for run in map(_run, rows):
                values = _next(cancelled(run, now))
                connection.execute(update(table).where(table.c.uid == run.uid).values(values))
        return len(rows)


def _replayed(connection: Connection, request: Request) -> Run | None:
    name = find_request(connection, request)
    return None if name is None else _get(connection, OperationName.parse(name))


def _get(connection: Connection, name: RunName | OperationName) -> Run:
    if isinstance(name, OperationName):
        found = table.c.uid == name.operation
    else:
        found = and_(table.c.project == name.project, table.c.run == name.run)
    row = connection.execute(select(table).where(found)).first()
    if row is None:
        raise no_run(name)
    return _run(row)


_PLAIN = [field.name for field in fields(Run) if field.name not in {"number", "spec", "error", "progress"}]


def _values(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in _PLAIN} | {
        **_spec_values(run),
        "error": asdict(run.error) if run.error else None,
        "progress": asdict(run.progress),
        "best_mark": list(run.best_mark),
    }


def _spec_values(run: Run) -> dict[str, Any]:
    spec = run.spec
    return {"spec": spec_to(spec), "training_set": spec.training_set, "test_set": spec.test_set}


def _next(changed: Run) -> dict[str, Any]:
    """Return what a change writes; of the spec nothing, which is fixed once a run is queued."""
    values = _values(changed) | {"revision": table.c.revision + 1}
    for fixed in ("spec", "training_set", "test_set", "uid", "project", "run", "create_time"):
        del values[fixed]
    return values


def _run(row: Row[Any]) -> Run:
    values = dict(row._mapping)
    del values["training_set"], values["test_set"]
    return Run(
        **{
            **values,
            "spec": spec_from(values["spec"]),
            "state": RunState(values["state"]),
            "error": failure_from(values["error"]),
            "progress": progress_from(values["progress"]),
            "best_mark": tuple(values["best_mark"]),
        }
    )


def _add_point(connection: Connection, uid: str, point: Point) -> None:
    """Drop what came after the point's step, and merge with what is known at it."""
    at = and_(point_table.c.uid == uid, point_table.c.step == point.step)
    known = connection.execute(select(point_table).where(at)).first()
    values = {name: getattr(point, name) for name in _MEASURES}
    if known is not None:
        values = {name: getattr(known, name) if new is None else new for name, new in values.items()}
    dropped = and_(point_table.c.uid == uid, point_table.c.step >= point.step)
    connection.execute(delete(point_table).where(dropped))
    connection.execute(insert(point_table).values(uid=uid, step=point.step, **values))


def _point(row: Row[Any]) -> Point:
    return Point(step=row.step, **{name: getattr(row, name) for name in _MEASURES})
