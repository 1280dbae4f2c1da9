"""What an operator's actions say of a place where something is wrong: one sentence, as JSON."""

import json
import sqlite3

import pytest

from gnomon import local
from gnomon.errors import InternalError
from gnomon_registry import operate as registry
from gnomon_storage import dumping
from gnomon_trainer import operate as trainer


@pytest.fixture
def act(tmp_path, monkeypatch, capsys):
    """Do an action on a registry; return its status and the error that it tells."""
    monkeypatch.setenv("GNOMON_REGISTRY_DATABASE_URL", f"sqlite:///{tmp_path / 'registry.db'}")
    monkeypatch.setenv("GNOMON_REGISTRY_ARTIFACT_URL", f"file://{tmp_path / 'artifacts'}")

    def run(*words):
        status = registry.main([str(word) for word in words])
        return status, json.loads(capsys.readouterr().err)

    return run


@pytest.mark.parametrize(
    "index",
    [
        "{}",
        "[]",
        "null",
        "{",
        "[" * 100_000,
        '{"revision": "0001"}',
        '{"files": []}',
        '{"revision": "0001", "files": [{}]}',
        '{"revision": "0001", "files": [{"path": 1, "size_bytes": 1, "sha256": ""}]}',
    ],
    ids=lambda text: text[:50],
)
@pytest.mark.parametrize("action", ["check", "restore"])
def test_an_index_that_is_none_is_a_damaged_backup(index, action, act, tmp_path):
    backup = tmp_path / "backup"
    backup.mkdir()
    (backup / "index.json").write_text(index)

    status, error = act(action, backup)

    assert (status, error["reason"]) == (1, "ARTIFACT_CORRUPT")
    assert "index.json" in error["message"]
    assert not (tmp_path / "registry.db").exists()


def test_a_database_that_cannot_be_opened_is_told_in_a_sentence(act, tmp_path):
    (tmp_path / "registry.db").mkdir()

    status, error = act("backup", tmp_path / "backup")

    assert (status, error["reason"]) == (1, "SERVICE_UNAVAILABLE")
    assert "unable to open database file" in error["message"]


def test_a_database_that_lacks_a_table_is_told_in_a_sentence(act, tmp_path, capsys):
    assert registry.main(["upgrade"]) == 0
    capsys.readouterr()
    with sqlite3.connect(tmp_path / "registry.db") as connection:
        connection.execute("DROP TABLE metric_versions")
    connection.close()

    status, error = act("collect", "--min-age-s", "0", "--retention-s", "0", "--empty-catalog")

    assert (status, error["reason"]) == (1, "SERVICE_UNAVAILABLE")
    assert "no such table" in error["message"]
    assert "\n" not in error["message"]


def test_a_service_that_fails_unexpectedly_shows_no_traceback(tmp_path, monkeypatch):
    package = tmp_path / "gnomon_broken"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "operate.py").write_text("1 / 0")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(InternalError, match="ZeroDivisionError: division by zero") as raised:
        local.operate("broken", ["backup"], {})

    assert "\n" not in raised.value.message


@pytest.mark.parametrize("service", [registry, trainer], ids=["registry", "trainer"])
def test_what_lay_beside_the_tables_as_a_backup_was_taken_stops_no_restore(service, tmp_path, monkeypatch):
    """A backup lists it as its own: it was there when the list was made."""
    dump = dumping.dump

    def dump_among_others(connection, tables, folder):
        dump(connection, tables, folder)
        for stray in (".DS_Store", ".nfs0001", "._audit_entries.jsonl", "@eaDir/audit_entries.jsonl"):
            (folder / stray).parent.mkdir(exist_ok=True)
            (folder / stray).write_bytes(b"\x00\xff")

    def work_at(home):
        for each in ("registry", "trainer"):
            for name, value in local.embedded(each, home).items():
                monkeypatch.setenv(name, value)

    monkeypatch.setattr(dumping, "dump", dump_among_others)
    work_at(tmp_path / "source")
    assert service.main(["upgrade"]) == 0
    assert service.main(["backup", str(tmp_path / "backup")]) == 0
    assert ".DS_Store" in (tmp_path / "backup" / "index.json").read_text()

    work_at(tmp_path / "target")

    assert service.main(["restore", str(tmp_path / "backup")]) == 0
