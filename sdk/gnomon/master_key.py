"""The key with which the services of this machine seal the keys of providers and the secrets of webhooks."""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

_VARIABLES = {service: f"GNOMON_{service.upper()}_MASTER_KEY" for service in ("registry", "trainer")}
_BYTES = 32


def setting(service: str, home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what tells a service where its key is; nothing where the environment does so already."""
    variable = _VARIABLES[service]
    if variable in environment or f"{variable}_FILE" in environment:
        return {}
    return {f"{variable}_FILE": str(home / "master.key")}


def make(environment: Mapping[str, str]) -> None:
    """Write the key file that `setting` named, unless it is there: for its owner alone, whole or not."""
    named = [environment[key] for name in _VARIABLES.values() if (key := f"{name}_FILE") in environment]
    for path in map(Path, named):
        if not path.exists():
            _write(path)


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
