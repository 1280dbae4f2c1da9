"""What a trainer tells Prometheus, over the real wire."""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gnomon.v1 import labellings_pb2
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.heavy_work import HeavyWork
from gnomon_trainer.adapters.prometheus import PrometheusObserver
from gnomon_trainer.adapters.work_numbers import WorkNumbers
from gnomon_trainer.domain.observing import Asked, Observer, Silent
from tests.rpc.telemetry_pages import Page, look
from tests.trainer.fake_endpoint import FakeEndpoint, failure
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.labelling import ended, labelled, labelling_trainer, upload_logs
from tests.trainer.running import Trainer, trainer_at, two_sets

ROOT = Path(__file__).parents[2]
WATCHED: dict[str, Any] = {"metrics_listen": "127.0.0.1:0"}


async def page_of(trainer: Trainer) -> Page:
    telemetry = trainer.app.server._telemetry
    assert telemetry is not None
    assert telemetry.page is not None
    return await look(telemetry.page.address)


def value(page: Page, name: str, **labels: str) -> float:
    found = page.value(f"gnomon_trainer_{name}", **labels)
    assert found is not None, name
    return found


async def test_runs_are_counted_by_state_and_the_queue_by_its_age(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, **WATCHED) as trainer:
        await two_sets(trainer)
        empty = await page_of(trainer)
        await trainer.create_run()
        await trainer.create_run(run_id="second")
        await asyncio.sleep(0.05)
        queued = await page_of(trainer)

    assert (value(empty, "runs", state="queued"), value(empty, "queue_age_seconds")) == (0, 0)
    assert value(queued, "runs", state="queued") == 2
    assert value(queued, "runs", state="registered") == 0
    assert value(queued, "queue_age_seconds") >= 0.05
    assert value(queued, "datasets") == 2
    assert value(queued, "upload_received_bytes_total") > 1_000
    assert value(queued, "workers") == 0
    assert value(queued, "free_bytes", folder="data") > 0
    assert value(queued, "database_up") == 1


@pytest.mark.slow
async def test_what_a_worker_does_is_seen_on_the_page_of_its_trainer_and_its_death_as_well(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_STEP_S", "0.3")
    async with trainer_at(tmp_path, registry, workers=1, lease_s=60.0, **WATCHED) as trainer:
        await two_sets(trainer)
        await trainer.create_run(parameters={"epochs": 40})
        await trainer.until_step(2)
        await page_of(trainer)
        await trainer.until_step(5)
        during = await page_of(trainer)
        [pid] = trainer.app.workers.pids.values()
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            while value(after := await page_of(trainer), "run_attempts_total") < 2:
                await asyncio.sleep(0.1)

    assert value(during, "runs", state="training") == 1
    assert 1 < value(during, "training_rows_per_second") < 32 / 0.3 * 3
    assert value(during, "workers") == 1
    assert (value(during, "run_attempts_total"), value(during, "runs_started_total")) == (1, 1)
    assert value(during, "workers_ended_total", reason="died") == 0
    assert value(after, "workers_ended_total", reason="died") == 1
    assert value(after, "leases_expired_total", kind="runs") == 1
    assert value(after, "runs_started_total") == 1


async def test_a_labelling_is_counted_with_its_answers_tokens_and_money(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    prices = labellings_pb2.JudgeBudget(input_price=1e6, output_price=2e6)
    async with labelling_trainer(tmp_path, registry, endpoint, **WATCHED) as trainer:
        await upload_logs(trainer, 4)
        endpoint.next = [failure("503 Busy")]
        await labelled(trainer, budget=prices)
        page = await page_of(trainer)

    assert value(page, "provider_calls_total", outcome="answered") == 4
    assert value(page, "provider_calls_total", outcome="unavailable") == 1
    assert value(page, "provider_calls_total", outcome="refused") == 0
    assert value(page, "provider_call_seconds_count") == 5
    assert value(page, "provider_wait_seconds_count") == 5
    assert value(page, "provider_tokens_total", direction="input") == 80
    assert value(page, "provider_tokens_total", direction="output") == 20
    assert value(page, "work", kind="labellings", state="done") == 1
    assert value(page, "work", kind="generations", state="working") == 0
    assert value(page, "work_tokens_total", kind="labellings", direction="input") == 80
    assert value(page, "work_cost_total", kind="labellings") == 80 + 2 * 20
    assert value(page, "lapsed_leases", kind="paid_work") == 0


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (failure("401 Unauthorized"), "refused"),
        ({"choices": [{"message": {"content": ""}}], "usage": {"prompt_tokens": 3}}, "unusable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope", "invalid"),
        (b"", "unavailable"),
    ],
)
async def test_what_a_provider_does_wrong_is_counted_by_kind(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, reply: Any, outcome: str
) -> None:
    endpoint.reply = lambda body: reply
    endpoint.closes_after = b""
    async with labelling_trainer(tmp_path, registry, endpoint, **WATCHED) as trainer:
        await trainer.stub.TestProvider(pb.TestProviderRequest(name="providers/main"))
        page = await page_of(trainer)

    assert value(page, "provider_calls_total", outcome=outcome) >= 1
    assert value(page, "provider_calls_total", outcome="answered") == 0


async def test_no_name_of_a_user_is_a_label(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint
) -> None:
    async with labelling_trainer(tmp_path, registry, endpoint, **WATCHED) as trainer:
        await trainer.upload(
            b'{"input": "canary7f3a", "output": "x"}\n' * 3, dataset_id="canary7f3a", unlabelled=True
        )
        await labelled(trainer, "canary7f3a", dataset="datasets/canary7f3a")
        await ended(trainer, "canary7f3a")
        page = await page_of(trainer)

    assert "canary7f3a" not in page.text
    assert "providers/" not in page.text


async def test_heavy_work_tells_who_runs_and_who_waits() -> None:
    heavy = HeavyWork(1)
    async with heavy:
        waiting = asyncio.create_task(heavy.acquire())
        leaving = asyncio.create_task(heavy.acquire())
        await asyncio.sleep(0)
        assert (heavy.running, heavy.waiting) == (1, 2)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert (heavy.running, heavy.waiting) == (1, 1)
    await waiting
    assert (heavy.running, heavy.waiting) == (1, 0)
    heavy.release()
    assert (heavy.running, heavy.waiting) == (0, 0)


def test_a_database_that_cannot_be_read_costs_the_page_only_its_own_numbers(tmp_path: Path) -> None:
    registry, database = CollectorRegistry(), Database(f"sqlite:///{tmp_path / 'empty.db'}")
    registry.register(WorkNumbers(database))

    assert registry.get_sample_value("gnomon_trainer_database_up") == 0
    assert registry.get_sample_value("gnomon_trainer_queue_age_seconds") is None
    database.close()


@pytest.mark.parametrize("make", [lambda: PrometheusObserver(CollectorRegistry()), Silent])
def test_every_observer_takes_all_that_happens(make: Any) -> None:
    observer: Observer = make()

    for outcome in Asked:
        observer.asked(outcome, 0.1)
    observer.billed(1, 2)
    observer.waited(0.1)
    observer.received(10)
    observer.worker_ended(stopped=True)
    observer.worker_ended(stopped=False)
    observer.lease_expired("runs", 1)
    observer.lease_expired("paid_work", 0)


async def test_every_metric_is_explained(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry, **WATCHED) as trainer:
        page = await page_of(trainer)
    told = set(re.findall(r"\bgnomon_trainer_\w+", (ROOT / "docs/telemetry.md").read_text()))
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in page.names}

    assert {name for name in families if name.startswith("gnomon_trainer_")} == told
