"""How much memory the control groups of this process leave it: a container's limit, a unit's, or both."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Version:
    folder: str  # of the controller, below the mount
    controllers: str  # the second field of /proc/self/cgroup
    most: str
    used: str
    reclaimable: str  # a line of memory.stat: files that nobody reads now, which the kernel gives up first


_VERSIONS = (
    _Version("", "", "memory.max", "memory.current", "inactive_file"),
    _Version("memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_bytes(mount: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return what may still be used before a limit is reached; None where nothing limits it."""
    found = [
        free
        for version in _VERSIONS
        for group in _groups(version, mount / version.folder, own)
        if (free := _free(version, group)) is not None
    ]
    return max(0, min(found)) if found else None


def _groups(version: _Version, mount: Path, own: Path) -> list[Path]:
    """Return the folders of this process's group and of those around it, as far as they are seen here."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return []
    [path] = [path for _, names, path in lines if version.controllers in names.split(",")][:1] or ["/"]
    group = mount / path.lstrip("/")
    return [group, *(each for each in group.parents if each == mount or mount in each.parents)]


def _free(version: _Version, group: Path) -> int | None:
    try:
        most, used = int((group / version.most).read_text()), int((group / version.used).read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # "max", the root group, or a path of another name space
        return None
    return most - used + int(stat.get(version.reclaimable, 0))
