"""Lanes, failures, cancellation: the shell around the decision."""

import asyncio
import contextlib
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import (
    DeadlineExceededError,
    EvaluatorFailedError,
    OverloadedError,
    VersionUnloadableError,
)
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.observing import Silent
from gnomon_scorer.domain.ports import BatchLimits
from gnomon_scorer.domain.scheduler import Ran, Scheduler
from gnomon_scorer.domain.stations import Cores
from tests.scorer.fakes import FakeBackend, Gate, loaded_version, tokens, until

POISON = 13


@contextlib.asynccontextmanager
async def running(cores=1, max_queued_tokens=10_000, broken=lambda *_: None, background=0, observer=None):
    with ThreadPoolExecutor(cores) as threads, ThreadPoolExecutor(background or 1) as others:
        scheduler = Scheduler(
            Cores(cores, threads),
            max_queued_tokens,
            broken,
            background=Cores(background, others, background=True) if background else None,
            observer=observer,
        )
        try:
            yield scheduler
        finally:
            await scheduler.stop()


def fails_on_poison(batch):
    if any(POISON in one.ids for one in batch):
        raise RuntimeError("bad index")


def nan_on_poison(batch):
    return [[math.nan if POISON in one.ids else float(sum(one.ids)), float(len(one.ids))] for one in batch]


def inf_on_poison(batch):
    return [[math.inf if POISON in one.ids else float(sum(one.ids)), float(len(one))] for one in batch]


def logits(outcomes):
    return [outcome.logits[0] if isinstance(outcome, Ran) else type(outcome) for outcome in outcomes]


async def test_each_entry_gets_its_own_logits_in_order():
    version = loaded_version(FakeBackend())
    async with running() as scheduler:
        outcomes = await scheduler.score([(version, tokens(i, i)) for i in range(10)], None)

    assert logits(outcomes) == [2.0 * i for i in range(10)]


async def test_load_makes_batches_and_idleness_does_not():
    gate = Gate()
    backend = FakeBackend(gate)
    version = loaded_version(backend)
    async with running() as scheduler:
        first = asyncio.create_task(scheduler.score([(version, tokens(1))], None))
        await until(gate.entered.is_set)
        others = [asyncio.create_task(scheduler.score([(version, tokens(i))], None)) for i in range(20)]
        await until(lambda: scheduler.queued_tokens == 20)
        gate.open()
        await asyncio.gather(first, *others)

    assert [len(batch) for batch in backend.batches] == [1, 20]


async def test_calls_run_beside_each_other():
    gate = Gate()
    backend = FakeBackend(gate, limits=BatchLimits(64, max_instances=1))
    version = loaded_version(backend)
    async with running(cores=2) as scheduler:
        call = asyncio.create_task(scheduler.score([(version, tokens(i)) for i in range(2)], None))
        await until(lambda: len(backend.batches) == 2)
        gate.open()
        await call


async def test_a_core_takes_its_next_batch_while_the_event_loop_is_busy():
    gate, both_ran = Gate(), threading.Event()
    backend = FakeBackend(
        lambda batch: gate(batch) or (both_ran.set() if len(backend.batches) == 2 else None),
        limits=BatchLimits(64, max_instances=1),
    )
    version = loaded_version(backend)
    async with running() as scheduler:
        call = asyncio.create_task(scheduler.score([(version, tokens(i)) for i in range(2)], None))
        await until(gate.entered.is_set)
        gate.open()
        assert both_ran.wait(timeout=30)  # holds the event loop up
        await call


@pytest.mark.parametrize("leaver", [0, 1, 2])
async def test_a_caller_who_leaves_hurts_no_one_and_is_not_run(leaver):
    gate = Gate()
    backend = FakeBackend(gate)
    version = loaded_version(backend)
    async with running() as scheduler:
        busy = asyncio.create_task(scheduler.score([(version, tokens(99))], None))
        await until(gate.entered.is_set)
        calls = [asyncio.create_task(scheduler.score([(version, tokens(i))], None)) for i in range(3)]
        await until(lambda: scheduler.queued_tokens == 3)
        calls[leaver].cancel()
        await until(lambda: scheduler.queued_tokens == 2)
        gate.open()
        results = await asyncio.gather(*calls, return_exceptions=True)
        await busy

    assert [logits(r) for i, r in enumerate(results) if i != leaver] == [
        [float(i)] for i in range(3) if i != leaver
    ]
    assert isinstance(results[leaver], asyncio.CancelledError)
    assert all(one.ids != (leaver,) for batch in backend.batches for one in batch)


