"""When, of which commit and on what something was measured."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_MEASURED = ("sdk", "services", "benchmarks/quality")


def now(*, quick: bool) -> dict[str, Any]:
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z",
        "commit": _commit(),
        "machine": f"{len(os.sched_getaffinity(0))} × {_processor()}",
        "quick": quick,
    }


def _commit() -> str:
    """Return the commit, marked where what is measured differs from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], check=False, capture_output=True, text=True, cwd=_ROOT)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", *_MEASURED)
    return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
