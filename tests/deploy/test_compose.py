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


def test_grafana_finds_its_data_source_and_every_dashboard():
    folder = ROOT / "deploy/grafana/provisioning"
    [source] = yaml.safe_load((folder / "data-source.yaml").read_text())["datasources"]
    [provider] = yaml.safe_load((folder / "dashboards.yaml").read_text())["providers"]
    mounted = {config["target"]: config["source"] for config in COMPOSE["services"]["grafana"]["configs"]}
    dashboards = {path.name for path in (ROOT / "deploy/grafana").glob("*.json")}

    assert source["type"] == "prometheus"
    for name in dashboards:
        config = mounted[f"{provider['options']['path']}/{name}"]
        assert COMPOSE["configs"][config]["file"] == f"grafana/{name}"


def test_prometheus_asks_every_service_where_its_image_serves_metrics():
    config = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text())
    asked = {job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]}

    assert asked == {"registry:9410", "trainer:9411", "scorer:9412"}


def stand_in(folder, command, script):
    folder.mkdir(exist_ok=True)
    (folder / command).write_text(f"#!/bin/sh\n{script}\n")
    (folder / command).chmod(0o755)


@pytest.fixture
def prepared(tmp_path):
    """What prepare.sh makes, with a stand-in for the command that makes keys."""
    stand_ins, folder = tmp_path / "bin", tmp_path / "secrets"
    stand_in(stand_ins, "gnomon", "echo gnm_made")

    def prepare(status=0):
        environment = os.environ | {"PATH": f"{stand_ins}:{os.environ['PATH']}"}
        script = ROOT / "deploy/compose/prepare.sh"
        ran = subprocess.run([script, folder], check=False, env=environment, capture_output=True, text=True)
        assert ran.returncode == status, ran.stderr
        return ran.stdout + ran.stderr

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


def test_a_certificate_is_renewed_under_the_authority_that_clients_trust_already(prepared):
    folder, prepare = prepared
    prepare()
    trusted = {name: (folder / name).read_bytes() for name in ("ca.pem", "ca-key.pem")}
    old = (folder / "certificate.pem").read_bytes()
    (folder / "certificate.pem").unlink()
    prepare()

    assert {name: (folder / name).read_bytes() for name in trusted} == trusted
    assert (folder / "certificate.pem").read_bytes() != old
    verify = ["openssl", "verify", "-CAfile", folder / "ca.pem", folder / "certificate.pem"]
    subprocess.run(verify, check=True, capture_output=True)


def test_without_the_authoritys_key_a_renewal_says_what_is_missing_and_changes_no_trust(prepared):
    folder, prepare = prepared
    prepare()
    trusted = (folder / "ca.pem").read_bytes()
    for name in ("certificate.pem", "ca-key.pem"):
        (folder / name).unlink()

    assert "ca-key.pem" in prepare(status=1)
    assert (folder / "ca.pem").read_bytes() == trusted


def test_a_machine_with_a_long_name_gets_certificates_too(prepared, tmp_path):
    folder, prepare = prepared
    stand_in(tmp_path / "bin", "hostname", "echo " + "a" * 73)  # a common name has room for 64 characters

    prepare()

    assert (folder / "certificate.pem").is_file()


def test_what_openssl_says_of_a_failure_is_shown(prepared, tmp_path):
    _, prepare = prepared
    failing = 'if [ "$1" = rand ]; then echo made; else echo "no such curve" >&2; exit 1; fi'
    stand_in(tmp_path / "bin", "openssl", failing)

    assert "no such curve" in prepare(status=1)
