"""Malicious archives, imported by a real client in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.imports import archives, watching

_NAMES = list(archives.ARCHIVES)


@dataclass
class Imported:
    """What the child said of each archive, and where it may write."""

    said: dict[str, dict[str, Any]]
    staging: Path
    log: Path


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    place = tmp_path_factory.mktemp("imports")
    folder, staging, log = place / "archives", place / "staging", place / "audit.jsonl"
    staging.mkdir()
    archives.write_all(folder)
    child = subprocess.run(
        [sys.executable, "-m", "tests.imports.importing", "127.0.0.1:1", str(folder), str(log)],
        env=os.environ | watching.audited(log) | {"TMPDIR": str(staging)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    (place / "measured.jsonl").write_text(child.stdout)  # for those who want the figures
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    return Imported({line["name"]: line for line in lines}, staging, log)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(_NAMES)), ids=_NAMES)
def test_a_malicious_archive_is_refused_quickly_in_little_memory_and_leaves_nothing(
    imported: Imported, number: int
) -> None:
    answer = imported.said[f"{number:02}.bundle"]
    first, last = answer["told"]

    assert "crash" not in answer
    assert answer["rule"] == archives.ARCHIVES[_NAMES[number]][0], answer["said"]
    assert answer["path"]
    assert answer["processor_s"] < watching.MOST_PROCESSOR_S
    assert answer["peak_bytes"] < watching.MOST_MEMORY_BYTES
    log = imported.log.with_name(f"{number}.jsonl")
    log.write_text("\n".join(imported.log.read_text().splitlines()[first:last]))
    assert watching.outside(log, imported.staging) == []


@pytest.mark.slow
def test_nothing_is_left_in_the_staging_folder(imported: Imported) -> None:
    assert list(imported.staging.iterdir()) == []
    assert any("gnomon-import-" in str(entry["paths"]) for entry in watching.told(imported.log))
