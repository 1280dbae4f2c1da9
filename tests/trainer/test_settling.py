"""The trainer's look at its leases, which is to outlive whatever it meets."""

import asyncio
from pathlib import Path

import pytest

from gnomon.errors import ServiceUnavailableError
from gnomon_trainer.adapters.sql_runs import SqlRunStore
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import trainer_at


@pytest.mark.parametrize("trouble", [KeyError("nobody thought of this"), ServiceUnavailableError("Busy.")])
async def test_leases_are_looked_at_again_after_any_error(
    trouble: Exception, tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles, looked = [trouble], asyncio.Event()
    loop = asyncio.get_running_loop()

    def settle_cancelled(_store: SqlRunStore, _now: float) -> int:
        if troubles:
            raise troubles.pop()
        loop.call_soon_threadsafe(looked.set)
        return 0

    monkeypatch.setattr(SqlRunStore, "settle_cancelled", settle_cancelled)
    async with trainer_at(tmp_path, registry, lease_s=0.2), asyncio.timeout(10):
        await looked.wait()
