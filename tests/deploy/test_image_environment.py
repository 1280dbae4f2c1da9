"""The scorer's image, made by the Dockerfile's own commands without an engine."""

import subprocess
import sys

import pytest
from tools.check_images import ROOT


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_scorers_image_is_small_and_runs_without_rights_on_a_read_only_root():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/check_images.py", "scorer"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ends at SIGTERM" in done.stdout
