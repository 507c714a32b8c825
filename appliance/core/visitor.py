"""Who made a hit, as far as the hit says it; all of it is hostile text.

An IP address is personal data (GDPR recital 30), and its last part says little more
than which of a household or an office it was: what is kept of it is the operator's
choice.
"""

import functools
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, ip_address

CACHED = 4_096
_V4_BITS = 24
_V6_BITS = 48


class Keep(Enum):
    """What is kept of a visitor's IP address; the values are what is typed."""

    WHOLE = "keep"
    PART = "truncate"
    NOTHING = "drop"


@dataclass(frozen=True, slots=True)
class Visitor:
    """What a hit says about who made it; ``ahead`` if it says that it fetches ahead."""

    ip: str = ""
    user_agent: str = ""
    ahead: bool = False


@functools.lru_cache(CACHED)
def kept_address(ip: str, keep: Keep) -> str:
    """What is kept of ``ip``: all, the network of 256 or of a site, or nothing."""
    if keep is Keep.NOTHING:
        return ""
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if keep is Keep.WHOLE:
        return str(address)
    kept = _V6_BITS if isinstance(address, IPv6Address) else _V4_BITS
    cut = address.max_prefixlen - kept
    return str(type(address)(int(address) >> cut << cut))
