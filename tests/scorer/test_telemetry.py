"""What a scorer tells Prometheus, over the real wire."""

import asyncio
import itertools
import re
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
import structlog
from prometheus_client import CollectorRegistry

from gnomon.errors import EvaluatorFailedError, GnomonError, OverloadedError
from gnomon.local import ServiceProcess
from gnomon_scorer.adapters.prometheus import PrometheusObserver
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.observing import Observer, Silent
from gnomon_scorer.domain.versions import Slot, State
from tests.rpc.telemetry_pages import Page, look, read_text
from tests.scorer.evaluators import make_bundle
from tests.scorer.fakes import Gate, until, version_name
from tests.scorer.serving import Caller, HeldRuntime, error_of, scoring

ROOT = Path(__file__).parents[2]
V1 = "metrics/toxicity/versions/1"
V2 = "metrics/toxicity/versions/2"
CANARY = "canary7f3a"
WATCHED = {"metrics_listen": "127.0.0.1:0", "cache_bytes": 0}


@pytest.fixture
def runtime():
    return HeldRuntime()


@pytest.fixture
async def watched(registry, runtime, tmp_path):
    """A ready scorer with metrics, and without a cache."""
    async with scoring(registry, tmp_path / "cache", runtime, **WATCHED) as caller:
        await caller.until_healthy()
        yield caller


async def page_of(caller: Caller) -> Page:
    assert caller.app.telemetry.page is not None
    return await look(caller.app.telemetry.page.address)


async def test_what_was_sent_is_what_is_counted(watched):
    await watched.score("toxicity/1", "good", "bad movie", "the movie is fine")
    await watched.score(["toxicity/1", "toxicity/2"], "awful")
    page = await page_of(watched)

    def value(name, **labels):
        return page.value(f"gnomon_scorer_{name}", **labels)

    assert value("instances_total", metric_version=V1, lane="online") == 4
    assert value("instances_total", metric_version=V2, lane="online") == 1
    assert value("queue_seconds_count", metric_version=V1, lane="online") == 4
    assert value("batch_instances_sum", metric_version=V1) == 4
    words_and_specials = (1 + 2 + 4 + 1) + 2 * 4
    assert value("batch_tokens_sum", metric_version=V1) == words_and_specials
    assert value("batch_padded_tokens_total", metric_version=V1) >= words_and_specials
    assert value("inference_seconds_count", metric_version=V1) == value(
        "batch_tokens_count", metric_version=V1
    )
    assert value("tokenization_seconds_count") == 2
    method = "/gnomon.v1.ScorerService/Score"
    assert page.value("gnomon_rpc_calls_total", method=method, code="OK") == 2


async def test_a_poisonous_instance_is_a_dropped_one(watched):
    response = await watched.score("toxicity/1", "good", "nanword")
    page = await page_of(watched)

    assert isinstance(error_of(response.results[1].outcomes[0]), EvaluatorFailedError)
    assert page.value("gnomon_scorer_dropped_total", metric_version=V1, reason="poisonous") == 1
    assert page.value("gnomon_scorer_dropped_total", metric_version=V1, reason="expired") == 0


async def test_what_waits_is_seen_by_lane_with_the_time_it_will_take(watched, runtime):
    gate = runtime.hold = Gate()
    first = asyncio.create_task(watched.score("toxicity/1", "good"))
    await until(gate.entered.is_set)
    second = asyncio.create_task(watched.score("toxicity/1", "good bad fine"))
    await until(lambda: watched.app.scheduler.queued_tokens)
    during = await page_of(watched)
    gate.open()
    await asyncio.gather(first, second)
    after = await page_of(watched)

    assert during.value("gnomon_scorer_queued_tokens", lane="online") == 5
    assert during.value("gnomon_scorer_queued_tokens", lane="bulk") == 0
    assert during.value("gnomon_scorer_predicted_drain_seconds") > 0
    assert after.value("gnomon_scorer_queued_tokens", lane="online") == 0
    assert after.value("gnomon_scorer_queue_seconds_count", metric_version=V1, lane="online") == 2


