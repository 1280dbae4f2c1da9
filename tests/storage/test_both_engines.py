"""What a service's database promises on either engine."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, insert, select, text

from gnomon.errors import ServiceUnavailableError
from gnomon_registry.adapters.database import Database as RegistryDatabase
from gnomon_registry.adapters.schema import answered_requests
from gnomon_registry.adapters.schema import metadata as registry_tables
from gnomon_storage.database import SqlDatabase
from gnomon_storage.migrating import OF_EVERY_SERVICE
from gnomon_trainer.adapters.database import Database as TrainerDatabase
from gnomon_trainer.adapters.tables import metadata as trainer_tables
from tests.databases import ENGINES
from tests.postgres import PostgresServer

Make = Callable[[str], SqlDatabase]
SERVICES: list[Make] = [RegistryDatabase, TrainerDatabase]


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.database()
    yield url
    server.drop(url)


@pytest.fixture
def database(url: str) -> Iterator[RegistryDatabase]:
    database = RegistryDatabase(url, 0.2)
    database.migrate()
    yield database
    database.close()


def tables_of(database: SqlDatabase) -> dict[str, list[str]]:
    """Return the names of all tables and their columns."""
    found = MetaData()
    with database.read() as connection:
        found.reflect(connection)
    return {name: list(table.columns.keys()) for name, table in found.tables.items()}


@pytest.mark.parametrize("make", SERVICES)
def test_the_migrations_make_the_tables_that_the_code_knows(make: Make, url: str) -> None:
    database = make(url)
    database.migrate()
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, database._migrations.tables)
    database.close()

    assert differences == []


def test_a_table_that_services_share_is_marked_so_that_it_tells_no_owner() -> None:
    one, other = registry_tables.tables, trainer_tables.tables
    shared = one.keys() & other.keys()

    assert shared
    assert all(table.info[OF_EVERY_SERVICE] for name in shared for table in (one[name], other[name]))


@pytest.mark.parametrize("make", SERVICES)
def test_processes_that_start_together_migrate_once(make: Make, url: str) -> None:
    errors: list[Exception] = []

    def start() -> None:
        database = make(url)
        try:
            database.migrate()
        except Exception as error:
            errors.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


def test_a_migration_that_fails_leaves_nothing_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = RegistryDatabase(url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE aliases (in_the_way INTEGER)"))
    with pytest.raises(Exception, match="aliases"):
        database.migrate()
    with database.write() as connection:
        connection.execute(text("DROP TABLE aliases"))
    database.migrate()
    state = database.state()
    database.close()

    assert state.current == state.newest


@pytest.mark.parametrize("revision", ["0001", "head"])
@pytest.mark.parametrize(("first", "second"), [SERVICES, SERVICES[::-1]], ids=["of_registry", "of_trainer"])
def test_the_database_of_another_service_is_refused_and_not_touched(
    first: Make, second: Make, revision: str, url: str
) -> None:
    owner, other = first(url), second(url)
    owner.migrate(revision)
    before = tables_of(owner)
    for touch in (other.migrate, other.state, lambda: other.prepare(migrate=False)):
        with pytest.raises(ServiceUnavailableError, match="one of its own"):
            touch()
    after = tables_of(owner)
    owner.close()
    other.close()

    assert before == after


def test_a_database_of_a_newer_release_is_not_touched(database: RegistryDatabase) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for touch in (database.migrate, database.state, lambda: database.prepare(migrate=False)):
        with pytest.raises(ServiceUnavailableError, match=r"newer one .*revision 9999"):
            touch()


def test_a_service_that_may_not_migrate_says_what_to_run(url: str) -> None:
    database = RegistryDatabase(url)
    database.migrate("0001")
    with pytest.raises(ServiceUnavailableError, match=r"at revision 0001.*gnomon db upgrade"):
        database.prepare(migrate=False)
    database.migrate()
    database.prepare(migrate=False)
    database.close()


def test_a_write_has_no_other_beside_it_from_its_first_statement_on(database: RegistryDatabase) -> None:
    other = RegistryDatabase(database.url.render_as_string(hide_password=False), 0.1)
    with database.write(), pytest.raises(ServiceUnavailableError, match="busy") as raised, other.write():
        pass
    other.close()

    assert raised.value.retry_after_s


def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(database: RegistryDatabase) -> None:
    query = select(answered_requests.c.request_id)
    with database.read() as reader:
        before = reader.execute(query).all()
        with database.write() as writer:
            writer.execute(insert(answered_requests), {"request_id": "r", "body": "b", "resource": "x"})
        assert reader.execute(query).all() == before == []
    with database.read() as reader:
        assert reader.execute(query).scalars().all() == ["r"]


def test_an_exception_in_a_write_undoes_it(database: RegistryDatabase) -> None:
    def write() -> None:
        with database.write() as writer:
            writer.execute(insert(answered_requests), {"request_id": "r", "body": "b", "resource": "x"})
            raise KeyError

    with pytest.raises(KeyError):
        write()
    with database.read() as reader:
        assert reader.execute(select(answered_requests)).all() == []
