"""Migrations, by Alembic: the steps of a service's schema, and where a database stands among them."""

import logging
from dataclasses import dataclass
from pathlib import Path

import alembic.command
from alembic import context
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, inspect

from gnomon.errors import ResourceInUseError, ServiceUnavailableError
from gnomon_storage import postgresql

OF_EVERY_SERVICE = "of_every_service"  # in a table's `info`: it does not tell whose database this is


@dataclass(frozen=True, slots=True)
class Migrations:
    """A folder of Alembic steps, and the tables that they make in the end."""

    folder: Path
    tables: MetaData


@dataclass(frozen=True, slots=True)
class State:
    """Revisions: of a database, None if it is empty; and the newest of this release."""

    current: str | None
    newest: str


def run(tables: MetaData) -> None:
    """Run the steps, on the connection and in the transaction of the caller. For `env.py`."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=tables, transactional_ddl=True)
    context.run_migrations()


def state(connection: Connection, migrations: Migrations, owner: str) -> State:
    """Return where a database is; raise ServiceUnavailableError if it is not this release's to open."""
    scripts = ScriptDirectory.from_config(_config(migrations))
    current = MigrationContext.configure(connection).get_current_revision()
    newest = scripts.get_current_head()
    assert newest is not None, "a service has migrations"
    if current is not None:
        _check_ours(connection, migrations, owner)
        _check_known(scripts, current, owner)
    return State(current, newest)


def upgrade(connection: Connection, migrations: Migrations, owner: str, revision: str) -> None:
    """Apply what is missing up to a revision. See `SqlDatabase.migrate`."""
    is_server = connection.dialect.name == "postgresql"
    if is_server:
        postgresql.check_encoding(connection, owner)
    before = state(connection, migrations, owner).current
    config = _config(migrations)
    if revision != "head":
        _check_known(ScriptDirectory.from_config(config), revision, owner)
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, revision)
    if is_server and MigrationContext.configure(connection).get_current_revision() != before:
        postgresql.make_like_sqlite(connection)


def check_leads_to(migrations: Migrations, current: str | None, revision: str, owner: str) -> None:
    """Refuse a revision that is no step of this release, or that lies before the database's current one.

    Raises:
        ServiceUnavailableError: this release does not know it.
        ResourceInUseError: the database has tables of a later one.
    """
    scripts = ScriptDirectory.from_config(_config(migrations))
    _check_known(scripts, revision, owner)
    on_the_way = {step.revision for step in scripts.iterate_revisions(revision, "base")}
    if current is not None and current not in on_the_way:
        raise ResourceInUseError(
            f"The {owner}'s database has tables of revision {current}, and the backup is of {revision}. "
            "Restore into a database without tables, which a restore brings up to date.",
            resource=f"{owner} database",
            used_by=f"the tables of revision {current}",
        )


def _config(migrations: Migrations) -> Config:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells every step of every start
    config = Config()
    config.set_main_option("script_location", str(migrations.folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _check_ours(connection: Connection, migrations: Migrations, owner: str) -> None:
    """Two services in one database would take each other's revisions for their own."""
    own = {name for name, table in migrations.tables.tables.items() if not table.info.get(OF_EVERY_SERVICE)}
    if own.isdisjoint(inspect(connection).get_table_names()):
        raise ServiceUnavailableError(
            f"The database belongs to another service or program. Give the {owner} one of its own."
        )


def _check_known(scripts: ScriptDirectory, revision: str, owner: str) -> None:
    try:
        scripts.get_revision(revision)
    except CommandError as error:
        raise ServiceUnavailableError(
            f"This release cannot open the {owner}'s database, which a newer one has changed "
            f"(revision {revision}). Install that release."
        ) from error
