"""`gnomon health`, as probes of a container use it: real servers, plain and behind TLS."""

import json
import subprocess
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gnomon.cli.main import main

SCORER = "gnomon.v1.ScorerService"
STATES = health_pb2.HealthCheckResponse


@pytest.fixture
def server():
    servicer = health.HealthServicer()
    servicer.set("", STATES.SERVING)
    servicer.set(SCORER, STATES.SERVING)
    built = grpc.server(futures.ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, built)
    built.health = servicer
    yield built
    built.stop(0).wait()


def plain(server):
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return f"127.0.0.1:{port}"


def test_a_service_that_can_do_its_job_gives_status_0(server, capsys):
    status = main(["health", plain(server), "--service", "scorer", "--json"])

    assert (status, json.loads(capsys.readouterr().out)["state"]) == (0, "SERVING")


@pytest.mark.parametrize("state", ["NOT_SERVING", "UNKNOWN"])
def test_one_that_cannot_gives_status_1(server, capsys, state):
    server.health.set(SCORER, STATES.ServingStatus.Value(state))
    status = main(["health", plain(server), "--service", "scorer"])

    assert (status, capsys.readouterr().out.strip()) == (1, state)


def test_a_service_is_found_by_its_name(server, monkeypatch):
    server.health.set("", STATES.NOT_SERVING)  # the question is about the scorer, not the server
    monkeypatch.setenv("GNOMON_SCORER_ADDRESS", plain(server))

    assert main(["health", "scorer"]) == 0


def test_what_a_server_does_not_know_is_not_healthy(server, capsys):
    status = main(["health", plain(server), "--service", "nothing"])

    assert (status, "knows no health of 'nothing'" in capsys.readouterr().out) == (1, True)


def test_nobody_at_the_address_gives_status_1(capsys):
    assert main(["health", "127.0.0.1:1"]) == 1
    assert capsys.readouterr().out.startswith("UNREACHABLE")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    names = ("-subj", "/CN=scorer.example", "-addext", "subjectAltName=DNS:scorer.example")
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    files = ("-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", *made, *names, *files], check=True, capture_output=True)
    return folder


def behind_tls(server, folder: Path):
    pair = [((folder / "key.pem").read_bytes(), (folder / "certificate.pem").read_bytes())]
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair))
    server.start()
    return f"127.0.0.1:{port}"


def test_a_probe_trusts_the_certificate_of_a_service_by_its_name(server, certificate):
    address = behind_tls(server, certificate)
    trust = ["--ca-file", str(certificate / "certificate.pem")]

    assert main(["health", address, *trust, "--server-name", "scorer.example"]) == 0
    assert main(["health", address, *trust]) == 1  # 127.0.0.1 is not a name of it
    assert main(["health", address, "--tls", "--server-name", "scorer.example"]) == 1  # nobody vouches for it
    assert main(["health", address]) == 1
