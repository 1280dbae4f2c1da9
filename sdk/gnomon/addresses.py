"""Where the three services are: given, else set, else written down by `gnomon up`, else the default.

Pure but for reading the environment and one small file.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

DEFAULT_ADDRESSES = {
    "registry": "127.0.0.1:7410",
    "trainer": "127.0.0.1:7411",
    "scorer": "127.0.0.1:7412",
}


def up_file() -> Path:
    """Return the file in which a running `gnomon up` says where its services are.

    It holds one JSON object: the address of each service by its name.
    """
    return Path(os.environ.get("GNOMON_HOME") or Path.home() / ".gnomon") / "up.json"


def address_of(service: str, given: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the address of `registry`, `trainer` or `scorer`, as `host:port`."""
    return (
        given
        or environment.get(f"GNOMON_{service.upper()}_ADDRESS")
        or _written_down().get(service)
        or DEFAULT_ADDRESSES[service]
    )


def _written_down() -> dict[str, str]:
    try:
        content = json.loads(up_file().read_text())
    except (OSError, ValueError, RuntimeError):  # none, being written, or no home
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str)}
