from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.scorer.evaluators import make_bundle
from tests.scorer.serving import Caller, FakeRegistry, scoring


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    """A registry with `toxicity` in versions 1 and 2; `production` is 1."""
    fake = FakeRegistry()
    await fake.start()
    fake.register("toxicity/1", make_bundle(seed=1))
    fake.register("toxicity/2", make_bundle(seed=2))
    fake.set_alias("toxicity/production", "toxicity/1")
    yield fake
    await fake.stop()


@pytest.fixture
async def caller(registry: FakeRegistry, tmp_path: Path) -> AsyncIterator[Caller]:
    """A ready scorer of that registry."""
    async with scoring(registry, tmp_path / "cache") as one:
        await one.until_healthy()
        yield one
