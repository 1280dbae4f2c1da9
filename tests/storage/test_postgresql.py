"""What only a server can do to a service."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, insert, text

from gnomon.errors import InvalidRequestError, ServiceUnavailableError
from gnomon.names import ProjectName
from gnomon_registry.adapters.catalog import SqlCatalog
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.schema import answered_requests
from gnomon_registry.domain.entities import Change, ChangeKind, Project
from gnomon_registry.settings import RegistrySettings
from gnomon_storage import urls
from gnomon_storage.database import SqlDatabase
from gnomon_trainer.adapters.database import Database as TrainerDatabase
from gnomon_trainer.settings import TrainerSettings
from tests.databases import registry_database
from tests.postgres import PostgresServer

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    database = registry_database("postgresql", request, tmp_path)
    yield database
    database.close()


def again(database: Database, busy_timeout_s: float = 5.0) -> Database:
    return Database(database.url.render_as_string(hide_password=False), busy_timeout_s)


def test_who_follows_the_log_by_its_ids_misses_nothing(database: Database) -> None:
    databases = [again(database, 30.0) for _ in range(3)]
    running = threading.Event()
    running.set()

    def write(mine: Database) -> None:
        catalog = SqlCatalog(mine, lambda: None)
        for number in range(40):
            with catalog.writing() as writer:
                writer.log(Change(ChangeKind.ALIAS_SET, "m", number, NOW, "a"))
                writer.log(Change(ChangeKind.ALIAS_SET, "m", number, NOW, "b"))

    threads = [threading.Thread(target=write, args=(each,)) for each in databases]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    follower = SqlCatalog(database, lambda: None)
    while len(seen) < 240 and (any(t.is_alive() for t in threads) or follower.last_change() > max(seen)):
        with follower.reading() as reader:
            seen += [change.id for change in reader.changes(max(seen, default=0), 7)]
    for thread in threads:
        thread.join()
    for each in databases:
        each.close()

    assert len(seen) == 240


def test_a_server_that_restarts_is_waited_for(database: Database, postgres_server: PostgresServer) -> None:
    with database.read() as connection:
        connection.execute(text("SELECT 1"))  # so that the pool holds a connection that breaks
    postgres_server.pause()
    resume = threading.Timer(0.5, postgres_server.resume)
    resume.start()
    with database.write() as connection:
        connection.execute(insert(answered_requests), {"request_id": "r", "body": "b", "resource": "x"})
    resume.join()


def test_a_server_that_stays_away_is_told_with_a_time_to_come_back(
    database: Database, postgres_server: PostgresServer
) -> None:
    impatient = again(database, 0.2)
    postgres_server.pause()
    try:
        for transaction in (impatient.read, impatient.write):
            with pytest.raises(ServiceUnavailableError, match="does not answer") as raised, transaction():
                pass
            assert raised.value.retry_after_s
    finally:
        postgres_server.resume()
    impatient.close()


def test_a_connection_that_breaks_in_a_write_undoes_it_and_asks_to_repeat(
    database: Database, postgres_server: PostgresServer
) -> None:
    row = {"request_id": "r", "body": "b", "resource": "x"}

    def write_twice() -> None:
        with database.write() as connection:
            connection.execute(insert(answered_requests), row)
            postgres_server.restart()
            connection.execute(insert(answered_requests), row | {"request_id": "s"})

    with pytest.raises(ServiceUnavailableError, match="does not answer") as raised:
        write_twice()
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM answered_requests")).scalar_one() == 0

    assert raised.value.retry_after_s


def test_keys_are_ordered_by_their_bytes_whatever_the_servers_locale(database: Database) -> None:
    names = ["a-b", "a1", "ab", "a-c", "b", "a"]
    catalog = SqlCatalog(database, lambda: None)
    with catalog.writing() as writer:
        for name in names:
            writer.put_project(Project(ProjectName(name), "", "", "e", NOW, NOW))
    with catalog.reading() as reader:
        listed: list[str] = []
        while page := reader.projects(listed[-1] if listed else "", 2):
            listed += [project.name.project for project in page]
    with database.read() as connection:
        by_locale = connection.execute(text("SELECT 'ab' < 'a-c'")).scalar_one()

    assert listed == sorted(names)
    assert by_locale, "the test's server orders by bytes, so that the test shows nothing"


def test_services_may_share_a_database_in_schemas_of_their_own(postgres_server: PostgresServer) -> None:
    url = postgres_server.database()
    services: list[SqlDatabase] = []
    for name, make in (("registry", Database), ("trainer", TrainerDatabase)):
        postgres_server.execute(f"CREATE SCHEMA {name}", url.rpartition("/")[2])
        services.append(make(f"{url}?options=-csearch_path%3D{name}"))
    for service in services:
        service.migrate()
        service.migrate()
    revisions = [(service.state().current, service.state().newest) for service in services]
    with services[0].write(), services[1].write():  # nor do they wait for each other
        pass
    for service in services:
        service.close()
    postgres_server.drop(url)

    assert all(current == newest for current, newest in revisions)


def test_numbers_have_64_bits(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("INSERT INTO changes VALUES (5000000000, 'K', 'm', 1, 'a', 1, now())"))
        connection.execute(text("SELECT setval('changes_id_seq', 5000000000)"))
    catalog = SqlCatalog(database, lambda: None)
    with catalog.writing() as writer:
        writer.log(Change(ChangeKind.ALIAS_SET, "m", 6_000_000_000, NOW, "a"))
        assert writer.version("m", 6_000_000_000) is None

    assert catalog.last_change() == 5_000_000_001


def test_times_are_read_in_utc_whatever_the_servers_zone(database: Database) -> None:
    with database.write() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET timezone TO 'Asia/Kathmandu'"))
    catalog = SqlCatalog(fresh := again(database), lambda: None)
    with catalog.writing() as writer:
        writer.put_project(Project(ProjectName("p"), "", "", "e", NOW, NOW))
    with catalog.reading() as reader:
        found = reader.project(ProjectName("p"))
    fresh.close()

    assert found is not None
    assert (found.create_time, found.create_time.utcoffset()) == (NOW, NOW.utcoffset())


def test_a_text_with_a_nul_character_is_refused_in_words(database: Database) -> None:
    with (
        pytest.raises(InvalidRequestError, match="NUL"),
        SqlCatalog(database, lambda: None).writing() as writer,
    ):
        writer.put_project(Project(ProjectName("p"), "a\0b", "", "e", NOW, NOW))


def test_a_database_that_cannot_hold_every_text_is_refused(postgres_server: PostgresServer) -> None:
    postgres_server.execute(
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    )
    database = Database(postgres_server.url("latin"))
    with pytest.raises(ServiceUnavailableError, match="UTF8"):
        database.migrate()
    database.close()
    postgres_server.drop(postgres_server.url("latin"))


def test_a_password_may_lie_in_a_file_that_is_read_at_every_connection(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    asked: list[str] = []
    url = postgres_server.database()
    database = Database(url, 0.2, password_file=file)
    with pytest.raises(ServiceUnavailableError, match="cannot be read"), database.read():
        pass
    file.write_text("new one\n")
    event.listen(database.engine, "do_connect", lambda _d, _r, _a, given: asked.append(given["password"]))
    with database.read() as connection:
        connection.execute(text("SELECT 1"))
    database.close()
    postgres_server.drop(url)

    assert asked == ["new one"]


def test_a_password_is_not_shown(
    postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url = postgres_server.url("nowhere").replace("gnomon@", "gnomon:hunter2@")
    shown = [repr(RegistrySettings(database_url=url)), repr(TrainerSettings(database_url=url))]
    database = Database(url, 0.1)
    with pytest.raises(ServiceUnavailableError) as raised, database.read():
        pass
    shown += [str(raised.value), repr(raised.value.__cause__), repr(database.engine), *capsys.readouterr()]
    database.close()
    with pytest.raises(ValueError, match="must be of the form") as wrong:
        RegistrySettings(database_url="mysql://gnomon:hunter2@host/db")

    assert not [text for text in shown if "hunter2" in text]
    assert "hunter2" not in str(wrong.value)


def test_without_the_driver_the_settings_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'gnomon\[postgres\]'"):
        RegistrySettings(database_url="postgresql://host/db")
