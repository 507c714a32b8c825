"""Which addresses of the network we do not talk to on a stranger's word (ATTACKS 21).

A URL that somebody else chose must not lead us into our own house: to this machine,
to what stands beside it, to what tells a cloud's secrets. What is no plain public
address is refused, and so is every form in which IPv6 carries an IPv4 address, for
where such a packet ends is another's business to decide. The tables follow the IANA
special-purpose registries (RFC 6890).
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from appliance.core.credential import Network

_PUBLIC_V6 = ip_network("2000::/3")  # RFC 4291 2.4: all global unicast there is
_WORDS = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by carriers",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's own",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "for documents",
    "192.88.99.0/24": "an IPv6 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documents",
    "203.0.113.0/24": "for documents",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::/96": "an IPv4 address inside IPv6",
    "::ffff:0:0/96": "an IPv4 address inside IPv6",
    "::ffff:0:0:0/96": "an IPv4 address inside IPv6",
    "64:ff9b::/96": "an IPv4 address behind NAT64",
    "64:ff9b:1::/48": "an IPv4 address behind NAT64",
    "2001::/32": "Teredo",
    "2001::/23": "reserved",
    "2001:db8::/32": "for documents",
    "2002::/16": "6to4",
    "3fff::/20": "for documents",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "private",
    "ff00::/8": "multicast",
}
_TABLE = tuple((ip_network(text), word) for text, word in _WORDS.items())
_WEB_PORTS = frozenset({80, 443})
_LAST_PORT = 0xFFFF
_FREE_PORTS = 1024  # below it are the ports of other protocols


def forbidden_address(text: str, allowed: Sequence[Network] = ()) -> str:
    """What kind of address this is, if we do not talk to it; "" if we do.

    ``allowed`` are networks that the operator lets be talked to all the same.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return "no address"
    if any(_holds(network, address) for network in allowed):
        return ""
    return _word_of(address)


def forbidden_port(port: int) -> bool:
    """True for a port at which something else than the web is at home."""
    return port not in _WEB_PORTS and not _FREE_PORTS <= port <= _LAST_PORT


@lru_cache(maxsize=1024)
def _word_of(address: IPv4Address | IPv6Address) -> str:
    for network, word in _TABLE:
        if _holds(network, address):
            return word
    outside = isinstance(address, IPv6Address) and not _holds(_PUBLIC_V6, address)
    return "not public" if outside else ""


def _holds(network: Network, address: IPv4Address | IPv6Address) -> bool:
    return network.version == address.version and address in network
