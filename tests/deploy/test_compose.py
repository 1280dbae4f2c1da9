"""The composition is valid, names files that there are, and gives no service more than it needs."""

import os
import re
import subprocess

import compose_spec
import pytest
import yaml
from tools.check_images import stages
from tools.requirements import ROOT

from gnomon.doctor.protection import certificates
from gnomon.doctor.site import OK, Site

FILE = ROOT / "deploy/compose.yaml"
TEXT = FILE.read_text()
COMPOSE = yaml.safe_load(TEXT)
GNOMON = ("registry", "trainer", "scorer")


def test_the_file_is_one_that_the_compose_specification_knows():
    as_started = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", TEXT)  # variables are filled in before
    parsed = compose_spec.PyOptions(apply_merge=True).from_yaml(as_started)
    for check in ("configs", "networks", "secrets", "volumes"):
        getattr(parsed, f"validate_{check}")()
    parsed.validate()


def test_a_misspelt_key_would_be_found():
    with pytest.raises(ValueError, match="nonsense"):
        compose_spec.PyCompose.from_yaml("services: {a: {image: b, nonsense: 1}}")


def test_every_file_that_is_named_is_there():
    named = [entry["file"] for entry in COMPOSE["configs"].values() if "file" in entry]

    assert named
    assert [name for name in named if not (FILE.parent / name).is_file()] == []


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_no_service_has_rights_that_it_does_not_need(service):
    it = COMPOSE["services"][service]

    assert it["read_only"] is True
    assert it["cap_drop"] == ["ALL"]
    assert it["security_opt"] == ["no-new-privileges:true"]
    assert not it["user"].startswith("0")
    assert it["healthcheck"]["test"][0] == "CMD"  # no shell
    assert {"memory", "pids"} <= it["deploy"]["resources"]["limits"].keys()
    assert all(port.startswith("127.0.0.1:") for port in it.get("ports", ()))


def test_secrets_are_files_and_never_variables():
    for service in COMPOSE["services"].values():
        mounted = {f"/run/secrets/{name}" for name in service.get("secrets", ())}
        values = [str(value) for value in service.get("environment", {}).values()]
        assert {value for value in values if value.startswith("/run/secrets/")} <= mounted
    assert "PASSWORD:" not in TEXT


@pytest.mark.parametrize("service", ["registry", "trainer"])
def test_who_seals_secrets_has_the_master_key(service):
    it = COMPOSE["services"][service]

    assert it["environment"][f"GNOMON_{service.upper()}_MASTER_KEY_FILE"] == "/run/secrets/master-key"
    assert "master-key" in it["secrets"]


@pytest.mark.parametrize("service", GNOMON)
def test_the_images_are_those_of_the_dockerfile(service):
    assert COMPOSE["services"][service]["build"]["target"] in stages()


@pytest.mark.parametrize("service", GNOMON)
def test_a_service_is_given_the_time_that_it_takes_to_drain(service):
    it = COMPOSE["services"][service]

    assert float(it["stop_grace_period"].rstrip("s")) > float(
        it["environment"][f"GNOMON_{service.upper()}_GRACE_S"]
    )


def test_grafana_finds_its_data_source_and_dashboard():
    folder = ROOT / "deploy/grafana/provisioning"
    [source] = yaml.safe_load((folder / "data-source.yaml").read_text())["datasources"]
    [provider] = yaml.safe_load((folder / "dashboards.yaml").read_text())["providers"]
    targets = [config["target"] for config in COMPOSE["services"]["grafana"]["configs"]]

    assert source["type"] == "prometheus"
    assert any(target.startswith(provider["options"]["path"] + "/") for target in targets)


def test_prometheus_asks_every_service_where_its_image_serves_metrics():
    config = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text())
    asked = {job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]}

    assert asked == {"registry:9410", "trainer:9411", "scorer:9412"}


@pytest.fixture
def prepared(tmp_path):
    """What prepare.sh makes, with a stand-in for the command that makes keys."""
    stand_in = tmp_path / "bin/gnomon"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\necho gnm_made\n")
    stand_in.chmod(0o755)
    folder = tmp_path / "secrets"

    def prepare():
        environment = os.environ | {"PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
        script = ROOT / "deploy/compose/prepare.sh"
        return subprocess.run(
            [script, folder], check=True, env=environment, capture_output=True, text=True
        ).stdout

    return folder, prepare


def test_preparing_makes_every_secret_once(prepared):
    folder, prepare = prepared
    prepare()
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = prepare()

    assert {os.path.basename(entry["file"]) for entry in COMPOSE["secrets"].values()} <= first.keys()  # noqa: PTH119
    assert again == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert folder.stat().st_mode & 0o077 == 0


def test_the_certificate_is_one_for_each_service(prepared):
    folder, prepare = prepared
    prepare()
    file = folder / "certificate.pem"
    trust = ["openssl", "verify", "-CAfile", folder / "ca.pem"]
    for name in (*GNOMON, "localhost"):
        subprocess.run([*trust, "-verify_hostname", name, file], check=True, capture_output=True)
    wrong = subprocess.run([*trust, "-verify_hostname", "other", file], check=False, capture_output=True)

    assert wrong.returncode != 0
    [found] = certificates(Site(environment={"GNOMON_CA_FILE": str(file)}))
    assert found.state == OK
