"""`gnomon keys` against a real registry with access control on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gnomon.api_keys import new_key, read_key
from gnomon.cli.main import main
from gnomon.local import ServiceProcess

ADMIN = new_key().text


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("registry")
    environment = {
        "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{home / 'registry.db'}",
        "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{home / 'artifacts'}",
        "GNOMON_REGISTRY_ACCESS": "keys",
        "GNOMON_REGISTRY_ADMIN_KEY": ADMIN,
    }
    service = ServiceProcess("registry", home, environment)
    service.start()
    yield service
    service.stop()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def gnomon(
    registry: ServiceProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.setenv("GNOMON_REGISTRY_ADDRESS", registry.address)
    monkeypatch.setenv("GNOMON_API_KEY", ADMIN)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(list(words))
        return status, *capsys.readouterr()

    return run


def made(gnomon: Run, *words: str) -> Any:
    status, out, err = gnomon("keys", "create", "--scope", "score", *words, "--json")
    assert status == 0, err
    return json.loads(out)


def test_a_key_is_created_shown_listed_renamed_rotated_and_revoked(gnomon: Run, tmp_path: Path) -> None:
    created = made(gnomon, "--display-name", "bot", "--expires-in", "90d")
    key = read_key(created["key_text"])

    status, out, _ = gnomon("keys", "list")
    assert status == 0
    assert all(word in out for word in (key.id, "bot", key.last_four, "score", "valid"))
    assert gnomon("keys", "rename", key.id, "robot")[0] == 0
    rotated = json.loads(gnomon("keys", "rotate", key.id, "--overlap", "1h", "--json")[1])
    (tmp_path / "key").write_text(rotated["key_text"])
    shown = json.loads(gnomon("keys", "show", key.id, "--json")[1])
    assert (shown["display_name"], shown["last_four"]) == ("robot", rotated["key_text"][-4:])
    assert "key_text" not in shown
    who = json.loads(gnomon("keys", "whoami", "--api-key-file", str(tmp_path / "key"), "--json")[1])
    assert (who["name"], who["scopes"]) == (f"apiKeys/{key.id}", ["score"])
    assert gnomon("keys", "revoke", key.id)[0] == 0
    assert "revoked" in gnomon("keys", "list")[1]


def test_a_person_sees_the_text_once_and_is_told_so(gnomon: Run) -> None:
    status, out, err = gnomon("keys", "create", "--scope", "score", "--scope", "train")
    text = next(line for line in out.splitlines() if line.startswith("gnm_"))
    assert status == 0
    assert "once" in err
    assert text not in gnomon("keys", "show", read_key(text).id)[1]


def test_a_key_bound_to_a_project_is_told_so(gnomon: Run) -> None:
    assert gnomon("projects", "create", "support")[0] == 0
    assert made(gnomon, "--for-project", "support")["api_key"]["projects"] == ["projects/support"]


def test_without_the_right_key_a_command_says_what_is_missing(
    gnomon: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = made(gnomon)["key_text"]
    monkeypatch.setenv("GNOMON_API_KEY", text)
    status, _, err = gnomon("keys", "list")
    assert status == 1
    assert "needs an API key with the scope admin" in err
    monkeypatch.delenv("GNOMON_API_KEY")
    assert "GNOMON_API_KEY" in gnomon("keys", "list")[2]


@pytest.mark.parametrize("span", ["90", "d", "1w", "-1d", "1 d"])
def test_a_time_that_is_none_is_refused(gnomon: Run, span: str) -> None:
    assert gnomon("keys", "create", "--scope", "score", f"--expires-in={span}")[0] == 2


def test_a_key_is_generated_without_a_service() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GNOMON_")}
    code = "from gnomon.cli.main import main; raise SystemExit(main(['keys', 'generate']))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert read_key(result.stdout.strip()).text == result.stdout.strip()
