"""Benchmarks on public sets say what they lack, and record no place of the machine that they ran on."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from benchmarks import public_data
from benchmarks.quality.sets import SETS

ROOT = public_data.ROOT
COMMANDS = (
    "data_checks",
    "review",
    "feedback",
    "sessions",
    "real_data",
    "quality.__main__",
    "quality.isolated",
)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_without_its_sets_says_what_is_needed_and_starts_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--data", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        module.main()
    said = capsys.readouterr().err

    assert ended.value.code == 2
    assert re.search(rf"{re.escape(str(tmp_path))} lacks \w+\.jsonl", said)
    assert "benchmarks/DATA.md says where sets are to be had from" in said
    assert "--data FOLDER" in said


def test_sets_are_looked_for_in_a_folder_of_the_repository_that_git_ignores() -> None:
    assert public_data.FOLDER.parent == ROOT
    assert f"/{public_data.FOLDER.name}" in (ROOT / ".gitignore").read_text().splitlines()


def test_it_is_said_of_every_set_where_it_is_to_be_had_from() -> None:
    said = (ROOT / "benchmarks/DATA.md").read_text()

    assert [name for name in SETS if f"| `{name}.jsonl` |" not in said] == []


@pytest.mark.parametrize("given", [["--data", "/home/ann/sets"], ["--data=/home/ann/sets"]])
def test_a_recorded_command_does_not_tell_where_data_lies(given: list[str]) -> None:
    said = public_data.command("benchmarks.scorer", ["--only", "raw,bulk", *given, "--quick"])

    assert said.replace("=", " ") == "python -m benchmarks.scorer --only raw,bulk --data DATA --quick"


def test_no_result_tells_of_a_folder_outside_of_the_repository() -> None:
    for file in [ROOT / "benchmarks/RESULTS.md", *(ROOT / "benchmarks/results").glob("*.json")]:
        assert "--data ../" not in file.read_text(), file
