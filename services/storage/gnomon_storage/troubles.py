"""What a database can run into, as errors that say what to do."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from gnomon.errors import (
    ArtifactCorruptError,
    GnomonError,
    InvalidRequestError,
    ServiceUnavailableError,
    StorageFullError,
)

log = structlog.get_logger(__name__)

RETRY_S = 1.0


@contextlib.contextmanager
def in_words(owner: str) -> Iterator[None]:
    """Raise what an operator or a caller can do something about as a GnomonError.

    `owner` is the service whose database it is. Other errors pass; they hold no
    text of a user, since engines hide parameters.
    """
    try:
        yield
    except NoConnectionError as error:
        raise _busy(owner) from error
    except DBAPIError as error:
        known = _known(error, owner)
        if known is None:
            raise
        raise known from error


def is_no_answer(error: DBAPIError) -> bool:
    """Tell whether the server is away or starting: a transaction that has not begun may wait for it."""
    if isinstance(error.orig, sqlite3.Error):
        return False
    state = _sqlstate(error)
    return error.connection_invalidated or _is_lost(state) or _never_answered(error, state)


def is_of_standby(error: DBAPIError) -> bool:
    """Tell whether the begin of a write met a standby, which knows no such transaction.

    Of other statements the code says something else: that they are not supported.
    """
    return _sqlstate(error) == "0A000"


def reads_only(owner: str) -> GnomonError:
    """A standby answers, or one that was promoted a moment ago."""
    return ServiceUnavailableError(
        f"The {owner}'s database takes no writes now. Try again.", retry_after_s=RETRY_S
    )


def _known(error: DBAPIError, owner: str) -> GnomonError | None:
    if isinstance(error.orig, sqlite3.Error):
        return _known_of_sqlite(error.orig, owner)
    state = _sqlstate(error)
    if is_no_answer(error):
        # What the server said names hosts and users, never passwords: for the log, not for callers.
        log.warning("the database does not answer", owner=owner, why=str(error.orig).strip())
        return ServiceUnavailableError(
            f"The {owner}'s database does not answer. Try again.", retry_after_s=RETRY_S
        )
    if "NUL (0x00)" in str(error.orig) or state == "22021":
        return InvalidRequestError(
            "A text of the request holds a NUL character (\\x00), which the database cannot store. Remove it."
        )
    makes = _BY_STATE.get(state)
    return makes(owner) if makes else None


def _is_lost(state: str) -> bool:
    return state.startswith("08") or state in {
        "25P03",  # idle in a transaction for too long: this process was stopped meanwhile
        "57P01",
        "57P02",
        "57P03",  # shut down, crashed, starting
        "57P05",
    }


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _never_answered(error: DBAPIError, state: str) -> bool:
    """Tell whether connecting failed: libpq gives no code then, only words."""
    return not state and type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"}


_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE,  # the file that WAL shares between processes could not grow
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_OUT_OF_REACH = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


def _known_of_sqlite(error: sqlite3.Error, owner: str) -> GnomonError | None:
    code = getattr(error, "sqlite_errorcode", None) or 0
    primary = code & 0xFF  # the rest says where exactly
    if code in _FULL:
        return _full(owner)
    if primary in _BUSY:
        return _busy(owner)
    if primary in _OUT_OF_REACH:
        return _out_of_reach(owner, error)
    return _damaged(owner) if primary in _DAMAGED else None


def _full(owner: str) -> GnomonError:
    return StorageFullError(
        f"The {owner}'s disk is full; nothing was stored. Free some space, then try again."
    )


def _busy(owner: str) -> GnomonError:
    return ServiceUnavailableError(f"The {owner}'s database is busy. Try again.", retry_after_s=RETRY_S)


def _damaged(owner: str) -> GnomonError:
    return ArtifactCorruptError(
        f"The {owner}'s database is damaged. Stop the {owner} and restore the file from a backup.",
        resource=f"{owner} database",
        path="",
    )


def _out_of_reach(owner: str, error: sqlite3.Error) -> GnomonError:
    return ServiceUnavailableError(
        f"The {owner}'s database file cannot be used: {error}. Look whether it is a file, and whether the "
        f"{owner}'s user may read and write it and its folder.",
        retry_after_s=RETRY_S,
    )


_BY_STATE: dict[str, Callable[[str], GnomonError]] = {
    "25006": reads_only,
    "40001": _busy,  # serialization failure
    "40P01": _busy,  # deadlock
    "53100": _full,
    "53200": _busy,  # out of memory
    "53300": _busy,  # too many connections
    "55P03": _busy,  # no lock within lock_timeout
    "57014": _busy,  # cancelled, such as by the server's statement_timeout
    "XX001": _damaged,
    "XX002": _damaged,
}
