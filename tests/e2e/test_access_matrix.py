"""Every method of every service, with every kind of key that must not do: generated from the descriptors."""

import socket
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gnomon.api_keys import SCOPES, new_key
from gnomon.v1 import registry_service_pb2 as registry_pb
from gnomon.v1 import registry_service_pb2_grpc as registry_grpc
from gnomon_rpc.methods import described
from tests.e2e.guarded import SERVED, Guarded, bearer, call, error_of, guarded

METHODS = [
    (service, method)
    for service, descriptors in SERVED.items()
    for descriptor in descriptors
    for method in descriptor.methods
]
ACCESS_REASONS = {
    "API_KEY_MISSING",
    "API_KEY_MALFORMED",
    "API_KEY_UNKNOWN",
    "API_KEY_EXPIRED",
    "API_KEY_REVOKED",
    "SCOPE_MISSING",
    "PROJECT_DENIED",
    "PROJECT_UNSTATED",
    "ACCESS_UNVERIFIED",
    "PERMISSION_DENIED",
}
BINDABLE = frozenset(SCOPES) - {"admin", "service"}


@pytest.fixture(scope="module")
def metrics_at() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, metrics_at: str) -> Iterator[Guarded]:
    registry = {"METRICS_LISTEN": metrics_at}
    with guarded(tmp_path_factory.mktemp("guarded"), registry=registry) as services:
        with services.client(services.admin) as client:
            client.projects.create("mine")
            client.projects.create("other")
        yield services


@pytest.fixture(scope="module")
def channels(deployed: Guarded) -> Iterator[dict[str, grpc.Channel]]:
    opened = {name: grpc.insecure_channel(one.address) for name, one in deployed.services.items()}
    yield opened
    for channel in opened.values():
        channel.close()


@pytest.fixture(scope="module")
def keys(deployed: Guarded) -> dict[str, str]:
    revoked, revoked_text = deployed.key(*SCOPES)
    deployed.revoke(revoked)
    soon = datetime.now(UTC) + timedelta(seconds=5)
    made = {
        "expired": deployed.key(*SCOPES, expire_time=soon)[1],
        "revoked": revoked_text,
        "bound": deployed.key(*BINDABLE, projects=["mine"])[1],
        "unknown": new_key().text,
    }
    while datetime.now(UTC) < soon:
        time.sleep(0.05)
    return made


def _path(method: Any) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _reasons(channels: dict[str, grpc.Channel], metadata_of: Any) -> dict[str, str]:
    """Return by method the reason it was refused for; empty where it was let in."""
    found = {}
    for service, method in METHODS:
        metadata = metadata_of(method)
        if metadata is not None:
            error = call(channels[service], method, metadata)
            shown = dict(metadata).get("authorization", "Bearer gnm_x_none").rpartition("_")[2]
            assert error is None or shown not in f"{error.message} {error.metadata}"
            found[_path(method)] = error.reason if error is not None else ""
    assert found
    return found


def test_every_method_that_is_served_has_an_entry(
    deployed: Guarded, channels: dict[str, grpc.Channel]
) -> None:
    served = set()
    for channel in channels.values():
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        for answer in stub.ServerReflectionInfo(iter([request]), metadata=bearer(deployed.admin)):
            served |= {service.name for service in answer.list_services_response.service}
    known = {descriptor.full_name for descriptors in SERVED.values() for descriptor in descriptors}

    assert served - {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} == known
    assert [_path(method) for _, method in METHODS if not described(_path(method)).scopes] == []


def test_without_a_key_nothing_can_be_called(channels: dict[str, grpc.Channel]) -> None:
    assert set(_reasons(channels, lambda method: ()).values()) == {"API_KEY_MISSING"}


@pytest.mark.parametrize(
    ("key", "reason"),
    [("expired", "API_KEY_EXPIRED"), ("revoked", "API_KEY_REVOKED"), ("unknown", "API_KEY_UNKNOWN")],
)
def test_with_a_key_that_is_not_valid_nothing_can_be_called(
    key: str, reason: str, channels: dict[str, grpc.Channel], keys: dict[str, str]
) -> None:
    assert set(_reasons(channels, lambda method: bearer(keys[key])).values()) == {reason}


