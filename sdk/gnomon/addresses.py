"""Where the three services are: given, else set, else written down by `gnomon up`, else the default.

Pure but for reading the environment and one small file.
"""

import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path

DEFAULT_ADDRESSES = {
    "registry": "127.0.0.1:7410",
    "trainer": "127.0.0.1:7411",
    "scorer": "127.0.0.1:7412",
}

# What each channel without TLS is opened with. Else gRPC obeys `https_proxy` even for 127.0.0.1, and
# the proxy reads all that is said, keys included.
PASS_NO_PROXY = ("grpc.enable_http_proxy", 0)


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


def is_loopback(address: str) -> bool:
    """Tell whether an address, or a target of gRPC, is of this machine alone.

    Any name but `localhost` may be another machine's; so is an empty host, which
    a server listens at everywhere.
    """
    scheme, _, rest = address.partition(":")
    if scheme in {"unix", "unix-abstract"}:
        return True
    if scheme in {"ipv4", "ipv6"}:
        return all(is_loopback(one) for one in rest.split(","))
    if scheme == "dns":
        return is_loopback(rest.rpartition("/")[2])
    host = address.rpartition(":")[0] if address.count(":") == 1 or "]" in address else address
    host = host.removeprefix("[").removesuffix("]")
    if host.lower() == "localhost":
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return found.is_loopback or bool(mapped and mapped.is_loopback)
