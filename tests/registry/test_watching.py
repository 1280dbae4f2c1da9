import asyncio
import contextlib
import dataclasses

import pytest

from gnomon.errors import ServiceUnavailableError
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon_registry.domain.watching import LiveVersion, Mark, Watching
from tests.registry.fakes import FakeCatalog, FakeFeed
from tests.registry.running import error_of, registry, until
from tests.registry.test_catalog_contract import alias, change, metric, version

Kind = rpc.WatchCatalogResponse.Kind


def short(event):
    """Return an event as a few words: `ALIAS_SET production 2`."""
    parts = [Kind.Name(event.kind), event.alias, event.metric_version]
    return " ".join(part.rpartition("/")[2] for part in parts if part)


class Watcher:
    def __init__(self, caller):
        self._call = caller.WatchCatalog(rpc.WatchCatalogRequest())

    async def next(self):
        async with asyncio.timeout(20):
            return short(await self._call.read())

    async def snapshot(self):
        return await self.until("SNAPSHOT_COMPLETE")

    async def until(self, last):
        events = []
        while last not in events:
            events.append(await self.next())
        return events[:-1]

    def leave(self):
        self._call.cancel()


def delete(caller, number):
    return caller.DeleteMetricVersion(rpc.DeleteMetricVersionRequest(name=f"metrics/tox/versions/{number}"))


async def test_a_watch_begins_with_what_is_there(caller):
    for _ in range(3):
        await caller.version()
    await caller.alias("production", 1)
    await caller.alias("shadow", 3)
    await delete(caller, 2)

    assert await Watcher(caller).snapshot() == [
        "VERSION_CREATED 1",
        "VERSION_CREATED 3",
        "ALIAS_SET production 1",
        "ALIAS_SET shadow 3",
    ]


async def test_every_change_is_told_in_order(caller):
    watcher = Watcher(caller)
    await watcher.snapshot()
    await caller.version()
    await caller.version()
    await caller.alias("production", 1)
    await caller.alias("production", 1)
    await caller.alias("production", 2)
    await caller.alias("production", 2, protected=True)
    name = "metrics/tox/aliases/production"
    await caller.DeleteAlias(rpc.DeleteAliasRequest(name=name, allow_protected=True))
    await delete(caller, 1)
    await caller.UndeleteMetricVersion(rpc.UndeleteMetricVersionRequest(name="metrics/tox/versions/1"))

    assert [await watcher.next() for _ in range(7)] == [
        "VERSION_CREATED 1",
        "VERSION_CREATED 2",
        "ALIAS_SET production 1",
        "ALIAS_SET production 2",
        "ALIAS_DELETED production",
        "VERSION_DELETED 1",
        "VERSION_CREATED 1",
    ]


async def test_a_change_of_this_process_does_not_wait_for_the_next_look(tmp_path):
    async with registry(tmp_path, poll_s=3600.0) as caller:
        await caller.metric()
        watcher = Watcher(caller)
        await watcher.snapshot()
        await caller.version()

        assert await watcher.next() == "VERSION_CREATED 1"


async def test_a_change_of_another_process_is_told_too(tmp_path):
    async with registry(tmp_path) as writer, registry(tmp_path) as reader:
        await writer.metric()
        watcher = Watcher(reader)
        await watcher.snapshot()
        await writer.version()
        await writer.alias("production", 1)

        assert [await watcher.next() for _ in range(2)] == ["VERSION_CREATED 1", "ALIAS_SET production 1"]


async def test_a_quiet_watch_says_that_it_lives(tmp_path):
    async with registry(tmp_path, heartbeat_s=0.05) as caller:
        watcher = Watcher(caller)
        await watcher.snapshot()

        assert [await watcher.next() for _ in range(2)] == ["HEARTBEAT"] * 2


