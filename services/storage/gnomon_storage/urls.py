"""Which databases a service may be given."""

import importlib.util
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_FORMS = "must be of the form sqlite:///path or postgresql://user@host/database"
_POSTGRESQL = {"postgresql", "postgres", "postgresql+psycopg"}


def parse(text: str) -> URL:
    """Return a database's URL as SQLAlchemy wants it.

    Raises:
        ValueError: it is none that can be used, or PostgreSQL's driver is not installed. The message
            does not repeat the URL, which may hold a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(_FORMS) from None
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return url
    if url.drivername not in _POSTGRESQL or not url.database:
        raise ValueError(_FORMS)
    if importlib.util.find_spec("psycopg") is None:
        raise ValueError("PostgreSQL needs psycopg, which is not installed: pip install 'gnomon[postgres]'")
    return url.set(drivername="postgresql+psycopg")


def checked(text: str) -> str:
    """Return the URL as it was given, if it can be used; a validator of settings. See `parse`."""
    parse(text)
    return text


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite database; None for a server's."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
