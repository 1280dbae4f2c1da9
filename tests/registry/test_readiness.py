"""The registry is ready while it can reach its database and its artifacts."""

import asyncio

from gnomon.health import ask
from tests.registry.running import registry

NAME = "gnomon.v1.RegistryService"


async def becomes(caller, state):
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(ask, caller.app.address, NAME)).state != state:
            await asyncio.sleep(0.02)


async def test_it_is_not_ready_while_its_artifacts_are_away(tmp_path):
    folder = tmp_path / "artifacts"
    async with registry(tmp_path, health_every_s=0.02) as caller:
        await caller.metric()
        await caller.version()
        await becomes(caller, "SERVING")
        folder.rename(tmp_path / "away")
        folder.write_text("not a folder")
        await becomes(caller, "NOT_SERVING")
        folder.unlink()
        (tmp_path / "away").rename(folder)
        await becomes(caller, "SERVING")


async def test_it_is_not_ready_while_its_database_is_damaged(tmp_path):
    async with registry(tmp_path, health_every_s=0.02) as caller:
        await becomes(caller, "SERVING")
        caller.app._database.check = lambda: 1 / 0
        await becomes(caller, "NOT_SERVING")
        del caller.app._database.check
        await becomes(caller, "SERVING")
