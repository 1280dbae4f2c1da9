"""What was dumped of one engine is the same in another, and an older schema is brought up to date."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Row, insert, select, text

from gnomon.errors import ArtifactCorruptError, ResourceInUseError, ServiceUnavailableError
from gnomon_registry.adapters import schema
from gnomon_registry.adapters.database import Database
from gnomon_storage import dumping
from gnomon_trainer.adapters.database import Database as TrainerDatabase
from gnomon_trainer.adapters.tables import paid_answers, paid_outcomes, providers
from tests.databases import ENGINES
from tests.postgres import PostgresServer

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture(params=[(one, other) for one in ENGINES for other in ENGINES], ids=" to ".join)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """URLs of two empty databases."""
    made, to_drop = [], []
    for place, engine in enumerate(request.param):
        if engine == "sqlite":
            made.append(f"sqlite:///{tmp_path / str(place)}.db")
            continue
        server: PostgresServer = request.getfixturevalue("postgres_server")
        made.append(server.database())
        to_drop.append(made[-1])
    yield made
    for url in to_drop:
        server.drop(url)


def dumped(folder: Path) -> list[Path]:
    return sorted((folder / "dump").iterdir())


def dump_nothing(folder: Path) -> None:
    """Dump an empty registry."""
    source = Database(f"sqlite:///{folder / 'nothing.db'}")
    source.migrate()
    with source.read() as connection:
        dumping.dump(connection, schema.metadata, folder / "dump")
    source.close()


def rows(connection: Connection) -> list[Sequence[Row[Any]]]:
    tables = (providers, paid_outcomes)
    return [connection.execute(select(table).order_by(*table.primary_key)).all() for table in tables]


def test_every_kind_of_value_comes_back_as_it_was(urls: list[str], tmp_path: Path) -> None:
    source, target = (TrainerDatabase(url) for url in urls)
    source.migrate()
    texts = {"display_name": "Ä\n\"'", "base_url": "", "model": "m", "key_state": "STORED", "etag": "e"}
    with source.write() as connection:
        times = {"create_time": 0.1 + 0.2, "update_time": 1e300}
        connection.execute(insert(providers).values(provider="p", sealed_key=b"\x00\xff", **texts, **times))
        for place, body in enumerate([None, {"$time": "x"}, [1, 2.5, "ü"], "null"]):
            connection.execute(insert(paid_outcomes).values(uid="u", part="p", place=place, body=body))
    with source.read() as connection:
        dumping.dump(connection, providers.metadata, tmp_path / "dump")
        before = rows(connection)
    target.restore(str(source.state().current), dumped(tmp_path))
    with target.read() as connection:
        after = rows(connection)
        assert connection.execute(select(paid_answers)).all() == []
    source.close()
    target.close()

    assert before == after


def test_numbers_go_on_where_they_were_and_an_older_schema_is_upgraded(
    urls: list[str], tmp_path: Path
) -> None:
    source, target = (Database(url) for url in urls)
    source.migrate()
    change = {"kind": "K", "metric": "m", "create_time": NOW}
    with source.write() as connection:
        connection.execute(insert(schema.changes), [change, change])
    with source.read() as connection:
        dumping.dump(connection, schema.metadata, tmp_path / "dump")
    target.restore("0001", dumped(tmp_path))
    with target.write() as connection:
        connection.execute(insert(schema.changes), change)
        found = connection.execute(select(schema.changes.c.id, schema.changes.c.create_time)).all()
    state = target.state()
    with pytest.raises(ResourceInUseError):
        target.restore("0001", dumped(tmp_path))
    source.close()
    target.close()

    assert [tuple(row) for row in found] == [(1, NOW), (2, NOW), (3, NOW)]
    assert state.current == state.newest


def test_a_backup_of_a_newer_release_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    target = Database(f"sqlite:///{tmp_path / 'target.db'}")
    with pytest.raises(ServiceUnavailableError, match="newer"):
        target.restore("9999", [])
    with target.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one() == 0
    target.close()


def test_a_database_that_is_ahead_of_the_backup_is_refused_and_stays_empty(
    urls: list[str], tmp_path: Path
) -> None:
    target = Database(urls[1])
    (tmp_path / "dump").mkdir()
    row = {"request_id": "r", "body": "b", "resource": "x"}
    lines = [json.dumps(list(each)) + "\n" for each in (row.keys(), row.values())]
    (tmp_path / "dump" / "answered_requests.jsonl").write_text("".join(lines))
    target.migrate()
    with pytest.raises(ResourceInUseError, match="without tables"):
        target.restore("0001", dumped(tmp_path))
    with target.read() as connection:
        assert dumping.is_empty(connection)
    target.close()


@pytest.mark.parametrize(
    ("table", "line"), [("projects", '["project", "unheard"]\n["p", 1]\n'), ("unheard", '["a"]\n[1]\n')]
)
def test_what_a_schema_has_no_place_for_is_refused_and_never_dropped(
    table: str, line: str, tmp_path: Path
) -> None:
    target = Database(f"sqlite:///{tmp_path / 'target.db'}")
    dump_nothing(tmp_path)
    (tmp_path / "dump" / f"{table}.jsonl").write_text(line)
    with pytest.raises(ArtifactCorruptError, match="unheard"):
        target.restore("0001", dumped(tmp_path))
    with target.read() as connection:
        assert dumping.is_empty(connection)
    target.close()


@pytest.mark.parametrize("revision", ["0001", "0004", "head"])
def test_of_a_backup_that_lacks_a_table_nothing_is_restored(revision: str, tmp_path: Path) -> None:
    target = Database(f"sqlite:///{tmp_path / 'target.db'}")
    dump_nothing(tmp_path)
    at = str(target.state().newest) if revision == "head" else revision
    (tmp_path / "dump" / "metrics.jsonl").unlink()
    with pytest.raises(ArtifactCorruptError, match="metrics"):
        target.restore(at, dumped(tmp_path))
    with target.read() as connection:
        assert dumping.is_empty(connection)
    dump_again = tmp_path / "again"
    dump_again.mkdir()
    dump_nothing(dump_again)
    target.restore(at, dumped(dump_again))
    target.close()


def test_an_older_backup_need_not_have_tables_that_came_later(tmp_path: Path) -> None:
    target = Database(f"sqlite:///{tmp_path / 'target.db'}")
    dump_nothing(tmp_path)
    for later in ("api_keys", "webhooks", "blob_owners"):
        (tmp_path / "dump" / f"{later}.jsonl").unlink()
    target.restore("0001", dumped(tmp_path))
    assert target.state().current == target.state().newest
    target.close()


def test_no_file_beside_or_below_those_of_tables_is_taken_for_one(tmp_path: Path) -> None:
    tables = [tmp_path / "projects.jsonl", tmp_path / "metrics.jsonl"]
    others = [".DS_Store", ".nfs000012", "._projects.jsonl", "@eaDir/projects.jsonl", "projects.jsonl.bak"]

    assert dumping.written(tmp_path, [*tables, *(tmp_path / name for name in others)]) == tables
