import pytest

from tests.registry.running import registry


@pytest.fixture
async def caller(tmp_path):
    """A caller of a registry that has one boolean metric, `tox`."""
    async with registry(tmp_path) as caller:
        await caller.metric("tox")
        yield caller
