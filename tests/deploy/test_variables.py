"""What the images, the composition, the chart and the units set are variables that the services read."""

import re

import pytest
from tools.requirements import ROOT

from gnomon_registry.settings import RegistrySettings
from gnomon_rpc.environment import unknown_variables
from gnomon_rpc.settings import ServerSettings
from gnomon_scorer.settings import ScorerSettings
from gnomon_trainer.settings import TrainerSettings
from tests.deploy.rendering import VALUE_SETS, pods, render, variables

SETTINGS = (RegistrySettings, TrainerSettings, ScorerSettings)
FILES = (
    *("docker/Dockerfile", "compose.yaml"),
    *(f"systemd/gnomon-{name}.service" for name in ("registry", "trainer", "scorer")),
)
NAMES = re.compile(r"GNOMON_(?:REGISTRY|TRAINER|SCORER)_[A-Z_]+")


def unknown(names):
    return sorted(
        name for settings in SETTINGS for name, _ in unknown_variables(settings, dict.fromkeys(names, ""))
    )


@pytest.mark.skipif("access" not in ServerSettings.model_fields, reason="this build has no access control")
@pytest.mark.parametrize("file", FILES)
def test_every_variable_of_a_file_is_read(file):
    names = set(
        re.findall(r"GNOMON_(?:REGISTRY|TRAINER|SCORER)_[A-Z_]+", (ROOT / "deploy" / file).read_text())
    )

    assert names
    assert unknown(names) == []


@pytest.mark.skipif("access" not in ServerSettings.model_fields, reason="this build has no access control")
def test_every_variable_of_the_chart_is_read():
    names = {
        name
        for values in VALUE_SETS.values()
        for pod in pods(render(values)).values()
        for name in variables(pod)
    }

    assert names
    assert unknown(names) == []
