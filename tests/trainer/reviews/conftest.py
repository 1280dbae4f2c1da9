"""A trainer with rows to review."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gnomon_trainer import wiring
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.reviews.reviewing import FakeProbe
from tests.trainer.running import Trainer, jsonl, labelled_rows, trainer_at


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> FakeProbe:
    probe = FakeProbe()
    monkeypatch.setattr(wiring, "ProcessProbe", lambda *_: probe)
    return probe


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, probe: FakeProbe) -> AsyncIterator[Trainer]:
    probe.places = [6, 3, 17]
    async with trainer_at(tmp_path, registry) as trainer:
        await trainer.upload(jsonl(labelled_rows(40)))
        yield trainer
