"""Services start in any order, and each says by itself whether it can do its job. Real processes."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gnomon import local
from gnomon.health import ask
from gnomon.local import ServiceProcess
from tests.e2e.deployment import client_of, make_metric

Services = dict[str, ServiceProcess]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """The three services at addresses that are known before any of them runs; none is started."""
    made = local.deployment(tmp_path, dict(zip(local.HEALTH_SERVICES, _free_ports(3), strict=True)))
    registry = made["registry"].listen
    for name, service in made.items():
        prefix = f"GNOMON_{name.upper()}_"
        service.address = service.listen
        service.environment = {**service.environment, f"{prefix}HEALTH_EVERY_S": "0.2"}
        if name != "registry":
            service.environment |= {f"{prefix}REGISTRY_ADDRESS": registry}
    made["trainer"].environment |= {"GNOMON_TRAINER_WORKERS": "0"}
    yield made
    local.stop(made)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _until(reached: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _reaches_registry(services: Services) -> bool:
    return ask(services["trainer"].address, "registry").is_serving


@pytest.mark.slow
def test_what_needs_the_registry_waits_for_it_and_outlives_its_absence(services: Services) -> None:
    for name in ("scorer", "trainer"):
        services[name].start()
    services["trainer"].wait_until_ready()
    _until(lambda: ask(services["trainer"].address, "registry").state == "NOT_SERVING", "it is away")
    assert not services["scorer"].is_ready()
    assert ask(services["scorer"].address, "live").is_serving

    services["registry"].start()
    for service in services.values():
        service.wait_until_ready()
    _until(lambda: _reaches_registry(services), "the trainer finds the registry")
    with client_of(services) as client:
        make_metric(client)

    services["registry"].kill()
    _until(lambda: not _reaches_registry(services), "the trainer notices")
    assert services["trainer"].is_ready()
    assert services["scorer"].is_ready()  # what it has loaded, it scores with
    with client_of(services) as client:
        assert list(client.datasets.list()) == []  # what the trainer can do alone, it does

    services["registry"].start()
    _until(lambda: _reaches_registry(services), "the trainer finds it again")
    assert '"check":"registry"' in services["trainer"].log_path.read_text().replace(" ", "")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    "order", ["trainer scorer registry", "trainer registry scorer", "scorer registry trainer"]
)
def test_in_each_order_all_get_ready(services: Services, order: str) -> None:
    for name in order.split():
        services[name].start()
    for service in services.values():
        service.wait_until_ready()
    with client_of(services) as client:
        make_metric(client)
        assert client.metrics.get("commitment").name == "metrics/commitment"