async def test_a_caller_who_leaves_while_waiting_is_counted_as_dropped(watched, runtime):
    gate = runtime.hold = Gate()
    first = asyncio.create_task(watched.score("toxicity/1", "good"))
    await until(gate.entered.is_set)
    second = asyncio.create_task(watched.score("toxicity/1", "good bad fine"))
    await until(lambda: watched.app.scheduler.queued_tokens)
    second.cancel()
    await until(lambda: not watched.app.scheduler.queued_tokens)
    gate.open()
    await first
    page = await page_of(watched)

    assert page.value("gnomon_scorer_dropped_total", metric_version=V1, reason="cancelled") == 1


async def test_a_request_that_is_turned_away_is_counted_and_not_logged(registry, runtime, tmp_path):
    async with scoring(registry, tmp_path / "cache", runtime, **WATCHED, max_queued_tokens=8) as caller:
        await caller.until_healthy()
        gate = runtime.hold = Gate()
        running = asyncio.create_task(caller.score("toxicity/1", "good"))
        await until(gate.entered.is_set)
        waiting = asyncio.create_task(caller.score("toxicity/1", "good bad fine"))
        await until(lambda: caller.app.scheduler.queued_tokens)
        with structlog.testing.capture_logs() as said:
            for _ in range(5):
                with pytest.raises(OverloadedError):
                    await caller.score("toxicity/1", "good bad fine the a")
        page = await page_of(caller)
        gate.open()
        await asyncio.gather(running, waiting)

    assert sum(
        page.value("gnomon_scorer_refused_total", **labels)
        for labels in page.labels("gnomon_scorer_refused_total")
    ) == page.value(
        "gnomon_rpc_calls_total", method="/gnomon.v1.ScorerService/Score", code="RESOURCE_EXHAUSTED"
    )
    assert page.value("gnomon_scorer_refused_total", reason="queue_full", lane="online") == 5
    assert {line["log_level"] for line in said} == {"debug"}


async def test_the_cache_tells_what_it_knew(registry, runtime, tmp_path):
    settings = WATCHED | {"cache_bytes": 1_000_000}
    async with scoring(registry, tmp_path / "cache", runtime, **settings) as caller:
        await caller.until_healthy()
        for _ in range(3):
            await caller.score("toxicity/1", "good")
        page = await page_of(caller)

    assert page.value("gnomon_scorer_cache_lookups_total", result="hit") == 2
    assert page.value("gnomon_scorer_cache_lookups_total", result="miss") == 1
    assert page.value("gnomon_scorer_instances_total", metric_version=V1, lane="online") == 1


async def test_versions_in_memory_are_shown_and_take_their_series_along(watched, registry):
    await watched.score(["toxicity/1", "toxicity/2"], "good")
    before = await page_of(watched)
    registry.delete("toxicity/2")
    await until(lambda: len(watched.app.versions.slots()) == 1)
    after = await page_of(watched)

    ready = {"state": "ready", "format": "onnx-fp32"}
    assert before.value("gnomon_scorer_version_state", metric_version=V2, **ready) == 1
    assert before.value("gnomon_scorer_version_memory_bytes", metric_version=V2) > 0
    assert before.value("gnomon_scorer_inference_seconds_count", metric_version=V2) == 1
    assert V2 in before.text
    assert V2 not in after.text
    assert after.value("gnomon_scorer_inference_seconds_count", metric_version=V1) == 1


async def test_a_version_that_comes_back_counts_from_nothing(watched):
    name = version_name("toxicity/2")
    await watched.score("toxicity/2", "good", "bad")
    watched.app.versions.unload(name)
    without = await page_of(watched)
    await watched.score("toxicity/2", "good")
    page = await page_of(watched)

    assert without.value("gnomon_scorer_instances_total", metric_version=V2, lane="online") is None
    assert page.value("gnomon_scorer_instances_total", metric_version=V2, lane="online") == 1


async def test_a_version_that_cannot_be_loaded_is_shown_as_failed(watched, registry):
    registry.register("toxicity/3", make_bundle(model=b"no model"))
    with pytest.raises(GnomonError):
        await watched.score("toxicity/3", "good")
    page = await page_of(watched)

    failed = {"metric_version": "metrics/toxicity/versions/3", "state": "failed", "format": ""}
    assert page.value("gnomon_scorer_version_state", **failed) == 1


