"""Records of calls, and a log in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gnomon.audit import AuditEntry, Head, Query, Record, chained

START = datetime(2026, 11, 22, 11, 4, 27, 105, tzinfo=UTC)


def record(index=0, **changes):
    values = {
        "time": START + timedelta(seconds=index),
        "caller": "local",
        "project": "",
        "method": "gnomon.v1.RegistryService/CreateMetric",
        "resource": f"metrics/m{index}",
        "call_id": f"call-{index}",
    }
    return Record(**{**values, **changes})


def chain(count):
    return list(chained(Head(), map(record, range(count))))


class MemoryLog:
    """Implements `AuditLog`; `failure` is raised by the next appends while it is set."""

    def __init__(self):
        self.kept: list[AuditEntry] = []
        self.failure: Exception | None = None
        self.transactions = 0

    def append(self, records: Sequence[Record]) -> list[AuditEntry]:
        if self.failure is not None:
            raise self.failure
        self.transactions += 1
        head = Head(self.kept[-1].number, self.kept[-1].hash) if self.kept else Head()
        made = list(chained(head, records))
        self.kept += made
        return made

    def entries(self, query: Query, after: int | None, limit: int) -> list[AuditEntry]:
        order = self.kept[::-1] if query.newest_first else self.kept
        beyond = (
            (lambda n: True) if after is None else (lambda n: n < after if query.newest_first else n > after)
        )
        return [e for e in order if beyond(e.number) and _fits(query, e)][:limit]


def _fits(query: Query, entry: AuditEntry) -> bool:
    record = entry.record
    return (
        (query.start is None or record.time >= query.start)
        and (query.end is None or record.time < query.end)
        and query.caller in ("", record.caller)
        and query.method in ("", record.method, record.method.rpartition("/")[2])
        and record.resource.startswith(query.resource_prefix)
    )
