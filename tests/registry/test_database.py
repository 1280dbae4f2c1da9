import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from gnomon.errors import ServiceUnavailableError
from gnomon.local import ServiceProcess
from gnomon.names import MetricName
from gnomon_registry.adapters.catalog import SqlCatalog
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.schema import answered_requests, metadata
from tests.registry.running import error_of, registry


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'registry.db'}", 0.1)
    yield database
    database.close()


def test_the_migrations_make_the_schema_that_the_code_knows(database):
    database.migrate()
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(database, tmp_path):
    def content():
        with sqlite3.connect(tmp_path / "deep" / "registry.db") as connection:
            return list(connection.iterdump())

    database.migrate()
    before = content()
    database.migrate()

    assert content() == before
    assert any("CREATE TABLE metrics" in line for line in before)


def test_metrics_of_the_first_schema_came_from_no_preset(database, tmp_path):
    database.migrate("0001")
    columns = "metric, output_type, classes, step, input_shape, display_name, description, judge_prompt, etag"
    with database.write() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO metrics ({columns}, create_time, update_time) VALUES ('tox', 'boolean', '[]', "
            "'llm_span', 'output', '', '', '', 'e', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
        )
    database.migrate()

    with SqlCatalog(database, lambda: None).reading() as catalog:
        assert catalog.metric(MetricName("tox")).definition.preset == ""


def test_processes_that_start_together_migrate_once(tmp_path):
    errors = []

    def start():
        database = Database(f"sqlite:///{tmp_path / 'registry.db'}", 10.0)
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


def test_a_database_of_a_newer_release_is_not_touched(database):
    database.migrate()
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ServiceUnavailableError, match="newer"):
        database.migrate()


def test_a_file_that_is_no_database_ends_the_start_with_a_sentence(tmp_path):
    (tmp_path / "registry.db").write_bytes(b"letters to a friend\n" * 100)
    process = ServiceProcess(
        "registry", tmp_path, {"GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{tmp_path / 'registry.db'}"}
    )
    with pytest.raises(ServiceUnavailableError):
        process.start()

    assert process.process.returncode == 2
    assert process.log_tail(1) == (
        "gnomon registry: The registry's database is damaged. "
        "Stop the registry and restore the file from a backup."
    )


def test_the_database_is_set_up_for_a_service(database):
    with database.read() as connection:
        read = lambda pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()  # noqa: E731
        assert read("journal_mode") == "wal"
        assert read("foreign_keys") == 1
        assert read("synchronous") == 2
        assert read("busy_timeout") == 100


def test_a_write_takes_the_lock_before_its_first_statement(database):
    database.migrate()
    other = Database(str(database.url), 0.1)
    with database.write(), pytest.raises(ServiceUnavailableError), other.write():
        pass
    other.close()


def test_the_schema_is_one_that_postgresql_takes_too():
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))


@pytest.mark.slow
async def test_a_database_that_is_locked_for_long_is_a_call_to_repeat(tmp_path):
    async with registry(tmp_path, busy_timeout_s=0.1) as caller:
        await caller.metric("before")
        other = sqlite3.connect(tmp_path / "registry.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        error = await error_of(caller.metric("during"))
        other.execute("ROLLBACK")
        other.close()
        await caller.metric("after")

    assert isinstance(error, ServiceUnavailableError)
    assert error.retry_after_s == 1.0


def test_an_error_of_the_database_holds_no_text_of_a_user(database):
    database.migrate()
    row = {"request_id": "twice", "body": "a secret", "resource": "r"}
    with database.write() as connection:
        connection.execute(answered_requests.insert(), row)
    with pytest.raises(IntegrityError) as raised, database.write() as connection:
        connection.execute(answered_requests.insert(), row)

    assert "secret" not in str(raised.value)
