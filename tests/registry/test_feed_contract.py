"""What every change feed does: the one that a test moves, and the one that polls."""

import asyncio

import pytest

from gnomon.errors import ServiceUnavailableError
from gnomon_registry.adapters.feed import PolledFeed
from tests.registry.fakes import FakeFeed


class Polled:
    """A polled feed over a number, which `move` writes as this process would, `poll_s` as another."""

    def __init__(self, poll_s=60.0):
        self.newest = 0
        self.failures = 0
        self.looks = 0
        self.feed = PolledFeed(poll_s)
        self.feed.start(self._read)
        self.close = self.feed.close
        self.newest_beyond = self.feed.newest_beyond

    def _read(self):
        self.looks += 1
        if self.failures:
            self.failures -= 1
            raise OSError("cannot read")
        return self.newest

    async def move(self, newest):
        self.newest = newest
        await asyncio.to_thread(self.feed.wake)


@pytest.fixture(params=["fake", "polled"])
async def feed(request):
    feed = FakeFeed() if request.param == "fake" else Polled()
    yield feed
    await feed.close()


async def test_it_tells_at_once_what_is_newer_already(feed):
    await feed.move(3)
    assert await feed.newest_beyond(0, 10.0) == 3


async def test_it_waits_for_what_is_newer(feed):
    await feed.move(3)
    await feed.newest_beyond(0, 10.0)
    waiting = asyncio.create_task(feed.newest_beyond(3, 10.0))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await feed.move(4)

    assert await waiting == 4


async def test_it_gives_up_after_the_timeout(feed):
    assert await feed.newest_beyond(0, 0.01) == 0


async def test_all_who_wait_are_told(feed):
    waiting = [asyncio.create_task(feed.newest_beyond(0, 10.0)) for _ in range(50)]
    await asyncio.sleep(0)
    await feed.move(1)

    assert await asyncio.gather(*waiting) == [1] * 50


async def test_who_waits_is_told_that_the_service_goes_away(feed):
    waiting = asyncio.create_task(feed.newest_beyond(0, 10.0))
    await asyncio.sleep(0.01)
    await feed.close()

    with pytest.raises(ServiceUnavailableError):
        await waiting


async def test_what_another_process_writes_is_found_by_looking():
    feed = Polled(poll_s=0.01)
    waiting = asyncio.create_task(feed.newest_beyond(0, 10.0))
    await asyncio.sleep(0.03)
    feed.newest = 1

    assert await waiting == 1
    await feed.close()


async def test_a_look_that_fails_is_followed_by_another():
    feed = Polled(poll_s=0.01)
    feed.failures = 3
    feed.newest = 1

    assert await feed.newest_beyond(0, 10.0) == 1
    await feed.close()


async def test_who_waits_costs_no_looks():
    feed = Polled(poll_s=60.0)
    await asyncio.gather(*(feed.newest_beyond(0, 0.05) for _ in range(100)))

    assert feed.looks <= 2
    await feed.close()
