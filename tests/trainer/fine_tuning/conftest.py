from pathlib import Path

import pytest

from gnomon_trainer.domain.training import Trained
from tests.trainer.fine_tuning import tiny


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_base_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def undisturbed(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, tiny.Recorder]:
    """A boolean training that nothing happened to, with what it reported."""
    recorder = tiny.Recorder()
    work = tmp_path_factory.mktemp("undisturbed")
    return tiny.train(base_model, work, tiny.plan(), recorder), recorder
