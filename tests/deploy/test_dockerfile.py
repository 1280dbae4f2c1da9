"""What the Dockerfile promises, and what a linter says of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools.check_images import DOCKERFILE, stages
from tools.requirements import ROOT

TARGETS = {
    "registry": "registry",
    "trainer": "trainer",
    "scorer": "scorer-settings",
    "scorer-gpu": "scorer-settings",
}


def instruction(stage, name):
    return re.findall(rf"^{name} (.*)$", stages()[stage], re.MULTILINE)


def test_hadolint_has_nothing_to_say():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


def test_pages_that_the_comments_name_are_there():
    comments = [line for line in DOCKERFILE.read_text().splitlines() if line.startswith("#")]
    named = re.findall(r"[\w/.-]+\.md", "\n".join(comments))

    assert named
    assert [page for page in named if not (ROOT / page).is_file() or "/" not in page] == []


@pytest.mark.parametrize(("target", "stage"), TARGETS.items())
def test_signals_reach_the_service_itself(target, stage):
    service = target.removesuffix("-gpu")

    assert [json.loads(words) for words in instruction(stage, "ENTRYPOINT")] == [
        ["python", "-m", f"gnomon_{service}"]
    ]
    assert instruction("runtime", "STOPSIGNAL") == ["SIGTERM"]


@pytest.mark.parametrize(("target", "stage"), TARGETS.items())
def test_an_image_asks_its_service_whether_it_can_do_its_job(target, stage):
    [check] = instruction(stage, "HEALTHCHECK")
    words = json.loads(check.partition("CMD ")[2])

    assert words[:2] == ["gnomon", "health"]
    assert words[-2:] == ["--service", target.removesuffix("-gpu")]


def test_images_run_as_a_user_by_number():
    assert instruction("runtime", "USER") == ["10001:10001"]
    assert not any(instruction(stage, "USER") for stage in TARGETS)


def test_nothing_is_compiled_and_nothing_is_installed_unlocked():
    installs = [line for text in stages().values() for line in re.findall(r"pip [^&]*install [^&\n]*", text)]

    assert installs
    assert [line for line in installs if "--require-hashes" not in line and "--no-index" not in line] == []
    assert "apt-get" not in DOCKERFILE.read_text()


def venv_of(target):
    """Return the words by which a target's environment is begun."""
    [words] = re.findall(r"python -m (venv [^&]*?) */opt/gnomon", stages()[f"{target}-environment"])
    return words.split()


@pytest.mark.slow
def test_the_trainers_environment_has_the_pip_that_adding_a_base_model_asks_for(tmp_path):
    # Where there is none, `gnomon base-models add` ends with "No module named pip".
    subprocess.run([sys.executable, "-m", *venv_of("trainer"), tmp_path / "opt"], check=True)

    assert [*tmp_path.glob("opt/lib/python*/site-packages/pip/__main__.py")]


@pytest.mark.parametrize("target", sorted(TARGETS.keys() - {"trainer"}))
def test_no_other_environment_can_install_anything(target):
    assert "--without-pip" in venv_of(target)


def test_the_last_stages_hold_an_environment_and_no_sources():
    for target in TARGETS:
        copies = instruction(target, "COPY")
        assert copies == [f"--from={target}-environment /opt/gnomon /opt/gnomon"]
