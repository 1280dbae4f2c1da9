"""The folder of a backup: filled to the end or left as it was, and restored as its lists say."""

import json

import pytest

from gnomon import local
from gnomon.cli.main import main


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
