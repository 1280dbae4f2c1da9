"""The folder of a backup: filled to the end or left as it was, and restored as its lists say."""

import json
import shutil
import sqlite3
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from gnomon import local
from gnomon.cli.main import main
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.schema import projects

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TEXTS = {"display_name": "", "description": "", "etag": "e"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The data of an empty deployment."""
    for service in ("registry", "trainer"):
        for name, value in local.embedded(service, tmp_path / "home").items():
            monkeypatch.setenv(name, value)
    assert main(["db", "upgrade"]) == 0
    return tmp_path / "home"


@pytest.fixture
def run(capfd):
    """Run a command; return its status, its answer, and what it said beside that."""

    def run_command(*words):
        capfd.readouterr()
        status = main([*map(str, words), "--json"])
        said = capfd.readouterr()
        return status, json.loads(said.out), said.err

    return run_command


@pytest.mark.slow
def test_a_backup_that_fails_leaves_nothing_behind(home, run, tmp_path):
    (home / "registry/registry.db").unlink()  # it comes after the trainer, whose half is written by then
    (tmp_path / "there").mkdir()

    for folder in ("there", "two/new"):
        status, answer, _ = run("backup", tmp_path / folder)
        assert (status, answer["error"]["reason"]) == (1, "RESOURCE_NOT_FOUND")

    assert {path.name for path in tmp_path.iterdir()} == {"home", "there"}
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.slow
def test_what_a_backup_does_not_list_is_named_and_not_restored(home, run, tmp_path, monkeypatch):
    """Whatever it is: the system's own files must not stop a restore, and the rest of another backup must
    not come with it.
    """
    backup, back = tmp_path / "backup", tmp_path / "back"
    run("backup", backup)
    beside = [
        ".DS_Store",
        "registry/database/._metrics.jsonl",
        "registry/blobs/" + "a" * 64,
        "registry/manifests/" + "b" * 64,
        "trainer/database/unheard.jsonl",
        "trainer/datasets/of-another.jsonl",
        "trainer/runs/of-another/bundle/evaluator.json",
    ]
    for name in beside:
        (backup / name).parent.mkdir(parents=True, exist_ok=True)
        (backup / name).write_bytes(b"\x00\xff")

    status, _, said = run("restore", backup, "--home", back)

    assert status == 0
    assert all(name in said for name in beside)
    brought_back = {path.name for path in back.rglob("*")}
    assert brought_back.isdisjoint({"a" * 64, "b" * 64, "of-another.jsonl", "of-another"})


@pytest.mark.slow
def test_halves_of_two_backups_are_not_restored_as_one(home, run, tmp_path):
    for name in ("monday", "tuesday"):
        run("backup", tmp_path / name)
        database = Database(f"sqlite:///{home / 'registry/registry.db'}")
        with database.write() as connection:
            connection.execute(
                insert(projects).values(project=name, create_time=NOW, update_time=NOW, **TEXTS)
            )
        database.close()
    shutil.rmtree(tmp_path / "monday/registry")
    shutil.copytree(tmp_path / "tuesday/registry", tmp_path / "monday/registry")

    status, answer, _ = run("restore", tmp_path / "monday", "--home", tmp_path / "back")

    assert (status, answer["error"]["reason"]) == (1, "ARTIFACT_CORRUPT")
    assert str(tmp_path / "monday/registry") in answer["error"]["message"]
    assert not (tmp_path / "back").exists()
    assert run("restore", tmp_path / "tuesday", "--home", tmp_path / "back")[0] == 0


@pytest.mark.parametrize("is_opened", [False, True])
def test_a_database_that_nothing_was_stored_in_is_no_backup(is_opened, run, tmp_path, monkeypatch):
    """A file that something made where a database was expected, and SQLite opened perhaps."""
    file = tmp_path / "registry.db"
    monkeypatch.setenv("GNOMON_REGISTRY_DATABASE_URL", f"sqlite:///{file}")
    monkeypatch.setenv("GNOMON_REGISTRY_ARTIFACT_URL", f"file://{tmp_path / 'artifacts'}")
    file.touch()
    if is_opened:
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version = 1")
        connection.close()

    status, answer, _ = run("backup", tmp_path / "backup", "--service", "registry")

    assert (status, answer["error"]["reason"]) == (1, "RESOURCE_NOT_FOUND")
    assert str(file) in answer["error"]["message"]
    assert "empty" in answer["error"]["message"]
    assert "GNOMON_REGISTRY_DATABASE_URL" in answer["error"]["message"]
    assert not (tmp_path / "backup").exists()
    assert is_opened or file.read_bytes() == b""
