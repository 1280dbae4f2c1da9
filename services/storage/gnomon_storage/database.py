"""A service's database: transactions, migrations, errors in words."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from gnomon.errors import ResourceInUseError, ServiceUnavailableError
from gnomon_storage import dumping, engines, migrating, troubles
from gnomon_storage.migrating import Migrations, State
from gnomon_storage.urls import parse, sqlite_file

_MIGRATION_WAIT_S = 300.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5


class SqlDatabase:
    """Opens transactions on SQLite or PostgreSQL.

    `owner` is the service it belongs to, for messages. `busy_timeout_s` is how
    long a transaction waits for other writers, and for a server that restarts.
    """

    def __init__(
        self,
        url: str,
        *,
        owner: str,
        migrations: Migrations,
        busy_timeout_s: float,
        synchronous: str = "FULL",
        password_file: Path | None = None,
    ) -> None:
        self.url = parse(url)
        self._owner = owner
        self._migrations = migrations
        self._busy_timeout_s = busy_timeout_s
        password = _reader(password_file) if password_file else None
        self.engine = engines.engine_of(self.url, busy_timeout_s, synchronous=synchronous, password=password)
        # Writers of this process queue here: SQLite's own waiting is by sleeps, and unfair, and on
        # PostgreSQL each one would hold a connection.
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """The database as it was at the first statement, whatever is written meanwhile.

        Raises:
            ServiceUnavailableError: the database does not answer.
            ArtifactCorruptError: it is damaged.
        """
        with troubles.in_words(self._owner), self._begun(engines.to_read(self.engine)) as connection:
            yield connection

    @contextlib.contextmanager
    def write(self, wait_s: float | None = None) -> Iterator[Connection]:
        """All or nothing; the only writer from its first statement on.

        `wait_s` is how long to wait for others; `busy_timeout_s` if not given.

        Raises:
            StorageFullError: the disk is full; nothing was written.
            ServiceUnavailableError: another writer did not finish in time, or the database does not
                answer. What was written may be there if the connection broke in the commit: repeat
                the call with the same request ID.
            ArtifactCorruptError: the database is damaged.
        """
        wait_s = self._busy_timeout_s if wait_s is None else wait_s
        if not self._turn.acquire(timeout=wait_s):
            raise ServiceUnavailableError(
                f"The {self._owner}'s database is busy. Try again.", retry_after_s=troubles.RETRY_S
            )
        try:
            engine = engines.to_write(self.engine, wait_s)
            with troubles.in_words(self._owner), self._begun(engine) as connection:
                yield connection
        finally:
            self._turn.release()

    @contextlib.contextmanager
    def _begun(self, engine: Engine) -> Iterator[Connection]:
        with contextlib.ExitStack() as open_ones:
            yield self._begin(engine, open_ones)

    def _begin(self, engine: Engine, open_ones: contextlib.ExitStack) -> Connection:
        """Begin a transaction; wait for a server that restarts, as nothing is lost before the begin."""
        give_up, pause_s = time.monotonic() + self._busy_timeout_s, _FIRST_PAUSE_S
        while True:
            try:
                return open_ones.enter_context(engine.begin())
            except DBAPIError as error:
                if troubles.is_of_standby(error):
                    self.engine.dispose()  # or the pool would give the same connections again
                    raise troubles.reads_only(self._owner) from error
                if not troubles.is_no_answer(error) or time.monotonic() + pause_s >= give_up:
                    raise
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema to this release's, in one transaction; do nothing where it is there already.

        Several processes may do so at once. `revision` names a step on the way.

        Raises:
            ServiceUnavailableError: a newer release has changed it, or it is another service's.
        """
        with self.write(_MIGRATION_WAIT_S) as connection:
            migrating.upgrade(connection, self._migrations, self._owner, revision)

    @property
    def missing_file(self) -> Path | None:
        """The file that opening the database would make, or fill; None if it is there, or a server's."""
        file = sqlite_file(self.url)
        if file is None or (file.exists() and not _is_empty_file(file)):
            return None
        return file.absolute()

    def check(self) -> None:
        """Look whether the database can be read; raises what `read` raises."""
        with self.read() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM alembic_version")

    def state(self) -> State:
        """Return at which step of its migrations the database is.

        Raises:
            ServiceUnavailableError: a newer release has changed it, or it is another service's.
        """
        with self.read() as connection:
            return migrating.state(connection, self._migrations, self._owner)

    def prepare(self, *, migrate: bool) -> None:
        """Migrate, or refuse a database that would need it. For the start of a process."""
        if migrate:
            self.migrate()
            return
        found = self.state()
        if found.current != found.newest:
            raise ServiceUnavailableError(
                f"The {self._owner}'s database is at revision {found.current or 'none'}; this release needs "
                f"{found.newest}. Run `gnomon db upgrade`, or start with migrate_on_start."
            )

    def restore(self, revision: str, files: Sequence[Path]) -> None:
        """Fill an empty database with files that `dumping.dump` wrote at a revision; bring it up to date.

        Raises:
            ResourceInUseError: it is not empty, or its tables are of a later revision than the backup.
            ServiceUnavailableError: the backup is of a newer release.
            ArtifactCorruptError: the backup has what its revision has no place for, or lacks a table.
        """
        self.check_takes(revision)
        self.migrate(revision)
        with self.write(_MIGRATION_WAIT_S) as connection:
            if not dumping.is_empty(connection):
                raise self._not_empty()
            self._check_leads_to(connection, revision)  # again: it may have been migrated meanwhile
            dumping.load(connection, self._migrations.tables, files)
        self.migrate()

    def check_takes(self, revision: str) -> None:
        """Raise what `restore` would of the database and a backup's revision; change nothing."""
        if self.missing_file is not None:  # reading it would make it
            migrating.check_leads_to(self._migrations, None, revision, self._owner)
            return
        self.check_empty()
        with self.read() as connection:
            self._check_leads_to(connection, revision)

    def _check_leads_to(self, connection: Connection, revision: str) -> None:
        """Old rows in newer tables would miss what the steps between do to rows."""
        current = migrating.state(connection, self._migrations, self._owner).current
        migrating.check_leads_to(self._migrations, current, revision, self._owner)

    def check_empty(self) -> None:
        """Raise ResourceInUseError if the database holds anything."""
        with self.read() as connection:
            if not dumping.is_empty(connection):
                raise self._not_empty()

    def _not_empty(self) -> ResourceInUseError:
        return ResourceInUseError(
            f"The {self._owner}'s database is not empty, and a restore overwrites nothing. Restore into "
            "an empty one.",
            resource=f"{self._owner} database",
            used_by="what it holds",
        )

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    def close(self) -> None:
        self.engine.dispose()


def _is_empty_file(file: Path) -> bool:
    return file.is_file() and file.stat().st_size == 0


def _reader(file: Path) -> Callable[[], str]:
    """Return what reads a password, anew each time: it may be changed while a service runs."""

    def read() -> str:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ServiceUnavailableError(
                f"The database's password cannot be read from {file}: {error.strerror}."
            ) from error

    return read
