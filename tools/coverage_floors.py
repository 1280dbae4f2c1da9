"""Fail where tests reach too little of the code: of all, and of the parts on which trust depends.

python tools/coverage_floors.py    after `coverage combine`

A part is lines and branches together, as `coverage report` counts them.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

OVERALL = 0.90
PART = 0.97
PARTS = {
    "scheduling": (
        "*/gnomon_scorer/domain/admission.py",
        "*/gnomon_scorer/domain/batching.py",
        "*/gnomon_scorer/domain/fairness.py",
        "*/gnomon_scorer/domain/lanes.py",
        "*/gnomon_scorer/domain/running.py",
        "*/gnomon_scorer/domain/scheduler.py",
        "*/gnomon_scorer/domain/stations.py",
    ),
    "leases": (
        "*/gnomon_trainer/domain/held_*.py",
        "*/gnomon_trainer/domain/paid_work.py",
        "*/gnomon_trainer/domain/work.py",
    ),
    "publishing": (
        "*/gnomon_registry/domain/blobs.py",
        "*/gnomon_registry/domain/requests.py",
        "*/gnomon_registry/domain/versions.py",
    ),
    "access": ("*/gnomon_rpc/access*.py", "*/gnomon_registry/domain/api_keys.py"),
    "bundles": ("*/gnomon/bundle*.py", "*/gnomon/bundle_checks/*.py"),
}


def counts(files: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Return how many lines and branches of the files were reached, and how many there are."""
    summaries = [file["summary"] for file in files]
    reached = sum(each["covered_lines"] + each["covered_branches"] for each in summaries)
    return reached, sum(each["num_statements"] + each["num_branches"] for each in summaries)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "coverage.json")
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", str(report)], check=True)
        files = json.loads(report.read_text())["files"]
    wanted = {"overall": (("*",), OVERALL)} | {name: (globs, PART) for name, globs in PARTS.items()}
    missed = 0
    for name, (globs, floor) in wanted.items():
        held = {path: file for path, file in files.items() if any(fnmatch(path, glob) for glob in globs)}
        reached, there = counts(held.values())
        share = reached / there if there else 0.0
        missed += share < floor
        print(f"{name}: {share:.1%} of {there}, {floor:.0%} wanted{'' if share >= floor else ': MISSED'}")
        for path, file in sorted(held.items()):
            part, whole = counts([file])
            if name != "overall" and part < floor * whole:
                missing = f"lines {file['missing_lines']}, branches {file['missing_branches']}"
                print(f"    {path}: {part / whole:.1%}, {missing}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
