"""Which IP addresses belong to the public internet.

The guard of `outbound.py` asks this before it connects to an address that a stranger chose. The ranges come from
IANA's special-purpose registries (RFC 6890 and its updates). IPv6 is an allow list: only global unicast, without
the ranges in it that are reserved or that embed an IPv4 address, since an embedded address can be a private one.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_REFUSED_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network, and the unspecified address
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT (RFC 6598)
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local; clouds serve instance metadata here
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # IETF protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
# Outside of it: unspecified, loopback, v4-mapped, v4-compatible, NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), discard-only,
# unique local, link-local, site-local and multicast addresses, and everything that IANA has not given out.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo (2001::/32), benchmarking, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4 embeds an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether this is the address of a host on the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_IPV4)
    if address.scope_id is not None or address not in _GLOBAL_UNICAST:
        return False
    return not any(address in network for network in _REFUSED_IPV6)
