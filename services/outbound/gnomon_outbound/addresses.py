"""Which IP addresses may be connected to. Pure."""

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# The IANA special-purpose registries, written out: what `is_global` says changes between releases of Python.
_SPECIAL_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # public by its number, but the host's own service on a well-known cloud
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
# Outside of this lie loopback, link-local, unique local, multicast, IPv4-mapped and NAT64 addresses.
_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),  # Teredo and 6to4 hold IPv4 addresses
    )
)


# Where clouds hand out credentials. What is link-local as well stands here for those who reach it otherwise.
_METADATA_V4 = frozenset(
    map(
        ipaddress.IPv4Address,
        (
            "169.254.169.254",  # nearly all
            "169.254.170.2",  # AWS, tasks in containers
            "169.254.170.23",  # AWS, identities of pods
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure, the host's own service
            "192.0.0.192",  # Oracle Cloud, classic
        ),
    )
)
_METADATA_V6 = frozenset(
    map(
        ipaddress.IPv6Address,
        (
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS, identities of pods
            "fd20:ce::254",  # Google Cloud
            "fd00:c1::a9fe:a9fe",  # Oracle Cloud
            "fd00:42::42",  # Scaleway
        ),
    )
)
# IPv6 networks whose last 32 bits are an IPv4 address: mapped, compatible, translated, and the two of NAT64.
_HOLD_V4 = tuple(
    map(
        ipaddress.IPv6Network,
        ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"),
    )
)


def is_public(address: Address) -> bool:
    """Tell whether the address is an ordinary one of the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _UNICAST_V6 and not any(address in network for network in _SPECIAL_V6)


def is_metadata(address: Address) -> bool:
    """Tell whether a cloud hands out credentials there: it is never called, whoever allows it."""
    if address in _METADATA_V6:
        return True
    return any(each in _METADATA_V4 for each in _held(address))


def is_never_a_service(address: Address) -> bool:
    """Tell whether not even a name that the operator allows may lead there.

    Whoever rules an allowed name must not get at cloud metadata, nor at what is link-local.
    """
    return is_metadata(address) or any(
        each.is_multicast or each.is_unspecified or each.is_link_local for each in _held(address)
    )


def _held(address: Address) -> Sequence[Address]:
    """Return the address with the IPv4 addresses that packets for it may end up at."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    found: list[Address | None] = [address, address.sixtofour, *(address.teredo or ())]
    # `::1` and `::` are addresses of their own, not 0.0.0.1 and 0.0.0.0.
    if int(address) > 1 and any(address in network for network in _HOLD_V4):
        found.append(last)
    return [each for each in found if each is not None]
