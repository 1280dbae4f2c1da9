"""The units are ones that systemd knows, and let a service do little."""

import os
import shutil
import subprocess
import sys

import pytest
from tools.requirements import ROOT

UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def analyze(*words):
    environment = os.environ | {"SYSTEMD_LOG_LEVEL": "warning"}
    command = [str(ANALYZE), *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_has_nothing_to_say_against_a_unit(unit, tmp_path):
    text = unit.read_text()
    here = tmp_path / unit.name  # with a Python that is there
    here.write_text(text.replace("/opt/gnomon/bin/python", sys.executable))
    done = analyze("verify", "--man=no", here)

    assert "ExecStart=/opt/gnomon/bin/python -m gnomon_" in text
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_exposes_little(unit):
    done = analyze("security", "--offline=true", "--threshold=20", unit)

    assert done.returncode == 0, done.stdout
