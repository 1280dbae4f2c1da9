"""What kills, restarts and several registries leave of deliveries: every event at least once, with one ID."""

import asyncio
import contextlib
import json
import random
from collections import defaultdict

import grpc
import pytest

from gnomon.local import ServiceProcess
from tests.registry import bundles
from tests.registry.hooking import created, deliveries
from tests.registry.receiver import MASTER_KEY, receiving
from tests.registry.running import Caller

SETTINGS = {
    "MASTER_KEY": MASTER_KEY,
    "WEBHOOK_TIMEOUT_S": "2",
    "BUSY_TIMEOUT_S": "1",
    "WEBHOOK_FIRST_RETRY_S": "0.05",
    "WEBHOOK_LONGEST_RETRY_S": "0.2",
    "POLL_S": "0.05",
    "GRACE_S": "5",
}


def a_registry(folder, receiver, name="one", **settings):
    data = folder / "data"
    wanted = {
        "DATABASE_URL": f"sqlite:///{data / 'registry.db'}",
        "ARTIFACT_URL": f"file://{data / 'artifacts'}",
        "ALLOWED_HOSTS": receiver.host,
        **SETTINGS,
        **settings,
    }
    environment = {f"GNOMON_REGISTRY_{key}": value for key, value in wanted.items()}
    return ServiceProcess("registry", folder / name, environment)


@contextlib.asynccontextmanager
async def calling(process):
    async with grpc.aio.insecure_channel(process.address) as channel:
        yield Caller(channel)


async def begin(process, receiver, **fields):
    """Start, make a metric with a version and a webhook."""
    await asyncio.to_thread(process.start)
    async with calling(process) as caller:
        await caller.metric()
        await caller.upload_all(bundles.files())
        await caller.version()
        await created(caller, receiver.url, **fields)


async def set_aliases(process, names, answered=None):
    """Point new aliases at version 1; return those whose change was answered, which grow meanwhile."""
    answered = [] if answered is None else answered
    async with calling(process) as caller:
        for name in names:
            try:
                await caller.alias(name, 1)
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.UNAVAILABLE
                break
            answered.append(f"metrics/tox/aliases/{name}")
    return answered


def by_alias(receiver):
    """Return the IDs under which the change of each alias came."""
    ids = defaultdict(list)
    for request in receiver.requests:
        ids[json.loads(request.body)["data"]["alias"]].append(request.id)
    return ids


async def until_all(receiver, aliases, timeout_s=60.0):
    async with asyncio.timeout(timeout_s):
        while not set(aliases) <= set(by_alias(receiver)):
            await asyncio.sleep(0.05)


async def until_none_waits(process):
    async with calling(process) as caller, asyncio.timeout(60):
        while await deliveries(caller, state="WAITING"):
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_kills_at_any_time_lose_no_event_and_change_no_id(seed, tmp_path):
    chance, wanted = random.Random(seed), []
    async with receiving(delay_s=0.02) as receiver:
        process = a_registry(tmp_path, receiver)
        try:
            await begin(process, receiver)
            for life in range(4):
                receiver.next = ["500 Oops"] * chance.randrange(3)
                answered, enough = [], chance.randrange(1, 12)
                names = [f"a-{life}-{number}" for number in range(40)]
                calls = asyncio.create_task(set_aliases(process, names, answered))
                async with asyncio.timeout(30):
                    while len(answered) < enough:
                        await asyncio.sleep(0.001)
                await asyncio.sleep(chance.uniform(0.0, 0.1))
                process.kill()
                wanted += await calls
                await asyncio.to_thread(process.start)
            await until_all(receiver, wanted)
            await until_none_waits(process)
        finally:
            process.stop()

    ids = by_alias(receiver)
    assert all(len(set(each)) == 1 for each in ids.values())
    assert len({each[0] for each in ids.values()}) == len(ids)
    assert set(wanted) <= set(ids)
    assert len(wanted) >= 4


async def test_an_undisturbed_registry_tells_of_everything_exactly_once(tmp_path):
    async with receiving() as receiver:
        process = a_registry(tmp_path, receiver)
        try:
            await begin(process, receiver)
            wanted = await set_aliases(process, [f"a-{number}" for number in range(60)])
            await until_all(receiver, wanted)
            await until_none_waits(process)
        finally:
            process.stop()
    assert sorted(by_alias(receiver)) == sorted(wanted)
    assert len(receiver.requests) == 60


@pytest.mark.slow
async def test_two_registries_on_one_database_tell_of_everything_exactly_once(tmp_path):
    async with receiving(delay_s=0.05) as receiver:
        one, two = (a_registry(tmp_path, receiver, name, BUSY_TIMEOUT_S="10") for name in ("one", "two"))
        try:
            await begin(one, receiver)
            await asyncio.to_thread(two.start)
            first, second = await asyncio.gather(
                set_aliases(one, [f"a-{number}" for number in range(30)]),
                set_aliases(two, [f"b-{number}" for number in range(30)]),
            )
            await until_all(receiver, first + second)
            await until_none_waits(two)
        finally:
            one.stop()
            two.stop()
    assert len(first + second) == 60
    assert len(receiver.requests) == 60


async def test_a_registry_that_is_told_to_stop_lets_requests_end_and_the_rest_is_sent_by_the_next(tmp_path):
    async with receiving(delay_s=0.8) as receiver:
        process = a_registry(tmp_path, receiver)
        try:
            await begin(process, receiver)
            wanted = await set_aliases(process, [f"a-{number}" for number in range(6)])
            await receiver.took(1)
            await asyncio.to_thread(process.stop)
            assert process.process.returncode == 0
            begun = len(receiver.requests)
            receiver.delay_s = 0.0
            await asyncio.to_thread(process.start)
            await until_all(receiver, wanted)
            await until_none_waits(process)
        finally:
            process.stop()
    assert 1 <= begun < 6
    assert len(receiver.requests) == 6  # what was under way was waited for, and not sent again


@pytest.mark.slow
async def test_receivers_that_are_away_do_not_hold_up_the_catalog_or_a_receiver_that_is_there(tmp_path):
    """Forty receivers hang for two seconds each; the one that answers has its events long before."""
    async with receiving(delay_s=30.0) as hanging, receiving() as well:
        hosts = {
            "ALLOWED_HOSTS": f"{hanging.host},{well.host}",
            "WEBHOOK_CONCURRENCY": "8",
            "BUSY_TIMEOUT_S": "10",
        }
        process = a_registry(tmp_path, hanging, **hosts)
        try:
            await begin(process, well)
            async with calling(process) as caller:
                for number in range(40):
                    await created(caller, f"{hanging.url}/{number}", f"hanging-{number}")
            for round_ in range(2):  # the first one finds out who hangs
                names = [f"a-{round_}-{number}" for number in range(10)]
                before = asyncio.get_running_loop().time()
                wanted = await set_aliases(process, names)
                assert len(wanted) == 10
                await until_all(well, wanted)
                took_s = asyncio.get_running_loop().time() - before
        finally:
            process.kill()
    # Each in its turn, the others would take 40 × 10 × 2 s / 8 = 100 s for the events of a round.
    assert took_s < 60
    assert hanging.requests
