"""What an operator's commands work on: the data that are named, over real files, and no others."""

import json
import os
import sqlite3

import pytest

from gnomon.cli.main import main

_OLD_S = 30 * 86_400.0


def tree(folder):
    """Return every file below a folder, with its content; SQLite's passing ones aside."""
    files = [
        path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    ]
    return {path.relative_to(folder): path.read_bytes() for path in files}


def revision(file):
    with sqlite3.connect(file) as connection:
        [(found,)] = connection.execute("SELECT version_num FROM alembic_version")
    connection.close()
    return found


def blob(folder):
    """Store something that nothing names, long ago."""
    file = folder / "blobs" / "aa" / ("a" * 64)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a version's weights")
    os.utime(file, (file.stat().st_mtime - _OLD_S,) * 2)
    return file


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in [*os.environ]:
        if name.startswith("GNOMON_"):
            monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """GNOMON_HOME, as every image sets it."""
    monkeypatch.setenv("GNOMON_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def named(tmp_path, monkeypatch):
    """Variables of both services that name places of their own."""
    folder = tmp_path / "named"
    monkeypatch.setenv("GNOMON_REGISTRY_DATABASE_URL", f"sqlite:///{folder / 'registry.db'}")
    monkeypatch.setenv("GNOMON_REGISTRY_ARTIFACT_URL", f"file://{folder / 'artifacts'}")
    monkeypatch.setenv("GNOMON_TRAINER_DATABASE_URL", f"sqlite:///{folder / 'trainer.db'}")
    monkeypatch.setenv("GNOMON_TRAINER_DATA_DIR", str(folder / "data"))
    return folder


def run(capfd, *words):
    """Run a command; return its status, its answer, and what it said beside that."""
    status = main([*words, "--json"])
    said = capfd.readouterr()
    return status, json.loads(said.out) if said.out else None, said.err


def test_a_database_that_variables_name_is_upgraded_though_there_is_a_home(home, named, capfd):
    status, _, said = run(capfd, "db", "upgrade")

    assert status == 0
    assert revision(named / "registry.db")
    assert revision(named / "trainer.db")
    assert not home.exists()
    assert "GNOMON_REGISTRY_DATABASE_URL" in said


@pytest.mark.slow
def test_backup_and_restore_work_where_variables_say_though_there_is_a_home(
    home, named, tmp_path, capfd, monkeypatch
):
    run(capfd, "db", "upgrade")
    backup = tmp_path / "backup"

    assert run(capfd, "backup", str(backup))[0] == 0
    for name in ("REGISTRY", "TRAINER"):
        monkeypatch.setenv(f"GNOMON_{name}_DATABASE_URL", f"sqlite:///{tmp_path / 'back' / name}.db")
    assert run(capfd, "restore", str(backup))[0] == 0
    assert revision(tmp_path / "back/REGISTRY.db") == revision(named / "registry.db")
    assert not home.exists()


@pytest.mark.slow
def test_garbage_is_looked_for_where_variables_say_though_there_is_a_home(home, named, capfd):
    run(capfd, "db", "upgrade", "--home", str(home))
    elsewhere = blob(home / "registry" / "artifacts")
    run(capfd, "db", "upgrade")

    status, found, _ = run(capfd, "gc", "--delete")

    assert (status, [each["file_count"] for each in found]) == (0, [0, 0])
    assert elsewhere.exists()


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["DATABASE_URL", "ARTIFACT_URL"])
def test_a_home_fills_no_gap_that_variables_leave(home, named, variable, monkeypatch, capfd, tmp_path):
    """A catalog never meets another one's artifacts: the rest is the service's default."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv(f"GNOMON_REGISTRY_{variable}")
    at_home = blob(home / "registry" / "artifacts")

    run(capfd, "db", "upgrade", "--service", "registry")
    run(capfd, "gc", "--delete", "--service", "registry", "--empty-catalog")

    assert at_home.exists()
    assert [*home.rglob("*.db")] == []


def test_an_explicit_home_goes_before_variables_and_says_so(named, tmp_path, capfd):
    status, done, said = run(capfd, "db", "upgrade", "--home", str(tmp_path / "up"))

    assert status == 0
    assert all(str(tmp_path / "up") in each["database"] for each in done)
    assert not named.exists()
    assert "GNOMON_TRAINER_DATA_DIR" in said
    assert "not used" in said


def test_a_home_alone_is_used_as_before(home, capfd):
    status, _, said = run(capfd, "db", "upgrade")

    assert status == 0
    assert revision(home / "registry/registry.db")
    assert revision(home / "trainer/trainer.db")
    assert "GNOMON_HOME" in said


@pytest.mark.parametrize("words", [["backup", "folder"], ["gc", "--delete"], ["db", "upgrade", "--dry-run"]])
def test_what_only_looks_at_data_makes_none_where_there_are_none(words, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))

    status, answer, said = run(capfd, *words, "--service", "registry")

    folder = tmp_path / "user/.gnomon/registry"
    assert status == 1
    assert answer["error"]["message"].startswith(f"There is no database at {folder / 'registry.db'}. ")
    assert "--home" in answer["error"]["message"]
    assert "GNOMON_REGISTRY_DATABASE_URL" in answer["error"]["message"]
    assert f"in {folder}, where it keeps them unless told" in said
    assert not (tmp_path / "user").exists()


@pytest.mark.parametrize("words", [["db", "upgrade"], ["gc"], ["backup", "folder"]])
def test_where_one_service_is_described_the_other_is_not_guessed(home, words, monkeypatch, tmp_path, capfd):
    """As in an image, which has the variables of its own service."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GNOMON_REGISTRY_DATABASE_URL", f"sqlite:///{tmp_path / 'own.db'}")
    before = tree(tmp_path)

    status, _, said = run(capfd, *words)

    assert status != 0
    assert "--service registry" in said
    assert tree(tmp_path) == before


