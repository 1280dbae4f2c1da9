"""What an operator does to a service's data: `python -m gnomon_registry.operate ACTION`, and so the trainer.

The services need not be stopped, but for a restore. An action prints one JSON
object: the answer on standard output, or an error on standard error with status 1.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from gnomon.errors import (
    GnomonError,
    NotFoundError,
    ResourceInUseError,
    ServiceUnavailableError,
    StorageFullError,
)
from gnomon.folders import is_full
from gnomon_storage import backup_files
from gnomon_storage.database import SqlDatabase

_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Removable:
    """Something that nothing needs any more."""

    name: str  # where it lies, below the service's store
    size_bytes: int


class Operated(Protocol):
    """A service's data."""

    @property
    def database(self) -> SqlDatabase: ...

    def backup(self, folder: Path) -> dict[str, Any]: ...

    def restore(self, folder: Path) -> dict[str, Any]: ...

    def garbage(self, min_age: timedelta, retention: timedelta, delete: bool) -> Iterable[Removable]:
        """Return what nothing needs; where `delete`, what of it was removed."""
        ...

    def names_nothing(self) -> bool:
        """Tell whether the database has never named a file: all that is stored would be garbage to it."""
        ...


def main(service: str, open_data: Callable[[], Operated], arguments: list[str] | None = None) -> int:
    """Do one action; return the process's exit status."""
    given = _parser(service).parse_args(arguments)
    try:
        answer = _act(service, given, open_data())
    except (GnomonError, OSError, SQLAlchemyError) as error:
        known = _known(service, error)
        told = {"reason": known.reason, "message": known.message, "metadata": known.metadata}
        print(json.dumps(told), file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps({"service": service, **answer}))  # noqa: T201
    return 0


def _known(service: str, error: GnomonError | OSError | SQLAlchemyError) -> GnomonError:
    if isinstance(error, SQLAlchemyError):
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        return ServiceUnavailableError(f"The {service}'s database does not do what is asked: {said}.")
    return error if isinstance(error, GnomonError) else _of_a_disk(error)


def _of_a_disk(error: OSError) -> GnomonError:
    if is_full(error):
        return StorageFullError(f"The disk is full: {error}. Free some space, then try again.")
    return ServiceUnavailableError(f"{error}.")


def _parser(service: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"gnomon_{service}.operate")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("upgrade").add_argument("--dry-run", action="store_true")
    for name in ("backup", "check", "restore"):
        actions.add_parser(name).add_argument("folder", type=Path)
    collect = actions.add_parser("collect")
    collect.add_argument("--min-age-s", type=float, required=True)
    collect.add_argument("--retention-s", type=float, required=True)
    collect.add_argument("--delete", action="store_true")
    collect.add_argument("--empty-catalog", action="store_true")
    return parser


def _act(service: str, given: argparse.Namespace, data: Operated) -> dict[str, Any]:
    try:
        match given.action:
            case "upgrade":
                if given.dry_run:
                    _check_is_there(service, data.database, " `gnomon db upgrade` makes a new one.")
                return _upgrade(data.database, given.dry_run)
            case "backup":
                _check_is_there(service, data.database)
                _check_has_tables(service, data.database)
                return _told(data.backup(given.folder))
            case "check":
                return _checked(data.database, given.folder)
            case "restore":
                return _told_with_rest(data.restore(given.folder), given.folder)
            case _:
                _check_is_there(service, data.database)
                return _collect(given, data)
    finally:
        data.database.close()


def _check_is_there(service: str, database: SqlDatabase, else_: str = "") -> None:
    """Refuse to look at what is not there: SQLite would make it, and nothing would be found in it."""
    if (file := database.missing_file) is not None:
        found = f"The file {file} is empty" if file.exists() else f"There is no database at {file}"
        raise NotFoundError(f"{found}. {_where(service)}{else_}", resource=str(file))


def _check_has_tables(service: str, database: SqlDatabase) -> None:
    """Refuse a database that nothing was ever stored in: it is hardly the one that is meant."""
    if database.state().current is None:
        raise NotFoundError(
            f"The database {database.shown} is empty: it has no tables, so no {service} has used it. "
            f"{_where(service)}",
            resource=database.shown,
        )


def _where(service: str) -> str:
    return (
        f"Say where the {service}'s data are: with --home FOLDER for those of a `gnomon up`, else with "
        f"GNOMON_{service.upper()}_DATABASE_URL as the service has it."
    )


def _collect(given: argparse.Namespace, data: Operated) -> dict[str, Any]:
    ages = timedelta(seconds=given.min_age_s), timedelta(seconds=given.retention_s)
    if not given.empty_catalog:
        _check_names_something(data, *ages)
    return _collected(list(data.garbage(*ages, given.delete)), given.delete)


def _check_names_something(data: Operated, min_age: timedelta, retention: timedelta) -> None:
    """Refuse a database that was just made beside older files: it is hardly the one they belong to."""
    found = list(data.garbage(min_age, retention, False))
    if found and data.names_nothing():
        raise ResourceInUseError(
            f"The database {data.database.shown} names nothing, yet there are {len(found)} files or folders "
            "beside it, such as those of another database. Check that it is the right one; with "
            "--empty-catalog all of them go.",
            resource=found[0].name,
            used_by="perhaps another database",
        )


def _upgrade(database: SqlDatabase, dry_run: bool) -> dict[str, Any]:
    before = database.state()
    if not dry_run:
        database.migrate()
    return {"database": database.shown, "from": before.current, "to": before.newest, "dry_run": dry_run}


def _checked(database: SqlDatabase, folder: Path) -> dict[str, Any]:
    """Tell whether a restore would be refused, before another service's half is written."""
    index = backup_files.checked(folder)
    database.check_takes(index["revision"])
    return _told_with_rest(index, folder)


def _told_with_rest(index: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {**_told(index), "unlisted": backup_files.unlisted(folder, index)[:_EXAMPLES]}


def _told(index: dict[str, Any]) -> dict[str, Any]:
    """Return what a backup says of itself; `sha256` tells it from every other."""
    files = index["files"]
    return {
        **{name: value for name, value in index.items() if name != "files"},
        "file_count": len(files),
        "size_bytes": sum(file["size_bytes"] for file in files),
        "sha256": hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest(),
    }


def _collected(found: list[Removable], deleted: bool) -> dict[str, Any]:
    return {
        "deleted": deleted,
        "file_count": len(found),
        "size_bytes": sum(each.size_bytes for each in found),
        "examples": [each.name for each in found[:_EXAMPLES]],
    }
