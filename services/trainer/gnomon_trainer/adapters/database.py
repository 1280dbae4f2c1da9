"""The trainer's database: one file that the service and its workers share."""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from gnomon.errors import ArtifactCorruptError, GnomonError, ServiceUnavailableError, StorageFullError

_BUSY_TIMEOUT_S = 15.0


class Database:
    """Opens transactions. Errors of a full, busy or damaged database become GnomonErrors.

    `synchronous` is SQLite's pragma: with `NORMAL` a power cut may take the last
    transactions, though never a part of one; with `FULL` it takes none.
    """

    def __init__(self, url: str, synchronous: str = "NORMAL") -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(url, synchronous)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing may be written."""
        with _known_errors(), self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """All or nothing; one writer at a time.

        Raises:
            StorageFullError: the disk is full; nothing was written.
            ServiceUnavailableError: another writer did not finish in time.
            ArtifactCorruptError: the database's file is damaged.
        """
        with _known_errors(), self.engine.execution_options(write=True).begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the schema to this release's; does nothing where it is there already."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def check(self) -> None:
        """Look whether the database can be read; raises what `read` raises."""
        with self.read() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM alembic_version")

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str, synchronous: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, hide_parameters=True)
    engine = create_engine(
        url,
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
        hide_parameters=True,  # they hold what users wrote, and errors are logged
    )

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun by `_begin`, not by the driver
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # A transaction that reads first and locks later can fail in the middle; writers lock at once.
    wants_write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if wants_write else "BEGIN")


@contextlib.contextmanager
def _known_errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        known = _known(error.orig)
        if known is None:
            raise
        raise known from error


_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE,  # the file that WAL shares between processes could not grow
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _known(error: BaseException | None) -> GnomonError | None:
    code = getattr(error, "sqlite_errorcode", None) or 0
    primary = code & 0xFF  # the rest says where exactly
    if code in _FULL:
        return StorageFullError("The trainer's disk is full; nothing was stored. Free some space and repeat.")
    if primary in _BUSY:
        return ServiceUnavailableError("The trainer's database is busy. Try again.", retry_after_s=0.5)
    if primary in _DAMAGED:
        return ArtifactCorruptError(
            "The trainer's database is damaged. Stop the trainer and restore the file from a backup.",
            resource="trainer database",
            path="",
        )
    return None