def test_a_service_that_is_named_is_the_only_one_that_is_touched(home, named, capfd):
    status, done, _ = run(capfd, "db", "upgrade", "--service", "trainer")

    assert (status, [each["service"] for each in done]) == (0, ["trainer"])
    assert [path.name for path in named.glob("*.db")] == ["trainer.db"]


@pytest.mark.slow
def test_a_backup_of_one_service_is_restored_alone(named, tmp_path, capfd, monkeypatch):
    run(capfd, "db", "upgrade")
    backup = str(tmp_path / "backup")

    assert run(capfd, "backup", backup, "--service", "registry")[0] == 0
    monkeypatch.setenv("GNOMON_REGISTRY_DATABASE_URL", f"sqlite:///{tmp_path / 'back.db'}")
    assert run(capfd, "restore", backup, "--service", "trainer")[0] != 0
    status, done, _ = run(capfd, "restore", backup)

    assert (status, [*done]) == (0, ["registry"])
    assert revision(tmp_path / "back.db")


@pytest.mark.slow
@pytest.mark.parametrize("half", ["registry", "trainer"])
def test_of_a_backup_that_lacks_one_half_nothing_is_restored(half, named, tmp_path, capfd, monkeypatch):
    run(capfd, "db", "upgrade")
    run(capfd, "backup", str(tmp_path / "backup"))
    (tmp_path / "backup" / half).rename(tmp_path / "lost")
    back = tmp_path / "back"

    status, answer, _ = run(capfd, "restore", str(tmp_path / "backup"), "--home", str(back))

    assert status == 1
    assert "Nothing was restored" in answer["error"]["message"]
    assert not back.exists()


@pytest.mark.slow
def test_where_one_database_cannot_take_its_half_the_other_is_not_made(named, tmp_path, capfd, monkeypatch):
    run(capfd, "db", "upgrade")
    run(capfd, "backup", str(tmp_path / "backup"))
    back = tmp_path / "back"
    run(capfd, "db", "upgrade", "--home", str(back), "--service", "trainer")
    with sqlite3.connect(back / "trainer/trainer.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    status, answer, _ = run(capfd, "restore", str(tmp_path / "backup"), "--home", str(back))

    assert status == 1
    assert "newer" in answer["error"]["message"]
    assert not (back / "registry").exists()


def test_a_service_that_there_is_not_is_refused(home, capfd):
    status, _, said = run(capfd, "gc", "--service", "scorer")

    assert status != 0
    assert "registry or trainer" in said


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["--delete"]])
@pytest.mark.parametrize("service", ["registry", "trainer"])
def test_nothing_is_garbage_to_a_database_that_names_nothing(named, service, words, capfd):
    run(capfd, "db", "upgrade")
    store = named / "artifacts" if service == "registry" else named / "data"
    stored = blob(store)
    if service == "trainer":
        stored = stored.rename(store / "row-file")
        (store / "datasets").mkdir()
        stored = stored.rename(store / "datasets" / "rows.jsonl")

    status, _, said = run(capfd, "gc", *words, "--service", service)

    assert status != 0
    assert "--empty-catalog" in said
    assert stored.exists()
    assert run(capfd, "gc", "--delete", "--service", service, "--empty-catalog")[0] == 0
    assert not stored.exists()


@pytest.mark.slow
def test_an_empty_database_without_files_has_no_garbage(named, capfd):
    run(capfd, "db", "upgrade")

    status, found, _ = run(capfd, "gc", "--delete")

    assert (status, [each["file_count"] for each in found]) == (0, [0, 0])