def test_all_the_scopes_that_a_method_does_not_want_do_not_help(
    deployed: Guarded, channels: dict[str, grpc.Channel]
) -> None:
    texts: dict[frozenset[str], str] = {}

    def wrong(method: Any) -> Any:
        wanted = described(_path(method)).scopes
        assert wanted is not None
        if "any" in wanted:
            return None
        if wanted not in texts:
            texts[wanted] = deployed.key(*(set(SCOPES) - wanted - {"admin"}))[1]
        return bearer(texts[wanted])

    assert set(_reasons(channels, wrong).values()) == {"SCOPE_MISSING"}


def test_a_key_of_one_project_calls_nothing_for_another(
    channels: dict[str, grpc.Channel], keys: dict[str, str]
) -> None:
    reasons = _reasons(channels, lambda method: bearer(keys["bound"], "other"))
    for path, reason in reasons.items():
        reachable = described(path).scopes & (BINDABLE | {"any"})
        assert reason == ("PROJECT_DENIED" if reachable else "SCOPE_MISSING"), path


def test_a_right_key_passes_every_gate(deployed: Guarded, channels: dict[str, grpc.Channel]) -> None:
    texts: dict[frozenset[str], str] = {}

    def least(method: Any) -> Any:
        wanted = described(_path(method)).scopes
        assert wanted is not None
        one = frozenset({"score"} if "any" in wanted else sorted(wanted)[:1])
        if one not in texts:
            texts[one] = deployed.key(*one)[1]
        return bearer(texts[one])

    for metadata_of in (least, lambda method: bearer(deployed.admin)):
        assert set(_reasons(channels, metadata_of).values()).isdisjoint(ACCESS_REASONS)


def test_a_call_that_is_refused_does_nothing(
    deployed: Guarded, channels: dict[str, grpc.Channel], keys: dict[str, str]
) -> None:
    stub = registry_grpc.RegistryServiceStub(channels["registry"])
    _, scores = deployed.key("score")
    for number, metadata in enumerate((bearer(None), bearer(keys["revoked"]), bearer(scores))):
        with pytest.raises(grpc.RpcError):
            stub.CreateProject(
                registry_pb.CreateProjectRequest(project_id=f"never-{number}"), metadata=metadata
            )
    with pytest.raises(grpc.RpcError) as refused:
        stub.DeleteProject(
            registry_pb.DeleteProjectRequest(name="projects/other"), metadata=bearer(keys["bound"])
        )
    with deployed.client(deployed.admin) as client:
        assert [project.name for project in client.projects.list()] == ["projects/mine", "projects/other"]
    assert error_of(refused.value).reason == "PROJECT_DENIED"


def test_the_contract_is_told_to_none_without_a_key(channels: dict[str, grpc.Channel]) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    for channel in channels.values():
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            list(stub.ServerReflectionInfo(iter([request])))
        assert error_of(refused.value).reason == "API_KEY_MISSING"


def test_health_is_told_to_everybody(deployed: Guarded) -> None:
    assert all(service.is_ready() for service in deployed.services.values())


def test_no_text_of_a_key_is_in_a_log_or_a_database_or_on_a_page_of_metrics(
    deployed: Guarded, keys: dict[str, str], metrics_at: str
) -> None:
    secrets = [text.rpartition("_")[2] for text in (*deployed.texts, *keys.values())]
    with urllib.request.urlopen(f"http://{metrics_at}/metrics") as page:
        numbers = page.read().decode()
    assert 'code="UNAUTHENTICATED"' in numbers
    assert [secret for secret in secrets if secret in numbers] == []
    home = deployed.services["registry"].home
    looked_at = [path for path in home.rglob("*") if path.is_file()]

    assert {path.name for path in looked_at} >= {"registry.log", "trainer.log", "scorer.log", "registry.db"}
    assert any(b'"method"' in path.read_bytes() for path in looked_at)  # the calls are in the logs
    for path in looked_at:
        content = path.read_bytes()
        assert [secret for secret in secrets if secret.encode() in content] == [], path
