"""The key with which the trainer of this machine seals the keys of providers."""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

_VARIABLE = "GNOMON_TRAINER_MASTER_KEY"
_BYTES = 32


def setting(home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what tells a trainer where its key is; nothing where the environment does so already."""
    if _VARIABLE in environment or f"{_VARIABLE}_FILE" in environment:
        return {}
    return {f"{_VARIABLE}_FILE": str(home / "master.key")}


def make(environment: Mapping[str, str]) -> None:
    """Write the key file that `setting` named, unless it is there: for its owner alone, whole or not."""
    named = environment.get(f"{_VARIABLE}_FILE")
    if named is None or (path := Path(named)).exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
