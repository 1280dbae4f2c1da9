"""From a URL to what is called, or the reason why it is not. Pure."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gnomon_outbound.addresses import Address, is_metadata, is_public
from gnomon_outbound.errors import RefusedError

_URL = re.compile(r'(https?)://([^/?#\\]*)([/?][!"$-\[\]-~]*)?', re.ASCII | re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_LONGEST_URL = 2_000
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class Target:
    """What is called. An IP address in `host` is in its canonical form, without brackets."""

    scheme: str
    host: str
    port: int
    path: str  # with the query

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """What the operator lets be called beside public HTTPS: hosts with their ports."""

    hosts: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "AllowedHosts":
        """Read `localhost:8080,10.0.0.7:8000,[::1]:9000`.

        Raises:
            ValueError: an entry is not a host with a port.
        """
        return cls(frozenset(_allowed(entries) for entries in text.split(",") if entries.strip()))

    def has(self, host: str, port: int) -> bool:
        return (host, port) in self.hosts


def _allowed(entry: str) -> tuple[str, int]:
    entry = entry.strip()
    match = _AUTHORITY.fullmatch(entry)
    if match is None or not match[3]:
        raise ValueError(f"{entry!r} is not host:port, such as localhost:8080")
    try:
        return _host(match[1], match[2]), _port(match[3])
    except RefusedError as error:
        raise ValueError(f"{entry!r}: {error}") from error


def target_of(url: str, allowed: AllowedHosts) -> Target:
    """Return what the URL leads to.

    Raises:
        RefusedError: it is no URL of a public HTTPS server, nor of an allowed host. One form of an
            address is taken, the canonical one: what parsers read differently is refused.
    """
    if len(url) > _LONGEST_URL:
        raise RefusedError(f"The URL has {len(url)} characters; at most {_LONGEST_URL} are allowed.")
    match = _URL.fullmatch(url)
    if match is None:
        raise RefusedError("The URL must be https://host/path in ASCII; write other names as xn--….")
    scheme, authority, path = match[1].lower(), match[2], match[3] or "/"
    if "@" in authority:
        raise RefusedError("The URL holds a user name or password. Give credentials as the key instead.")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise RefusedError("The URL has no host that can be read; names are in ASCII, others as xn--….")
    host, port = _host(parts[1], parts[2]), _port(parts[3], scheme)
    address = literal(host)
    if address is not None and is_metadata(address):
        raise not_to_be_called(host, port, [address])
    if not allowed.has(host, port):
        _check_public(scheme, host, port)
    return Target(scheme, host, port, path if path.startswith("/") else f"/{path}")


def _check_public(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise RefusedError(f"Only https is called, but for hosts that the operator allows; {host} is none.")
    address = literal(host)
    if address is not None and not is_public(address):
        raise not_to_be_called(host, port, [address])


def not_to_be_called(host: str, port: int, addresses: Iterable[Address]) -> RefusedError:
    """Return the error for a host whose addresses, or one of them, may not be called."""
    if any(map(is_metadata, addresses)):
        return RefusedError(
            f"{host} is not a public address, but where a cloud hands out credentials: it is never called."
        )
    shown = f"[{host}]" if ":" in host else host
    return RefusedError(
        f"{host} is not a public address. If it is a server of yours, have the operator allow {shown}:{port}."
    )


def literal(host: str) -> Address | None:
    """Return the address that the host is, None if it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _host(v6: str | None, other: str | None) -> str:
    if v6 is not None:
        try:
            return str(ipaddress.IPv6Address(v6))
        except ValueError as error:
            raise RefusedError(f"[{v6}] is not an IPv6 address.") from error
    name = (other or "").lower()
    labels = name.split(".")
    if _ends_in_a_number(labels):
        try:
            return str(ipaddress.IPv4Address(name))  # nothing but four decimal numbers without leading zeros
        except ValueError as error:
            raise RefusedError(f"{name} is not an IPv4 address in its usual form, as 192.0.2.1.") from error
    if name.endswith("."):
        raise RefusedError(f"{name} ends with a dot. Write it without.")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise RefusedError(f"{name[:80]} is not a host name.")
    return name


def _ends_in_a_number(labels: Iterable[str]) -> bool:
    """Tell whether resolvers may read the host as an IPv4 address in some form: 0x7f.1, 2130706433."""
    last = [label for label in labels if label][-1:]
    return bool(last) and re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last[0]) is not None


def _port(text: str | None, scheme: str = "") -> int:
    if not text:
        return _default_port(scheme)
    port = int(text)
    if not 1 <= port <= 65535:
        raise RefusedError(f"The port {port} is not between 1 and 65535.")
    return port


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
