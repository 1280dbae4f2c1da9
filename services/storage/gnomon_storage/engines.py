"""Connections, and how a transaction begins: the only place that tells SQLite from PostgreSQL.

A transaction that writes is the only writer from its first statement on. A
transaction that reads sees the database as it was when it began.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from gnomon_storage.urls import sqlite_file

WRITE = "gnomon_write"
WAIT_S = "gnomon_wait_s"

# A process that stops in the middle of a write would keep all others from writing.
_LONGEST_PAUSE_S = 60
# Per process; a service has at most as many threads, and waiting ones hold none.
_CONNECTIONS = 4
_MORE_CONNECTIONS = 12


def engine_of(
    url: URL, busy_timeout_s: float, *, synchronous: str, password: Callable[[], str] | None
) -> Engine:
    """Return an engine of a URL from `urls.parse`.

    `busy_timeout_s` is how long a write waits for others. `synchronous` is
    SQLite's pragma. `password` is asked at every connection to a server.
    """
    file = sqlite_file(url)
    if file is not None:
        return _of_sqlite(url, file, busy_timeout_s, synchronous)
    return _of_postgresql(url, busy_timeout_s, password)


def _of_sqlite(url: URL, file: Path, busy_timeout_s: float, synchronous: str) -> Engine:
    engine = create_engine(
        url,
        max_overflow=-1,
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
        hide_parameters=True,  # they hold what users wrote, and errors are logged
    )

    def make_folder(*_: object) -> None:
        # Not before the first connection: who only looks at what is there makes nothing.
        file.parent.mkdir(parents=True, exist_ok=True)

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions; `begin` does
        for pragma in (
            "journal_mode = WAL",  # readers and the writer do not wait for each other
            f"synchronous = {synchronous}",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    def begin(connection: Connection) -> None:
        # A transaction that reads first and locks later can find that another one wrote in between.
        wants_write = connection.get_execution_options().get(WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if wants_write else "BEGIN")

    event.listen(engine, "do_connect", make_folder, once=True)
    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _of_postgresql(url: URL, busy_timeout_s: float, password: Callable[[], str] | None) -> Engine:
    patience = {
        "connect_timeout": 5,
        "tcp_user_timeout": 15_000,  # ms; a server that vanished is noticed
        "keepalives_idle": 30,
        "application_name": "gnomon",
        "target_session_attrs": "read-write",  # of several servers the primary; a standby is no answer
    }
    engine = create_engine(
        url,
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        pool_timeout=busy_timeout_s,
        pool_pre_ping=True,
        # What the URL itself says goes first.
        connect_args={name: value for name, value in patience.items() if name not in url.query},
        hide_parameters=True,
    )

    def connect(_dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> None:
        if password is not None:
            parameters["password"] = password()

    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(WRITE, False):
            # READ COMMITTED: each statement after this one sees what was committed before it, and there
            # is no other writer until this transaction has ended.
            connection.exec_driver_sql(
                "SELECT set_config('lock_timeout', %(wait)s, true),"
                " set_config('idle_in_transaction_session_timeout', %(pause)s, true),"
                " pg_advisory_xact_lock(hashtextextended('gnomon ' || current_schema(), 0))",
                {
                    "wait": f"{max(1, int(1000 * options.get(WAIT_S, busy_timeout_s)))}",
                    "pause": f"{_LONGEST_PAUSE_S}s",
                },
            )

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "begin", begin)
    return engine


def to_read(engine: Engine) -> Engine:
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def to_write(engine: Engine, wait_s: float) -> Engine:
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{WRITE: True})
    return engine.execution_options(
        isolation_level="READ COMMITTED", postgresql_readonly=False, **{WRITE: True, WAIT_S: wait_s}
    )
