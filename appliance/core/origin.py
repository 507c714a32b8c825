"""Where a peer comes from, as far as it can be told apart from others."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

_SITE_BITS = 64  # RFC 6177: the least that one site is given; inside, it may be anyone


@lru_cache(maxsize=4096)
def origin_of(address: str) -> str:
    """The IPv4 address, or the /64 network of an IPv6 address, in one spelling.

    Whoever has one address of a /64 has all of them, so they count as one. An
    IPv4 address that comes mapped into IPv6 is the IPv4 address.

    Raises:
        ValueError: it is no IP address.
    """
    one = ip_address(address)
    if not isinstance(one, IPv6Address):
        return str(one)
    if one.ipv4_mapped is not None:
        return str(one.ipv4_mapped)
    network = int(one) >> _SITE_BITS << _SITE_BITS
    return f"{IPv6Address(network)}/{_SITE_BITS}"