async def test_nothing_is_lost_whenever_a_watch_begins(caller):
    await caller.version()
    await caller.version()
    done = asyncio.Event()
    pointed = []

    async def move():
        for i in range(60):
            alias = await caller.alias("production", 1 + i % 2)
            pointed.append(alias.metric_version.rpartition("/")[2])
        done.set()

    async def watch(delay_s):
        await asyncio.sleep(delay_s)
        watcher = Watcher(caller)
        seen = [event.split()[-1] for event in await watcher.snapshot() if "ALIAS_SET" in event]
        await done.wait()
        await caller.alias("end", 1)
        events = await watcher.until("ALIAS_SET end 1")
        watcher.leave()
        return seen + [event.split()[-1] for event in events if "production" in event]

    *watched, _ = await asyncio.gather(*(watch(i * 0.02) for i in range(10)), move())
    for seen in watched:  # each saw the end of the story from where it came in
        assert seen == pointed[len(pointed) - len(seen) :]


async def test_a_hundred_watchers_hear_the_same(caller):
    await caller.version()
    watchers = [Watcher(caller) for _ in range(100)]
    await asyncio.gather(*(watcher.snapshot() for watcher in watchers))
    async with asyncio.timeout(20):  # watches leave room for other calls of the same connection
        for i in range(5):
            await caller.alias(f"a{i}", 1)
    heard = await asyncio.gather(*(watcher.until("ALIAS_SET a4 1") for watcher in watchers))

    assert heard == [[f"ALIAS_SET a{i} 1" for i in range(4)]] * 100


async def test_a_watcher_who_does_not_read_holds_nobody_up(caller):
    await caller.version()
    await caller.version()
    slow, quick = Watcher(caller), Watcher(caller)
    await quick.snapshot()
    for i in range(100):
        await caller.alias("production", 1 + i % 2)
    await caller.alias("end", 1)

    assert len(await quick.until("ALIAS_SET end 1")) == 100
    assert len([e for e in await slow.until("ALIAS_SET end 1") if "production" in e]) >= 1


async def test_watchers_who_leave_leave_nothing_behind(caller):
    before = len(asyncio.all_tasks())
    watchers = [Watcher(caller) for _ in range(20)]
    await asyncio.gather(*(watcher.snapshot() for watcher in watchers))
    for watcher in watchers:
        watcher.leave()
    await until(lambda: len(asyncio.all_tasks()) <= before + 2)


async def test_a_registry_that_stops_ends_its_watches_at_once(tmp_path):
    async with registry(tmp_path, grace_s=30.0) as caller:
        watcher = Watcher(caller)
        await watcher.snapshot()
        stopping = asyncio.create_task(caller.app.stop())
        error = await error_of(watcher.next())
        async with asyncio.timeout(10):
            await stopping

    assert isinstance(error, ServiceUnavailableError)
    assert error.retry_after_s


# --- the use case alone, with fakes


@pytest.fixture
def store():
    store = FakeCatalog()
    with store.writing() as catalog:
        catalog.put_metric(metric())
        catalog.add_version(version(1))
        catalog.put_alias(alias())
        catalog.log(change(1))
    return store


async def test_a_change_between_snapshot_and_stream_is_told_once(store):
    feed = FakeFeed()
    async with contextlib.aclosing(Watching(store, feed, 60.0).events()) as events:
        begun = [await anext(events)]
        with store.writing() as catalog:  # while the snapshot is still being sent
            catalog.log(change(2, old=1))
        await feed.move(2)
        begun += [await anext(events), await anext(events)]
        told = await anext(events)

    assert begun == [LiveVersion("m", 1), alias(), Mark.SNAPSHOT_COMPLETE]
    assert told == dataclasses.replace(change(2, old=1), id=2)


async def test_a_long_backlog_is_told_whole(store):
    feed = FakeFeed()
    async with contextlib.aclosing(Watching(store, feed, 60.0).events()) as events:
        for _ in range(3):
            await anext(events)
        with store.writing() as catalog:
            for number in range(1200):
                catalog.log(change(number))
        await feed.move(1201)
        numbers = [(await anext(events)).number for _ in range(1200)]

    assert numbers == list(range(1200))


async def test_silence_is_filled_with_heartbeats(store):
    async with contextlib.aclosing(Watching(store, FakeFeed(), 0.01).events()) as events:
        for _ in range(3):
            await anext(events)
        assert [await anext(events), await anext(events)] == [Mark.HEARTBEAT] * 2
