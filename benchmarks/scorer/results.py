"""benchmarks/results/scorer.json: each step replaces what is its own; a failed one leaves no figure."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import json_files, public_data
from benchmarks.scorer.bench import Outcome

FILE = Path(__file__).parent.parent / "results" / "scorer.json"
FIGURES = {
    "throughput": (
        "raw_best",
        "raw_onnx_fp32",
        "served_batch64",
        "served_single64",
        "infinity_single64",
        "pipeline_single64",
        "format",
        "macro_f1_drop",
    ),
    "added": ("served_added_p50",),
    "latency": ("p99_at_20", "infinity_p99_at_20"),
    "overload": ("overload_goodput",),
}


class Results:
    """Figures at the top level, null where there is none; `details` by step."""

    def __init__(self, file: Path) -> None:
        self.file = file
        names = [name for own in FIGURES.values() for name in own]
        self.content: dict[str, Any] = dict.fromkeys(names) | {"details": {}}
        if file.exists():
            self.content |= json.loads(file.read_text())

    @property
    def details(self) -> dict[str, Any]:
        found: dict[str, Any] = self.content["details"]
        return found

    def succeeded(self, step: str, outcome: Outcome, origin: dict[str, Any]) -> None:
        self._clear(step)
        self.content |= {name: outcome.figures[name] for name in FIGURES.get(step, ())}
        self.details[step] = outcome.details | {"origin": origin}
        self._write()

    def failed(self, step: str, why: str, origin: dict[str, Any]) -> None:
        self._clear(step)
        self.details[step] = {"failed": why, "origin": origin}
        self._write()

    def _clear(self, step: str) -> None:
        self.content |= dict.fromkeys(FIGURES.get(step, ()))

    def _write(self) -> None:
        json_files.write(self.file, self.content)


def origin(quick: bool) -> dict[str, Any]:
    """Return when, of which commit, on what and how a step was measured."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z",
        "commit": _commit(),
        "machine": f"{os.cpu_count()} × {_processor()}",
        "command": public_data.command("benchmarks.scorer", sys.argv[1:]),
        "quick": quick,
    }


def _commit() -> str:
    """Return the commit, marked where what is measured differs from it; results are no such thing."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], check=False, capture_output=True, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "sdk", "services", "benchmarks/scorer", "loadtests")
    return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
