"""Fixtures of the trainer's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.trainer.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.trainer.fake_registry import FakeRegistry, fake_registry
from tests.trainer.labelling import firm
from tests.trainer.running import Trainer, trainer_at


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with fake_registry() as registry:
        yield registry


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    """A provider whose answers are sure of themselves."""
    async with fake_endpoint() as endpoint:
        endpoint.reply = firm
        yield endpoint


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry) -> AsyncIterator[Trainer]:
    """A trainer without workers: what is queued stays queued."""
    async with trainer_at(tmp_path, registry) as trainer:
        yield trainer
