"""The database connection: SQLite's settings, transactions, migrations, errors in words."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alembic.command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from gnomon.errors import ArtifactCorruptError, ServiceUnavailableError, StorageFullError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BEGIN = "gnomon_begin"


def connect(url: str, busy_timeout_s: float) -> Engine:
    """Return an engine for a SQLite file, whose folder is created if need be.

    Nothing but this module knows that it is SQLite: another database needs its
    own way to make writers wait for each other (see `writing`), no more.
    """
    database = make_url(url).database
    assert database is not None, "the settings want a file"
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        max_overflow=-1,
        connect_args={"timeout": busy_timeout_s},
        hide_parameters=True,  # they hold what users wrote, and errors are logged
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions; `_begin` does
    for pragma in (
        "journal_mode = WAL",  # readers and the writer do not wait for each other
        "synchronous = FULL",  # what was answered survives a power cut
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees the database as it is now, whatever is written meanwhile."""
    with errors_in_words(), engine.connect() as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is the only writer from its first statement on.

    `BEGIN IMMEDIATE` takes SQLite's write lock at once: a transaction that
    read first and wrote later could find that another one wrote in between.
    """
    with (
        errors_in_words(),
        engine.connect().execution_options(**{_BEGIN: "BEGIN IMMEDIATE"}) as connection,
        connection.begin(),
    ):
        yield connection


@contextlib.contextmanager
def errors_in_words() -> Iterator[None]:
    """Raise what an operator can do something about as a GnomonError."""
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0)
        if code in _FULL:
            raise StorageFullError(
                "The registry's disk is full; nothing was stored. Free some space, then try again."
            ) from error
        if code & 0xFF in _BUSY:
            raise ServiceUnavailableError(
                "The registry's database is busy. Try again.", retry_after_s=1.0
            ) from error
        if code & 0xFF in _DAMAGED:
            raise ArtifactCorruptError(
                "The registry's database is damaged. Stop the registry and restore the file from a backup.",
                resource="catalog",
                path="",
            ) from error
        raise


_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE,  # the file that WAL shares between processes could not grow
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to this release's state, in one transaction; do nothing if it is there.

    `revision` names another state on the way to it.

    Raises:
        ServiceUnavailableError: a newer release has changed the schema already.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with writing(engine) as connection:
        attributes: dict[str, Any] = config.attributes
        attributes["connection"] = connection
        try:
            alembic.command.upgrade(config, revision)
        except CommandError as error:
            raise ServiceUnavailableError(
                f"This release cannot open the registry's database, which a newer one has changed: {error}."
            ) from error
