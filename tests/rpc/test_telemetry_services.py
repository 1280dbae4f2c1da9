"""Metrics of each service, as a process of its own."""

import json
import time

import pytest

from gnomon.local import HEALTH_SERVICES, deployment
from tests.rpc.telemetry_pages import look


def page_address(log):
    """Return where a service says it serves metrics."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return next(line["address"] for line in lines if line["event"] == "serving metrics")


@pytest.mark.parametrize("name", HEALTH_SERVICES)
async def test_every_service_serves_its_metrics(tmp_path, name):
    service = deployment(tmp_path)[name]
    prefix = f"GNOMON_{name.upper()}"
    extra = {f"{prefix}_METRICS_LISTEN": "127.0.0.1:0", "GNOMON_TRAINER_WORKERS": "0"}
    service.environment = dict(service.environment) | extra
    try:
        service.start()
        page = await look(page_address(service.log_path.read_text()))
    finally:
        service.stop()

    assert abs(page.value("process_start_time_seconds") - time.time()) < 120
    assert "gnomon_rpc_calls_in_flight" in page.text


def test_a_service_whose_metrics_have_no_place_does_not_start(tmp_path):
    service = deployment(tmp_path)["registry"]
    service.environment = dict(service.environment) | {"GNOMON_REGISTRY_METRICS_LISTEN": "256.0.0.1:9410"}
    service.spawn()
    assert service.process is not None

    assert service.process.wait(60) == 2
    assert "Cannot serve metrics at 256.0.0.1:9410" in service.log_tail()
    assert "Traceback" not in service.log_tail(50)
