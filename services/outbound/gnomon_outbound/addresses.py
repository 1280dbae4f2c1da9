"""Which IP addresses may be connected to. Pure."""

import ipaddress

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


def is_public(address: Address) -> bool:
    """Tell whether the address is an ordinary one of the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _UNICAST_V6 and not any(address in network for network in _SPECIAL_V6)


def is_never_a_service(address: Address) -> bool:
    """Tell whether not even a name that the operator allows may lead there.

    Cloud metadata is link-local: whoever rules an allowed name must not get at it.
    """
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return address.is_multicast or address.is_unspecified or address.is_link_local
