"""The scorer as a process: what it imports, how it starts and ends."""

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from gnomon.local import ServiceProcess, is_ready
from gnomon_scorer.settings import ScorerSettings


def test_nothing_heavy_is_imported():
    code = "import sys, gnomon_scorer.wiring; print(*sorted(name.partition('.')[0] for name in sys.modules))"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    heavy = {
        "torch",
        "transformers",
        "sqlalchemy",
        "pandas",
        "sklearn",
        "scipy",
        "onnx",
        "onnxscript",
        "alembic",
    }
    assert not heavy & set(run.stdout.split())


def test_a_process_starts_without_a_registry_and_ends_at_sigterm(tmp_path):
    environment = {
        "GNOMON_SCORER_REGISTRY_ADDRESS": "127.0.0.1:1",
        "GNOMON_SCORER_CACHE_DIR": str(tmp_path / "cache"),
    }
    process = ServiceProcess("scorer", tmp_path, environment)
    address = process.start()

    assert not is_ready(address, "gnomon.v1.ScorerService")
    process.stop()
    assert process.process is not None
    assert process.process.returncode == 0
    assert "Traceback" not in process.log_path.read_text()


@pytest.mark.parametrize(("name", "value"), [("THREADS", "0"), ("BATCH_TOKENS", "x"), ("LOAD_WAIT_S", "-1")])
def test_wrong_settings_are_told_in_a_sentence(name, value):
    environment = os.environ | {f"GNOMON_SCORER_{name}": value}

    run = subprocess.run(
        [sys.executable, "-m", "gnomon_scorer"], env=environment, capture_output=True, text=True, check=False
    )

    assert run.returncode == 2
    assert f"GNOMON_SCORER_{name}" in run.stderr
    assert "Traceback" not in run.stderr


def test_settings_cannot_be_changed():
    settings = ScorerSettings()

    assert settings.threads >= 1
    with pytest.raises(ValidationError):
        settings.threads = 7