@pytest.mark.parametrize("behave", [fails_on_poison, nan_on_poison, inf_on_poison])
@pytest.mark.parametrize("place", [0, 3, 6])
async def test_poison_stands_alone_wherever_it_is_in_the_batch(behave, place):
    version = loaded_version(FakeBackend(behave))
    ids = [1, 2, 3, 4, 5, 6]
    ids.insert(place, POISON)
    async with running() as scheduler:
        outcomes = await scheduler.score([(version, tokens(i)) for i in ids], None)
        after = await scheduler.score([(version, tokens(7))], None)

    assert logits(outcomes) == [EvaluatorFailedError if i == POISON else float(i) for i in ids]
    assert logits(after) == [7.0]


@pytest.mark.parametrize("wrong", [[], [[1.0]], [[1.0, 2.0, 3.0]] * 2, [[1.0, 2.0]] * 3])
async def test_output_of_the_wrong_shape_is_an_error(wrong):
    behave = lambda batch: wrong if any(POISON in one.ids for one in batch) else None  # noqa: E731
    version = loaded_version(FakeBackend(behave))
    async with running() as scheduler:
        outcomes = await scheduler.score([(version, tokens(POISON)), (version, tokens(2))], None)

    assert logits(outcomes) == [EvaluatorFailedError, 2.0]


async def test_a_version_that_fails_its_proof_is_given_up_and_all_who_wait_for_it_are_told():
    told = []
    died = False

    def dies(batch):
        nonlocal died
        died = died or any(POISON in one.ids for one in batch)
        if died:
            raise RuntimeError("the device is gone")

    gate = Gate()
    dead, alive = loaded_version(FakeBackend(dies)), loaded_version(FakeBackend(gate), "toxicity/2")
    async with running(broken=lambda version, error: told.append((version, error))) as scheduler:
        held = asyncio.create_task(scheduler.score([(alive, tokens(1))], None))
        await until(gate.entered.is_set)
        calls = [
            asyncio.create_task(scheduler.score([(dead, tokens(*[i] * length))], None))
            for i, length in ((POISON, 2), (1, 2), (2, 60))  # two in the batch, one still waiting
        ]
        await until(lambda: scheduler.queued_tokens == 64)
        gate.open()
        outcomes = await asyncio.gather(*calls)
        await held
        fine = await scheduler.score([(alive, tokens(5))], None)

    assert [logits(outcome) for outcome in outcomes] == [[VersionUnloadableError]] * 3
    assert [version for version, _ in told] == [dead]
    assert logits(fine) == [5.0]


async def test_a_full_queue_turns_callers_away_with_a_time_to_come_back():
    gate = Gate()
    version = loaded_version(FakeBackend(gate))
    async with running(max_queued_tokens=10) as scheduler:
        busy = asyncio.create_task(scheduler.score([(version, tokens(1))], None))
        await until(gate.entered.is_set)
        queued = asyncio.create_task(scheduler.score([(version, tokens(*range(8)))], None))
        await until(lambda: scheduler.queued_tokens == 8)

        with pytest.raises(OverloadedError) as refusal:
            await scheduler.score([(version, tokens(1, 2, 3))], None)
        gate.open()
        await asyncio.gather(busy, queued)

        assert refusal.value.retry_after_s > 0
        assert refusal.value.metadata == {
            "why": "queue_full",
            "lane": "ONLINE",
            "queued_tokens": "8",
            "max_queued_tokens": "10",
        }


async def test_bulk_work_has_a_queue_and_cores_of_its_own_where_it_can_give_way():
    gate = Gate()
    backend = FakeBackend(lambda batch: gate(batch) if len(batch[0]) > 1 else None)
    version = loaded_version(backend)
    async with running(max_queued_tokens=4, background=1) as scheduler:
        bulk = [
            asyncio.create_task(scheduler.score([(version, tokens(1, i))], None, Lane.BULK)) for i in (1, 2)
        ]
        await until(gate.entered.is_set)
        urgent = await scheduler.score([(version, tokens(5))], None, Lane.GUARDRAIL)
        gate.open()
        await asyncio.gather(*bulk)

    assert logits(urgent) == [5.0]


async def test_bulk_work_shares_the_cores_where_it_cannot_give_way_and_comes_last():
    gate = Gate()
    backend = FakeBackend(gate, limits=BatchLimits(64, max_instances=1))
    version = loaded_version(backend)
    async with running() as scheduler:
        busy = asyncio.create_task(scheduler.score([(version, tokens(9))], None))
        await until(gate.entered.is_set)
        lanes = (Lane.BULK, Lane.ONLINE, Lane.GUARDRAIL)
        calls = [
            asyncio.create_task(scheduler.score([(version, tokens(lane))], None, lane)) for lane in lanes
        ]
        await until(lambda: scheduler.queued_tokens == 3)
        assert scheduler.queued_tokens_by_lane() == dict.fromkeys(Lane, 1)
        gate.open()
        await asyncio.gather(busy, *calls)

    assert [one.ids for batch in backend.batches for one in batch] == [(9,), (1,), (2,), (3,)]


