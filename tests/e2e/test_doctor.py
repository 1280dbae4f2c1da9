"""`gnomon doctor` beside the deployment of the other tests, and beside none."""

import json
from pathlib import Path

import pytest

from gnomon.cli.main import main
from tests.e2e.conftest import Deployed


def findings(capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], str]:
    shown = json.loads(capsys.readouterr().out)
    return {(found["check"], found["about"]): found["state"] for found in shown["findings"]}


def test_a_deployment_that_runs_is_in_order(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    home = deployed.services["registry"].home
    addresses = [f"--{name}={service.address}" for name, service in deployed.services.items()]
    main(["doctor", "--json", "--home", str(home), *addresses])
    found = findings(capsys)

    assert {found["services", name] for name in deployed.services} == {"ok"}
    assert {found["database", name] for name in ("registry", "trainer")} == {"ok"}
    assert {found["clocks", name] for name in deployed.services} == {"ok"}
    assert found["versions", ""] == found["calls", "client"] == found["master key", "trainer"] == "ok"
    disk = {"disk space"}  # of whoever runs the tests
    assert {check for (check, _), state in found.items() if state == "BROKEN"} <= disk


def test_where_nothing_runs_the_status_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = ["--registry=127.0.0.1:1", "--trainer=127.0.0.1:1", "--scorer=127.0.0.1:1"]
    status = main(["doctor", "--json", "--home", str(tmp_path), *nobody])

    assert status == 1
    assert findings(capsys)["services", "scorer"] == "BROKEN"


def test_one_service_is_looked_at_as_its_environment_describes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GNOMON_SCORER_CACHE_DIR", str(tmp_path / "file"))
    main(["doctor", "--json", "--service", "scorer", "--home", str(tmp_path)])
    found = findings(capsys)

    assert found["folders", "scorer"] == "BROKEN"
    assert not [about for _, about in found if about in {"registry", "trainer"}]
