"""What operators do while callers call, and callers who leave by the thousand."""

import asyncio
import contextlib

import grpc
import pytest

import gnomon
from gnomon.local import ServiceProcess
from tests.scorer.evaluators import make_bundle
from tests.scorer.fakes import Gate, until
from tests.scorer.serving import HeldRuntime, scoring


def scorer_process(registry, folder, **settings):
    environment = {
        "GNOMON_SCORER_REGISTRY_ADDRESS": registry.address,
        "GNOMON_SCORER_CACHE_DIR": str(folder / "cache"),
        **{f"GNOMON_SCORER_{key.upper()}": str(value) for key, value in settings.items()},
    }
    return ServiceProcess("scorer", folder, environment)


@contextlib.asynccontextmanager
async def calling(address, callers=4):
    """Keep some clients scoring until the end; yield the answers, of which none may be an error."""
    answers = []
    stop = asyncio.Event()

    async def call():
        while not stop.is_set():
            async with gnomon.AsyncClient(scorer=address) as client:  # a new connection each time
                scores = [await client.score("toxicity", output="the movie is good") for _ in range(20)]
                answers.extend(scores)

    tasks = [asyncio.create_task(call()) for _ in range(callers)]
    try:
        yield answers
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def some_more(answers):
    before = len(answers)
    await until(lambda: len(answers) > before + 20)


@pytest.mark.slow
async def test_two_processes_on_one_port_are_restarted_one_after_the_other_and_no_call_fails(
    registry, tmp_path
):
    first, second = (
        scorer_process(registry, tmp_path / name, reuse_port=True, grace_s=5) for name in ("a", "b")
    )
    try:
        second.address = await asyncio.to_thread(first.start)
        await asyncio.to_thread(second.start)
        async with calling(first.address) as answers:
            for process in (first, second, first):
                await some_more(answers)
                await asyncio.to_thread(process.stop)
                await some_more(answers)
                await asyncio.to_thread(process.start)
    finally:
        for process in (first, second):
            process.kill()

    assert {answer.metric_version for answer in answers} == {"metrics/toxicity/versions/1"}


async def test_a_process_joins_a_shared_port_only_when_it_can_score(registry, tmp_path):
    waits = scorer_process(registry, tmp_path, reuse_port=True)
    await registry.stop()
    try:
        waits.spawn()
        await until(lambda: b"away" in waits.log_path.read_bytes())
        assert not waits._address_file.exists()
        await registry.start()
        await asyncio.to_thread(waits.wait_until_listening)

        async with gnomon.AsyncClient(scorer=waits.address) as client:
            assert (await client.score("toxicity", output="good")).label
    finally:
        await asyncio.to_thread(waits.stop)
    assert waits.process.returncode == 0


async def test_a_process_that_waits_for_the_registry_still_ends_at_sigterm(registry, tmp_path):
    await registry.stop()
    waits = scorer_process(registry, tmp_path, reuse_port=True)
    waits.spawn()
    await until(lambda: b"away" in waits.log_path.read_bytes())

    await asyncio.to_thread(waits.stop)

    assert waits.process.returncode == 0


@pytest.mark.slow
async def test_twenty_swaps_under_load_fail_no_call_and_every_answer_names_its_version(registry, tmp_path):
    for number in range(3, 23):
        registry.register(f"toxicity/{number}", make_bundle(seed=number))
    process = scorer_process(registry, tmp_path)
    try:
        address = await asyncio.to_thread(process.start)
        await asyncio.to_thread(process.wait_until_ready)
        async with calling(address) as answers:
            for number in range(3, 23):
                registry.set_alias("toxicity/production", f"toxicity/{number}")
                name = f"metrics/toxicity/versions/{number}"
                await until(lambda name=name: answers and answers[-1].metric_version == name)
        async with gnomon.AsyncClient(scorer=address) as client:
            kept = [one.metric_version async for one in client.loaded_versions()]
    finally:
        process.kill()

    served = [answer.metric_version for answer in answers]
    assert {f"metrics/toxicity/versions/{number}" for number in range(3, 23)} <= set(served)
    assert kept == ["metrics/toxicity/versions/22"]


@pytest.mark.parametrize("background", [False, True])
async def test_of_a_thousand_calls_that_were_cancelled_none_is_run(registry, tmp_path, background):
    runtime = HeldRuntime()
    runtime.gives_way = background
    # More at once than one connection may have open, unless told.
    async with scoring(registry, tmp_path / "cache", runtime, max_concurrent_streams=2000) as caller:
        await caller.until_healthy()
        gate = Gate()
        runtime.hold = gate
        first = asyncio.create_task(caller.score("toxicity/1", "good"))
        await until(gate.entered.is_set)
        runtime.batches.clear()
        calls = [asyncio.create_task(caller.score("toxicity/1", "the movie is bad")) for _ in range(1000)]
        stayed = asyncio.create_task(caller.score("toxicity/1", "the very fine movie"))
        scheduler = caller.app.scheduler
        await until(lambda: scheduler.queued_tokens == 1001 * 6)
        for call in calls:
            call.cancel()
        await until(lambda: scheduler.queued_tokens == 6)
        gate.open()
        left = await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.gather(first, stayed)

    assert all(isinstance(one, asyncio.CancelledError | grpc.aio.AioRpcError) for one in left)
    assert runtime.batches == [1, 1]
