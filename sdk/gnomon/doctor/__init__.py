"""Looks over an installation and says what to do about what is wrong. `gnomon doctor` shows it.

Every check is a function from the `Site` to its findings, in one table, `CHECKS`. Checks look and do not
mend, and one that fails by itself is a finding of its own.
"""

from collections.abc import Callable, Iterable, Mapping

from gnomon.doctor import machine, protection, reach, stores
from gnomon.doctor.site import BROKEN, Finding, Site

CHECKS: Mapping[str, Callable[[Site], Iterable[Finding]]] = {
    "python": machine.python,
    "libraries": machine.libraries,
    "onnxruntime": machine.onnxruntime,
    "processor": machine.processor,
    "open files": machine.open_files,
    "folders": stores.folders,
    "disk space": stores.disk_space,
    "database": stores.databases,
    "artifacts": stores.artifacts,
    "base models": stores.base_models,
    "master key": protection.master_key,
    "certificates": protection.certificates,
    "keys": protection.keys,
    "telemetry": reach.telemetry,
    "services": reach.services,
    "versions": reach.versions,
    "clocks": reach.clocks,
    "calls": reach.calls,
}


def examine(site: Site) -> list[Finding]:
    """Make every check once, in the order of the table."""
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            found = [*check(site)]
        except Exception as error:  # a doctor who faints helps nobody
            kind = type(error).__name__
            found = [
                Finding("", BROKEN, f"The check itself failed: {kind}: {error}", "Report this as a defect.")
            ]
        findings.extend(finding.of(name) for finding in found)
    return findings
