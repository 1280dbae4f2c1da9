"""What a registry tells Prometheus, over the real wire."""

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gnomon.errors import ServiceUnavailableError
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon_registry.adapters.catalog import SqlCatalog
from gnomon_registry.adapters.database import Database as RegistryDatabase
from gnomon_registry.adapters.prometheus import CatalogNumbers, PrometheusObserver
from gnomon_registry.domain.observing import ObservedCatalog
from gnomon_registry.domain.ports import CatalogSizes
from tests.registry import bundles
from tests.registry.hooking import created, hooked
from tests.registry.receiver import receiving
from tests.registry.running import error_of, registry, until
from tests.rpc.telemetry_pages import look

ROOT = Path(__file__).parents[2]
WATCHED = {"metrics_listen": "127.0.0.1:0"}
CANARY = "canary7f3a"


async def page_of(caller):
    return await look(caller.app._telemetry.page.address)


async def test_the_catalog_is_counted_where_it_stands(tmp_path):
    async with registry(tmp_path, **WATCHED) as caller:
        await caller.metric("tox", description=CANARY, judge_prompt=CANARY)
        await caller.version("tox")
        await caller.version("tox")
        await caller.alias("production", 1)
        await caller.DeleteMetricVersion(rpc.DeleteMetricVersionRequest(name="metrics/tox/versions/2"))
        page = await page_of(caller)

    def value(name, **labels):
        return page.value(f"gnomon_registry_{name}", **labels)

    assert (value("metrics"), value("versions"), value("aliases"), value("projects")) == (1, 1, 1, 0)
    assert value("versions_published_total") == 2
    assert value("changes_total") >= 4
    assert value("database_up") == 1
    assert value("writes_total", outcome="done") >= 5
    assert value("write_seconds_count") >= 5
    assert value("feed_age_seconds") < 60
    assert value("free_bytes", folder="artifacts") > 0
    assert value("free_bytes", folder="database") > 0
    assert CANARY not in page.text


async def test_blobs_are_counted_by_bytes_in_and_out(tmp_path):
    content = b"x" * 200_000
    async with registry(tmp_path, **WATCHED) as caller:
        await caller.upload(content)
        wrong = await error_of(caller.stub.UploadBlob(iter([rpc.UploadBlobRequest(
            sha256=bundles.sha256(b"y"), size_bytes=1, content=b"z")])))  # fmt: skip
        call = caller.stub.DownloadBlob(rpc.DownloadBlobRequest(sha256=bundles.sha256(content)))
        assert sum([len(part.content) async for part in call]) == len(content)
        page = await page_of(caller)

    assert wrong.reason == "BLOB_DIGEST_MISMATCH"
    assert page.value("gnomon_registry_blob_received_bytes_total") >= len(content)
    assert page.value("gnomon_registry_blob_sent_bytes_total") == len(content)
    assert page.value("gnomon_registry_blobs_stored_total") == 1


async def test_receivers_that_took_a_change_are_told_from_those_that_did_not(tmp_path):
    async with (
        receiving(next=["410 Gone"]) as gone,
        receiving() as well,
        hooked(tmp_path, gone, well, **WATCHED) as caller,
    ):
        await created(caller, gone.url, "gone")
        await created(caller, well.url, "well")
        await caller.version()
        await caller.version()
        await well.took(2)
        await gone.took(1)
        async with asyncio.timeout(20):
            while True:
                page = await page_of(caller)
                if page.value("gnomon_registry_webhooks_paused"):
                    break

    requests = {
        outcome: page.value("gnomon_registry_webhook_requests_total", outcome=outcome)
        for outcome in ("taken", "refused", "unanswered")
    }
    assert requests == {"taken": 2, "refused": 1, "unanswered": 0}
    assert page.value("gnomon_registry_webhook_request_seconds_count") == 3
    assert page.value("gnomon_registry_webhooks_paused") == 1
    assert page.value("gnomon_registry_webhook_deliveries_waiting") is not None


async def test_the_page_goes_on_while_the_database_is_busy(tmp_path):
    async with registry(tmp_path, **WATCHED, busy_timeout_s=0.1) as caller:
        other = sqlite3.connect(tmp_path / "registry.db")
        other.execute("BEGIN IMMEDIATE")
        error = await error_of(caller.metric("tox"))
        page = await page_of(caller)
        other.close()
        refused = await error_of(caller.metric("Not A Name"))

    assert isinstance(error, ServiceUnavailableError)
    assert page.value("gnomon_registry_database_up") == 1
    assert refused.reason


def test_writes_that_find_the_database_busy_are_counted(tmp_path):
    database = RegistryDatabase(f"sqlite:///{tmp_path / 'registry.db'}", busy_timeout_s=0.1)
    database.migrate()
    numbers = CollectorRegistry()
    catalog = ObservedCatalog(SqlCatalog(database, lambda: None), PrometheusObserver(numbers))
    other = sqlite3.connect(tmp_path / "registry.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServiceUnavailableError), catalog.writing():
        pass
    other.close()
    with catalog.writing():
        pass
    database.close()

    counted = [
        numbers.get_sample_value("gnomon_registry_writes_total", {"outcome": outcome})
        for outcome in ("busy", "done")
    ]
    assert counted == [1, 1]


async def test_a_watch_is_seen_while_it_is_open(tmp_path):
    method = "/gnomon.v1.RegistryService/WatchCatalog"
    async with registry(tmp_path, **WATCHED) as caller:
        call = caller.stub.WatchCatalog(rpc.WatchCatalogRequest())
        await call.read()
        during = await page_of(caller)
        call.cancel()
        await until(lambda: not caller.app._telemetry.watches[0]._in_flight.labels(method)._value.get())

    assert during.value("gnomon_rpc_calls_in_flight", method=method) == 1


def test_a_database_that_cannot_be_read_costs_the_page_only_its_own_numbers():
    def broken():
        raise ServiceUnavailableError("away")

    registry = CollectorRegistry()
    registry.register(CatalogNumbers(broken, lambda: 1.0, {"gone": Path("/nowhere")}, clock=lambda: 8.5))

    assert registry.get_sample_value("gnomon_registry_database_up") == 0
    assert registry.get_sample_value("gnomon_registry_feed_age_seconds") == 7.5
    assert registry.get_sample_value("gnomon_registry_metrics") is None


def families_of(text):
    return {
        re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"^(gnomon_\w+)", text, re.MULTILINE)
    }


async def test_every_metric_is_explained(tmp_path):
    async with registry(tmp_path, **WATCHED) as caller:
        page = await page_of(caller)
    told = set(re.findall(r"\bgnomon_registry_\w+", (ROOT / "docs/telemetry.md").read_text()))

    assert {name for name in families_of(page.text) if name.startswith("gnomon_registry_")} == told


def test_nothing_is_counted_twice_by_two_registries_in_a_process():
    first, second = CollectorRegistry(), CollectorRegistry()
    PrometheusObserver(first).stored()
    PrometheusObserver(second)

    assert first.get_sample_value("gnomon_registry_blobs_stored_total") == 1
    assert second.get_sample_value("gnomon_registry_blobs_stored_total") == 0


@pytest.mark.parametrize("sizes", [CatalogSizes(), CatalogSizes(1, 2, 3, 4, 5, 6)])
def test_an_empty_catalog_has_the_same_numbers_as_a_full_one(sizes):
    registry = CollectorRegistry()
    registry.register(CatalogNumbers(lambda: sizes, lambda: 0.0, {}))

    assert registry.get_sample_value("gnomon_registry_versions_published_total") == sizes.versions_published