async def test_no_text_of_a_user_leaves_the_process(registry, tmp_path):
    environment = {
        "GNOMON_SCORER_REGISTRY_ADDRESS": registry.address,
        "GNOMON_SCORER_CACHE_DIR": str(tmp_path / "cache"),
        "GNOMON_SCORER_METRICS_LISTEN": "127.0.0.1:0",
        "GNOMON_SCORER_LOG_LEVEL": "debug",
    }
    process = ServiceProcess("scorer", tmp_path, environment)
    try:
        address = await asyncio.to_thread(process.start)
        async with grpc.aio.insecure_channel(address) as channel:
            caller = Caller(None, channel)
            await caller.until_healthy()
            response = await caller.score(
                ["toxicity/1", "toxicity/99"],
                CANARY,
                f"{CANARY} nanword",
                f"crash {CANARY}",
                f"good {CANARY}",
            )
        log = process.log_path.read_text()
        text = await read_text(re.search(r'"address": "([^"]+)", "event": "serving metrics"', log)[1])
        log = process.log_path.read_text()
    finally:
        await asyncio.to_thread(process.stop)

    assert [one.outcomes[0].WhichOneof("outcome") for one in response.results] == [
        "score",
        "error",
        "error",
        "score",
    ]
    assert "a batch failed" in log
    assert Page(text).value("gnomon_scorer_dropped_total", metric_version=V1, reason="poisonous") == 2
    assert CANARY not in text
    assert CANARY not in log


def test_every_reason_and_lane_is_there_from_the_start():
    registry = CollectorRegistry()
    observer: Observer = PrometheusObserver(registry)
    observer.waited(version_name("toxicity/1"), Lane.BULK, 0.1)

    for reason, lane in itertools.product(
        ("queue_full", "too_late", "unfair_share"), ("guardrail", "online", "bulk")
    ):
        labels = {"reason": reason, "lane": lane}
        assert registry.get_sample_value("gnomon_scorer_refused_total", labels) == 0
    for reason in ("expired", "cancelled", "poisonous", "broken"):
        labels = {"metric_version": V1, "reason": reason}
        assert registry.get_sample_value("gnomon_scorer_dropped_total", labels) == 0


class Idle:
    predicted_drain_s = 0.0

    def queued_tokens_by_lane(self):
        return {}


def test_versions_that_come_and_go_leave_nothing_behind():
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)

    def series():
        return sum(len(family.samples) for family in registry.collect())

    for number in range(1, 101):
        name = version_name(f"toxicity/{number}")
        for lane in Lane:
            observer.waited(name, lane, 0.01)
        observer.ran(name, 1, 10, 10, 0.01)
        observer.dropped(name, "expired")
        observer.refresh(Idle(), {name: Slot(State.READY)}, {name: 100})
        if number == 1:
            one = series()

    assert series() == one


@pytest.mark.parametrize("make", [lambda: PrometheusObserver(CollectorRegistry()), Silent])
def test_every_observer_takes_all_that_happens(make):
    observer: Observer = make()
    name = version_name("toxicity/1")

    observer.tokenized(3, 0.001)
    observer.ran(name, 3, 30, 36, 0.01)
    for lane in Lane:
        observer.waited(name, lane, 0.01)
        for reason in ("queue_full", "too_late", "unfair_share", "a new one"):
            observer.refused(reason, lane)
    for reason in ("expired", "cancelled", "poisonous", "broken", "a new one"):
        observer.dropped(name, reason)
    observer.looked_up(True)
    observer.looked_up(False)


NAME = re.compile(r"\b(?:gnomon|process)_[a-z0-9_]+\b")


async def test_every_metric_is_explained(watched):
    await watched.score("toxicity/1", "good")
    page = await page_of(watched)
    told = set(NAME.findall((ROOT / "docs/telemetry.md").read_text()))
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in page.names}
    of_scorer = ("gnomon_scorer_", "gnomon_rpc_")

    assert {name for name in families if name.startswith("gnomon_")} == {
        name for name in told if name.startswith(of_scorer)
    }


def test_metrics_that_are_off_cost_no_import():
    code = "import sys, gnomon_scorer.wiring; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"prometheus_client", "opentelemetry"} & set(run.stdout.split())
