"""A scorer in a process of its own, beside a scripted registry in a thread of this one."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from gnomon.local import ServiceProcess
from tests.scorer.evaluators import make_bundle
from tests.scorer.serving import FakeRegistry


@pytest.fixture(scope="session")
def registry_address() -> Iterator[str]:
    """A registry with `toxicity`, whose `production` is version 1."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    fake = FakeRegistry()
    fake.register("toxicity/1", make_bundle(seed=1))
    fake.set_alias("toxicity/production", "toxicity/1")
    asyncio.run_coroutine_threadsafe(fake.start(), loop).result(10)
    yield fake.address
    asyncio.run_coroutine_threadsafe(fake.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="session")
def scorer_address(registry_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("scorer")
    settings = {"REGISTRY_ADDRESS": registry_address, "CACHE_DIR": str(home / "bundles")}
    process = ServiceProcess("scorer", home, {f"GNOMON_SCORER_{key}": v for key, v in settings.items()})
    try:
        process.start()
        process.wait_until_ready()
        yield process.address
    finally:
        process.stop()
