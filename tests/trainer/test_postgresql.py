"""A worker whose database server crashes again and again while it trains."""

import asyncio
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import State, trainer_at, two_sets
from tests.trainer.test_workers import steps


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_run_ends_once_and_no_step_is_lost_although_the_server_crashes(
    tmp_path: Path, registry: FakeRegistry, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_STEPS_LOG", str(tmp_path / "steps.log"))
    monkeypatch.setenv("TEST_STEP_S", "0.05")
    url = postgres_server.database()
    async with trainer_at(tmp_path, registry, workers=1, database_url=url) as trainer:
        await two_sets(trainer)
        await trainer.create_run(parameters={"epochs": 60})
        for step in (5, 15, 25, 35):
            async with asyncio.timeout(240):
                while not (tmp_path / "steps.log").exists() or len(steps(tmp_path)) < step:
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(postgres_server.restart)
        run = await trainer.until(State.REGISTERED)
        places = trainer.app.runs.points(run.operation.rpartition("/")[2])

    assert [step for _, step in steps(tmp_path)] == list(range(1, 61))
    assert [point.step for _, point in places] == list(range(1, 61))
    assert len(registry.versions) == 1
    assert run.attempts >= 1
    postgres_server.drop(url)
