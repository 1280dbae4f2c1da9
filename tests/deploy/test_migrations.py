"""The chart's migration jobs, with the environment that their images give them, change the right database."""

import os
import re
import sqlite3

import pytest
from tools.check_images import stages

from gnomon.cli.main import main
from tests.deploy.rendering import FILES, LARGE, one, pods, render

SERVICES = ("registry", "trainer")


def image_environment(service):
    """Return what the Dockerfile sets for a service's image."""
    texts = [
        line for stage in ("runtime", service) for line in re.findall(r"^ENV (.*)$", stages()[stage], re.M)
    ]
    return dict(words.split("=", 1) for text in texts for words in text.split())


def container(service, values=LARGE):
    [found] = one(render(values), "Job", f"gnomon-{service}-migration")["spec"]["template"]["spec"][
        "containers"
    ]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_job_names_its_own_database_and_no_other(service):
    job = container(service)
    told = {each["name"]: each["value"] for each in job["env"]}
    prefix = f"GNOMON_{service.upper()}_"

    assert job["command"] == ["gnomon", "db", "upgrade", "--service", service]
    assert told[f"{prefix}DATABASE_URL"] == LARGE[service]["database"]["url"]
    assert told[f"{prefix}DATABASE_PASSWORD_FILE"] in {
        f"{mount['mountPath']}/password" for mount in job["volumeMounts"]
    }
    assert all(name.startswith(prefix) for name in told)


@pytest.mark.parametrize("service", SERVICES)
def test_a_job_is_told_and_given_all_that_the_values_add_to_its_service(service):
    """A certificate that the database's URL names is a file, for the job as for the service."""
    pod = one(render(FILES), "Job", f"gnomon-{service}-migration")["spec"]["template"]["spec"]
    added, own = FILES[service], pods(render(FILES))[f"gnomon-{service}"]["containers"][0]
    job = pod["containers"][0]

    assert all({"name": name, "value": value} in job["env"] for name, value in added["env"].items())
    assert job.get("envFrom") == own.get("envFrom") == added.get("envFrom")
    assert [each for each in added["extraVolumes"] if each not in pod["volumes"]] == []
    assert [each for each in added["extraVolumeMounts"] if each not in job["volumeMounts"]] == []


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_a_job_upgrades_the_database_that_it_names(service, tmp_path, monkeypatch):
    """Its command, with its image's variables and its own; SQLite stands in for the server."""
    for name in [*os.environ]:
        if name.startswith("GNOMON_"):
            monkeypatch.delenv(name)
    job = container(service)
    told = image_environment(service) | {each["name"]: each["value"] for each in job["env"]}
    assert "GNOMON_HOME" in told
    told[f"GNOMON_{service.upper()}_DATABASE_URL"] = f"sqlite:///{tmp_path / 'server.db'}"
    for name, value in told.items():
        if name.startswith("GNOMON_"):
            monkeypatch.setenv(name, value.replace("/var/lib/gnomon", str(tmp_path / "volume")))

    assert main(job["command"][1:]) == 0

    with sqlite3.connect(tmp_path / "server.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    assert [*tmp_path.rglob("*.db")] == [tmp_path / "server.db"]
