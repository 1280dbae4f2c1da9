"""A folder is one backup's, and is left as it was where that does not come to its end."""

import contextlib
import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from gnomon import local
from gnomon.cli import backup_folders
from gnomon.cli.backup_folders import BACKUP, filled_or_left
from gnomon.cli.main import main
from gnomon.errors import ResourceInUseError

ENTRY_POINT = "import sys; from gnomon.cli.main import main; sys.exit(main())"
WRITES_ON = """
import itertools, pathlib, sys
folder = pathlib.Path(sys.argv[2]) / "database"
folder.mkdir(parents=True)
for number in itertools.count():
    (folder / str(number % 100)).write_text("x")
"""
TOLD = {"versions": 1, "datasets": 1, "size_bytes": 1}


def tree(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def fill(folder):
    folder.mkdir()
    (folder / "row").touch()


def back_up(folder, then=lambda: None):
    """Back up a registry; before it ends, do something."""
    with filled_or_left(folder, ["registry"]) as about:
        fill(folder / "registry")
        then()
        about["registry"] = {}


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("other", ["registry", "trainer"])
def test_a_backup_into_a_folder_that_another_fills_is_refused_and_takes_nothing_away(
    other, fails, tmp_path, monkeypatch, capfd
):
    folder, statuses = tmp_path / "new" / "backup", []

    def operate(service, action, environment):
        monkeypatch.setattr(local, "operate", lambda *_: fill(folder / other) or TOLD)
        statuses.append(main(["backup", str(folder), "--service", other, "--json"]))
        fill(folder / service)
        if fails:
            raise OSError(errno.ENOSPC, "the disk is full")
        return TOLD

    monkeypatch.setattr(local, "operate", operate)
    statuses.append(main(["backup", str(folder), "--service", "registry", "--json"]))

    assert '"RESOURCE_IN_USE"' in capfd.readouterr().out
    assert statuses == [1, int(fails)]
    assert tree(tmp_path) == (
        set()
        if fails
        else {"new", "new/backup", f"new/backup/{BACKUP}"}
        | {f"new/backup/registry{rest}" for rest in ("", "/row")}
    )


@pytest.mark.parametrize("is_finished", [False, True])
def test_of_two_backups_that_found_a_folder_empty_one_gets_it(is_finished, tmp_path, monkeypatch):
    claim = backup_folders._claim

    def later(part):
        fill(tmp_path / "trainer")
        (tmp_path / (BACKUP if is_finished else part.name)).touch()
        claim(part)

    monkeypatch.setattr(backup_folders, "_claim", later)
    with pytest.raises(ResourceInUseError):
        back_up(tmp_path)

    assert tree(tmp_path) == {"trainer", "trainer/row", BACKUP if is_finished else f"{BACKUP}.part"}


def test_a_backup_that_fails_removes_its_own_halves_alone(tmp_path):
    def fail():
        fill(tmp_path / "trainer")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        back_up(tmp_path, fail)

    assert tree(tmp_path) == {"trainer", "trainer/row"}


def test_folders_that_were_made_on_the_way_to_one_that_cannot_be_go_again(tmp_path, monkeypatch):
    folder, mkdir = tmp_path / "one" / "two" / "last", type(tmp_path).mkdir

    def scarce(path, *arguments, **options):
        if path == folder and path.parent.exists():
            raise OSError(errno.ENOSPC, "the disk is full")
        return mkdir(path, *arguments, **options)

    monkeypatch.setattr(type(tmp_path), "mkdir", scarce)
    with pytest.raises(OSError, match="full"):
        back_up(folder)

    assert tree(tmp_path) == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_nothing_back_once_a_backup_is_whole(number, tmp_path, monkeypatch):
    replace = type(tmp_path).replace

    def interrupted(path, target):
        signal.raise_signal(number)
        done = replace(path, target)
        signal.raise_signal(number)
        return done

    monkeypatch.setattr(type(tmp_path), "replace", interrupted)
    back_up(tmp_path)

    assert tree(tmp_path) == {"registry", "registry/row", BACKUP}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_stop_what_cleans_up(number, tmp_path, monkeypatch):
    rmtree = shutil.rmtree

    def interrupted(*arguments, **options):
        signal.raise_signal(number)
        rmtree(*arguments, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "backup", lambda: signal.raise_signal(number))

    assert tree(tmp_path) == set()


@pytest.fixture
def backup(tmp_path):
    """A backup as a real process, whose part for the trainer writes until it is ended."""
    package = tmp_path / "stubs" / "gnomon_trainer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "operate.py").write_text(WRITES_ON)
    path = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    words = ["backup", str(tmp_path / "new" / "backup"), "--home", str(tmp_path / "home")]
    process = subprocess.Popen(
        [sys.executable, "-c", ENTRY_POINT, *words],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
    )
    found = [psutil.Process(process.pid)]
    yield process, found
    for each in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_backup_with_all_that_it_began(number, backup, tmp_path):
    process, found = backup
    for _ in itertools.count():
        assert process.poll() is None
        if (tmp_path / "new/backup/trainer/database/99").exists():
            break
        time.sleep(0.02)
    found += (children := found[0].children(recursive=True))

    process.send_signal(number)

    assert process.wait(20) == 130
    assert children
    assert not any(child.is_running() for child in children)
    assert not (tmp_path / "new").exists()
