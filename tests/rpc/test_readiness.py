"""Whether a service can do its job is asked again and again."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gnomon_rpc.readiness import Readiness


class Things:
    """What a service depends on, broken and mended by a test."""

    def __init__(self):
        self.broken = {}
        self.told = []

    def check(self, name):
        async def check():
            if name in self.broken:
                raise self.broken[name]

        return check

    async def tell(self, ready):
        self.told.append(ready)

    def readiness(self, *names, **settings):
        return Readiness(
            {name: self.check(name) for name in names}, self.tell, settings.pop("every_s", 0.01), **settings
        )


@pytest.fixture
def things():
    return Things()


async def test_a_service_is_ready_again_once_what_it_needs_is_back(things):
    readiness = things.readiness("database", "artifacts")
    await readiness.look()
    things.broken["database"] = OSError("gone")
    await readiness.look()
    await readiness.look()
    things.broken.clear()
    await readiness.look()

    assert things.told == [True, False, True]


async def test_the_log_names_what_fails_once_and_quotes_nothing(things):
    readiness = things.readiness("database")
    with capture_logs() as logs:
        things.broken["database"] = ValueError("a user's secret")
        await readiness.look()
        await readiness.look()
        things.broken.clear()
        await readiness.look()

    assert [(line["event"], line["check"]) for line in logs if "check" in line] == [
        ("cannot do its job", "database"),
        ("can do its job again", "database"),
    ]
    assert "secret" not in str(logs)


async def test_a_check_that_hangs_has_failed(things):
    async def hang():
        await asyncio.sleep(60)

    readiness = Readiness({"database": hang}, things.tell, 1.0, patience_s=0.01)
    await readiness.look()

    assert things.told == [False]


async def test_it_looks_until_it_is_stopped(things):
    readiness = things.readiness("database")
    readiness.start()
    while not things.told:
        await asyncio.sleep(0.001)
    things.broken["database"] = OSError()
    while things.told != [True, False]:
        await asyncio.sleep(0.001)
    await readiness.stop()
    things.broken.clear()
    await asyncio.sleep(0.05)

    assert things.told == [True, False]