async def test_what_cannot_be_answered_in_time_is_refused_before_it_waits():
    gate = Gate()
    backend = FakeBackend(gate)
    version = loaded_version(backend)
    async with running() as scheduler:
        busy = asyncio.create_task(scheduler.score([(version, tokens(*range(60)))], None))
        await until(gate.entered.is_set)
        waits = asyncio.create_task(scheduler.score([(version, tokens(*range(5000)))], None))
        await until(lambda: scheduler.queued_tokens == 5000)
        for ask in (
            lambda deadline: scheduler.score([(version, tokens(1))], deadline),
            lambda deadline: asyncio.sleep(0, scheduler.expect(deadline, Lane.ONLINE, "")),
        ):
            with pytest.raises(OverloadedError) as refusal:
                await ask(time.monotonic() + 0.1)
            assert refusal.value.metadata["why"] == "too_late"
        assert scheduler.predicted_drain_s > 0.1
        gate.open()
        await asyncio.gather(busy, waits)


async def test_the_observer_hears_of_all_that_happens_to_an_entry():
    heard = Heard()
    gate = Gate()
    version = loaded_version(FakeBackend(lambda batch: gate(batch) or nan_on_poison(batch)))
    async with running(observer=heard) as scheduler:
        busy = asyncio.create_task(scheduler.score([(version, tokens(1))], None))
        await until(gate.entered.is_set)
        leaver = asyncio.create_task(scheduler.score([(version, tokens(2))], None))
        await until(lambda: scheduler.queued_tokens == 1)
        leaver.cancel()
        with pytest.raises(DeadlineExceededError):
            await scheduler.score([(version, tokens(3))], time.monotonic() + 0.02)
        gate.open()
        await busy
        await scheduler.score([(version, tokens(POISON)), (version, tokens(4, 4))], None, Lane.GUARDRAIL)

    assert heard.dropped_for == ["cancelled", "expired", "poisonous"]
    assert heard.batches == [(1, 1, 1), (1, 2, 2)]
    assert heard.lanes == [Lane.ONLINE, Lane.GUARDRAIL]


class Heard(Silent):
    def __init__(self):
        self.dropped_for, self.batches, self.lanes = [], [], []

    def dropped(self, version, reason):
        self.dropped_for.append(reason)

    def ran(self, version, instances, tokens, padded_tokens, seconds):
        self.batches.append((instances, tokens, padded_tokens))

    def waited(self, version, lane, seconds):
        self.lanes.append(lane)


async def test_a_slow_version_does_not_make_a_fast_one_late():
    def crawl(batch):
        time.sleep(0.05)

    slow, fast = loaded_version(FakeBackend(crawl)), loaded_version(FakeBackend(), "toxicity/2")
    async with running() as scheduler:
        for _ in range(5):
            await scheduler.score([(slow, tokens(1))], None)
        for _ in range(10):
            deadline = time.monotonic() + 2.0
            outcomes = await scheduler.score([(fast, tokens(*range(100)))], deadline)
            assert isinstance(outcomes[0], Ran)


async def test_a_call_larger_than_the_queue_is_taken_when_nothing_waits():
    version = loaded_version(FakeBackend())
    async with running(max_queued_tokens=2) as scheduler:
        outcomes = await scheduler.score([(version, tokens(1, 2, 3))], None)

    assert logits(outcomes) == [6.0]


async def test_who_waits_past_the_deadline_is_told_and_never_run():
    gate = Gate()
    backend = FakeBackend(gate)
    version = loaded_version(backend)
    async with running() as scheduler:
        busy = asyncio.create_task(scheduler.score([(version, tokens(1))], None))
        await until(gate.entered.is_set)
        with pytest.raises(DeadlineExceededError):
            await scheduler.score([(version, tokens(2))], time.monotonic() + 0.02)
        gate.open()
        await busy

    assert [len(batch) for batch in backend.batches] == [1]


async def test_a_version_in_use_is_closed_after_its_last_batch():
    gate = Gate()
    backend = FakeBackend(gate)
    version = loaded_version(backend)
    async with running() as scheduler:
        call = asyncio.create_task(scheduler.score([(version, tokens(1))], None))
        await until(gate.entered.is_set)
        call.cancel()
        version.close()
        assert not backend.is_closed
        gate.open()
        await until(lambda: backend.is_closed)


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=8), max_size=6),
    st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_every_entry_is_answered_once_whatever_the_mix(calls, cores):
    async def scenario():
        version = loaded_version(FakeBackend(fails_on_poison))
        async with running(cores) as scheduler:
            return await asyncio.gather(
                *(
                    scheduler.score([(version, tokens(*[i] * length)) for i, length in call], None)
                    for call in calls
                )
            )

    for call, outcomes in zip(calls, asyncio.run(scenario()), strict=True):
        want = [EvaluatorFailedError if i == POISON else float(i * length) for i, length in call]
        assert logits(outcomes) == want
