import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gnomon.cli.main import main
from tests.cli.fake_services import FakeServices, RunningFake


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Gnomon = Callable[..., Ran]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningFake]:
    with RunningFake() as fake:
        yield fake


@pytest.fixture
def fake(running: RunningFake) -> FakeServices:
    """The services' memory, empty."""
    running.services.__init__()  # type: ignore[misc]
    return running.services


@pytest.fixture
def gnomon(
    running: RunningFake,
    fake: FakeServices,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Gnomon:
    """Run one command line against the fake services."""
    for service in ("REGISTRY", "TRAINER", "SCORER"):
        monkeypatch.setenv(f"GNOMON_{service}_ADDRESS", running.address)

    def run(*words: str) -> Ran:
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run
