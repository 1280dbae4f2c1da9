"""The audit log in a service's own database: one table, one chain, whoever appends."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    func,
    insert,
    or_,
    select,
)

from gnomon.audit import AuditEntry, Head, Query, Record, chained
from gnomon_storage.migrating import OF_EVERY_SERVICE

Transaction = Callable[[], AbstractContextManager[Connection]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def audit_table(metadata: MetaData) -> Table:
    """Return the table, as a service's migration makes it."""
    return Table(
        "audit_entries",
        metadata,
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        Column("time_us", BigInteger, nullable=False),  # since 1970, exact: the hash depends on it
        Column("caller", String, nullable=False),
        Column("project", String, nullable=False),
        Column("method", String, nullable=False),
        Column("resource", String, nullable=False),
        Column("call_id", String, nullable=False),
        Column("begun", BigInteger, nullable=False),
        Column("outcome", String, nullable=False),
        Column("reason", String, nullable=False),
        Column("count", BigInteger, nullable=False),
        Column("previous_hash", LargeBinary, nullable=False),
        Column("hash", LargeBinary, nullable=False),
        Index("audit_entries_by_time", "time_us"),
        info={OF_EVERY_SERVICE: True},
    )


_entries = audit_table(MetaData())


class SqlAuditLog:
    """Implements `AuditLog`.

    `write` begins a transaction that is the only writer from its first statement
    on, and whose commit survives a power cut; `read` one that sees the database
    as it is.
    """

    def __init__(self, write: Transaction, read: Transaction) -> None:
        self._write = write
        self._read = read

    def append(self, records: Sequence[Record]) -> list[AuditEntry]:
        with self._write() as connection:
            made = list(chained(_head(connection), records))
            if made:
                connection.execute(insert(_entries), [_values(entry) for entry in made])
        return made

    def entries(self, query: Query, after: int | None, limit: int) -> list[AuditEntry]:
        number = _entries.c.number
        order = number.desc() if query.newest_first else number
        chosen = select(_entries).where(*_conditions(query)).order_by(order).limit(limit)
        if after is not None:
            chosen = chosen.where(number < after if query.newest_first else number > after)
        with self._read() as connection:
            return [_entry(row) for row in connection.execute(chosen)]


def _head(connection: Connection) -> Head:
    last = select(_entries.c.number, _entries.c.hash).order_by(_entries.c.number.desc()).limit(1)
    row = connection.execute(last).one_or_none()
    return Head(row.number, bytes(row.hash)) if row else Head()


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    c = _entries.c
    conditions: list[ColumnElement[bool]] = []
    if query.start is not None:
        conditions.append(c.time_us >= _microseconds(query.start))
    if query.end is not None:
        conditions.append(c.time_us < _microseconds(query.end))
    if query.caller:
        conditions.append(c.caller == query.caller)
    if query.method:
        ending = func.substr(c.method, func.length(c.method) - len(query.method))
        conditions.append(or_(c.method == query.method, ending == f"/{query.method}"))
    if query.resource_prefix:
        # Not LIKE, which SQLite compares without regard to case.
        conditions.append(func.substr(c.resource, 1, len(query.resource_prefix)) == query.resource_prefix)
    return conditions


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _values(entry: AuditEntry) -> dict[str, Any]:
    record = entry.record
    return {
        "number": entry.number,
        "time_us": _microseconds(record.time),
        "caller": record.caller,
        "project": record.project,
        "method": record.method,
        "resource": record.resource,
        "call_id": record.call_id,
        "begun": record.begun,
        "outcome": record.outcome,
        "reason": record.reason,
        "count": record.count,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def _entry(row: Row[Any]) -> AuditEntry:
    record = Record(
        time=_EPOCH + row.time_us * _MICROSECOND,
        caller=row.caller,
        project=row.project,
        method=row.method,
        resource=row.resource,
        call_id=row.call_id,
        begun=row.begun,
        outcome=row.outcome,
        reason=row.reason,
        count=row._mapping["count"],
    )
    return AuditEntry(row.number, record, bytes(row.previous_hash), bytes(row.hash))
