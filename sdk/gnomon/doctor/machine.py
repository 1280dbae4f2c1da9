"""Checks of the machine and of what is installed on it."""

import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from gnomon.doctor.site import BROKEN, NOTE, OK, WARNING, Finding, Site

_OLDEST_PYTHON = (3, 11)
_PACKAGES = {"registry": "gnomon_registry", "trainer": "gnomon_trainer", "scorer": "gnomon_scorer"}
# One package of each extra tells whether somebody meant to have it.
_MARKS = {"registry": "sqlalchemy", "trainer": "torch", "scorer": "onnxruntime", "otel": "opentelemetry.sdk"}
_FEWEST_FILES = 4096
_FAST = ("avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "avx_vnni")


def python(site: Site) -> Iterator[Finding]:  # noqa: ARG001
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _OLDEST_PYTHON:
        yield Finding("python", BROKEN, f"Python {version} is too old.", "Use Python 3.11 or newer.")
    elif not sys.platform.startswith("linux"):
        yield Finding(
            "python", WARNING, f"Services are tested on Linux, not on {sys.platform}.", "Use Linux."
        )
    else:
        yield Finding("python", OK, f"Python {version}, gnomon {_version('gnomon')}.")


def libraries(site: Site) -> Iterator[Finding]:
    """What this release asks for against what is installed, for the extras that are."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        yield Finding("", NOTE, "Versions were not compared: `packaging` is not installed.")
        return
    wanted = {extra for extra in (*site.services, "otel") if _is_there(_MARKS[extra])} | {""}
    compared = 0
    for line in importlib.metadata.requires("gnomon") or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in wanted):
            continue
        compared += 1
        found = _version(requirement.name)
        if found is None:
            yield Finding(requirement.name, BROKEN, "It is not installed.", f'pip install "{requirement}"')
        elif not requirement.specifier.contains(found, prereleases=True):
            said = f"{found} is installed; this release asks for {requirement.specifier}."
            yield Finding(
                requirement.name, BROKEN, said, f'pip install "{requirement.name}{requirement.specifier}"'
            )
    yield Finding("", OK, f"{compared} requirements were compared.")


def onnxruntime(site: Site) -> Iterator[Finding]:
    if "scorer" not in site.services:
        return
    found = [name for name in ("onnxruntime", "onnxruntime-gpu") if _version(name)]
    if len(found) > 1:
        do = f"pip uninstall {' '.join(found)}, then install one of them."
        yield Finding("scorer", BROKEN, f"{' and '.join(found)} overwrite each other.", do)
    elif found:
        yield Finding("scorer", OK, f"{found[0]} {_version(found[0])} alone.")


def processor(site: Site, cpuinfo: Path = Path("/proc/cpuinfo")) -> Iterator[Finding]:
    if "scorer" not in site.services or not cpuinfo.exists():
        return
    flags = set((re.findall(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE) or [""])[0].split())
    if not flags:
        yield Finding("scorer", NOTE, "The processor does not tell its features.")
    elif "avx2" not in flags:
        yield Finding(
            "scorer", WARNING, "The processor has no AVX2: scoring is slow.", "Use a newer machine."
        )
    else:
        fast = [
            name
            for name in ("avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "avx_vnni")
            if name in flags
        ]
        what = f"AVX2, {', '.join(fast)}" if fast else "AVX2; int8 and bf16 gain little without VNNI or BF16"
        yield Finding("scorer", OK, f"The processor has {what}.")


def open_files(site: Site, limit: int | None = None) -> Iterator[Finding]:  # noqa: ARG001
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    if 0 <= files < _FEWEST_FILES:
        said = f"{files} files may be open; each connection is one."
        yield Finding(
            "", WARNING, said, f"Raise it: `ulimit -n {16 * _FEWEST_FILES}`, or LimitNOFILE= in systemd."
        )
    else:
        yield Finding("", OK, f"{files} files may be open.")


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
