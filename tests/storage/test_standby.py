"""What a service makes of a server that answers, and takes no writes: a standby of PostgreSQL."""

import functools
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, text

from gnomon.errors import ServiceUnavailableError
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.schema import answered_requests
from tests import postgres
from tests.postgres import PostgresServer

ROW = {"request_id": "r", "body": "b", "resource": "x"}


@pytest.fixture
def server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """One of its own, where the tests have one at all: nobody else is to meet a standby."""
    programs = postgres.binaries()
    assert programs is not None
    server = PostgresServer(programs, wal_level="replica", max_wal_senders="2", hot_standby="on")
    server.start()
    yield server
    server.stop()


def migrated(url: str) -> Database:
    database = Database(url, 0.2)
    database.migrate()
    return database


def write(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(answered_requests), ROW)


def process_of(database: Database) -> int:
    """Return which process of the server answers; the pool gives the same one again while it keeps it."""
    with database.read() as connection:
        pid: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        return pid


def test_a_standby_is_unhealthy_and_written_to_once_it_is_promoted(server: PostgresServer) -> None:
    database = migrated(server.database())
    server.become_standby()
    for touch in (functools.partial(write, database), database.check):
        with pytest.raises(ServiceUnavailableError) as raised:
            touch()
        assert raised.value.retry_after_s
    server.promote()
    write(database)
    database.check()
    database.close()


def test_who_asks_for_any_server_reads_from_a_standby_and_is_told_that_it_takes_no_writes(
    server: PostgresServer,
) -> None:
    database = migrated(server.database() + "?target_session_attrs=any")
    server.become_standby()
    before = process_of(database)
    with pytest.raises(ServiceUnavailableError, match="takes no writes now") as raised:
        write(database)
    after = process_of(database)
    database.close()

    assert raised.value.retry_after_s
    assert after != before, "the connection is kept, and the next write would meet the standby again"
