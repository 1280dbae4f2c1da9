"""What every `AuditLog` does: the one in memory, and the one in a database."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import event

from gnomon.audit import Head, Query, verify
from gnomon.errors import ServiceUnavailableError
from gnomon_storage.audit_log import SqlAuditLog
from gnomon_trainer.adapters.database import Database
from tests.audit.things import START, MemoryLog, record
from tests.databases import ENGINES, trainer_database


class SqlLogs:
    """A database that several processes share: each log has connections of its own."""

    def __init__(self, url):
        self.url = url
        self.databases = []

    def log(self):
        database = Database(self.url, synchronous="FULL")
        self.databases.append(database)
        return SqlAuditLog(database.write, database.read)


@pytest.fixture(params=ENGINES)
def sql(request, tmp_path):
    first = trainer_database(request.param, request, tmp_path)
    logs = SqlLogs(first.url.render_as_string(hide_password=False))
    first.close()
    yield logs
    for database in logs.databases:
        database.close()


@pytest.fixture(params=["memory", *ENGINES])
def log(request, tmp_path):
    if request.param == "memory":
        yield MemoryLog()
        return
    database = trainer_database(request.param, request, tmp_path)
    yield SqlAuditLog(database.write, database.read)
    database.close()


def test_what_was_appended_is_there_as_a_chain(log):
    made = log.append([record(0), record(1)]) + log.append([record(2, begun=1, outcome="OK", count=3)])

    assert log.entries(Query(), None, 100) == made
    assert [entry.number for entry in made] == [1, 2, 3]
    assert verify(made).problem is None
    assert log.append([]) == []


def test_entries_come_in_pages_in_either_order(log):
    made = log.append([record(i) for i in range(5)])

    assert log.entries(Query(), None, 2) == made[:2]
    assert log.entries(Query(), 2, 2) == made[2:4]
    assert log.entries(Query(newest_first=True), None, 2) == [made[4], made[3]]
    assert log.entries(Query(newest_first=True), 4, 9) == [made[2], made[1], made[0]]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (Query(start=START + timedelta(seconds=3)), [4, 5, 6]),
        (Query(end=START + timedelta(seconds=3)), [1, 2, 3]),
        (Query(start=START + timedelta(seconds=1), end=START + timedelta(seconds=2)), [2]),
        (Query(caller="apiKeys/a"), [1, 3, 5]),
        (Query(caller="apiKeys/A"), []),
        (Query(method="gnomon.v1.RegistryService/SetAlias"), [1, 2, 3]),
        (Query(method="SetAlias"), [1, 2, 3]),
        (Query(method="Alias"), []),
        (Query(resource_prefix="metrics/tox"), [1, 2, 3, 4]),
        (Query(resource_prefix="metrics/tox/"), [2, 3]),
        (Query(resource_prefix="metrics/t_x"), []),
        (Query(resource_prefix="Metrics/tox"), []),
        (Query(caller="apiKeys/a", method="SetAlias", resource_prefix="metrics/tox/"), [3]),
    ],
)
def test_entries_are_chosen_by_time_caller_method_and_resource(log, query, numbers):
    names = ["tox", "tox/aliases/a", "tox/aliases/b", "toxicity", "tone", "other"]
    log.append(
        record(
            i,
            caller=f"apiKeys/{'ab'[i % 2]}",
            method=f"gnomon.v1.RegistryService/{'SetAlias' if i < 3 else 'CreateMetric'}",
            resource=f"metrics/{name}",
        )
        for i, name in enumerate(names)
    )

    assert [entry.number for entry in log.entries(query, None, 100)] == numbers


def test_several_processes_that_append_at_once_make_one_chain(sql):
    logs = [sql.log() for _ in range(4)]

    def append(log, who):
        for index in range(10):
            log.append([record(index, caller=who), record(index, caller=who, begun=1, outcome="OK")])

    threads = [threading.Thread(target=append, args=(log, f"p{i}")) for i, log in enumerate(logs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    entries = logs[0].entries(Query(), None, 1000)
    assert verify(entries).count == 80
    assert verify(entries).problem is None
    for who in range(4):
        times = [entry.record.time for entry in entries if entry.record.caller == f"p{who}"]
        assert times == sorted(times)


def test_what_cannot_be_committed_leaves_nothing(sql):
    log = sql.log()
    log.append([record(0)])

    def fail(_connection):
        raise ServiceUnavailableError("The database went away.")

    engine = sql.databases[0].engine
    event.listen(engine, "commit", fail)
    with pytest.raises(ServiceUnavailableError):
        log.append([record(1), record(2)])
    event.remove(engine, "commit", fail)

    (entry,) = log.append([record(3)])
    assert entry.number == 2
    assert verify(log.entries(Query(), None, 10)).head == Head(2, entry.hash)
