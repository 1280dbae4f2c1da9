"""What a process used and touched while it did one thing."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

MOST_PROCESSOR_S = 2.0
MOST_MEMORY_BYTES = 200 * 1024**2

AUDIT = Path(__file__).parent / "audit"


@dataclass
class Watched:
    """A process from outside. `begin`, let it do something, then ask."""

    pid: int

    def begin(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the peak begins anew
        self._before = self._processor()

    def _processor(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    @property
    def processor_s(self) -> float:
        return self._processor() - self._before

    @property
    def peak_bytes(self) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def audited(log: Path) -> dict[str, str]:
    """Return the environment that makes Python tell of every write."""
    path = os.pathsep.join(part for part in (str(AUDIT), os.environ.get("PYTHONPATH", "")) if part)
    return {"PYTHONPATH": path, "AUDIT_LOG": str(log)}


def told(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def outside(log: Path, *folders: Path, since: int = 0) -> list[dict[str, object]]:
    """Return what was told of paths beyond the folders, and of processes and code."""
    inside = (*(os.path.realpath(folder) for folder in folders), "/dev/", "/proc/")
    return [
        entry
        for entry in told(log)[since:]
        if not entry["paths"]
        or not all(str(path).startswith((*inside, "/dev/", "/proc/")) for path in entry["paths"])
    ]
