"""Who is behind a hit: the other end of the connection, or whom our own proxy names.

A proxy adds the address that it was called from to X-Forwarded-For, at the end; what
stands before is what its caller claims. So the list is read from its end, as far as it
tells of proxies that we trust.
"""

import functools
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from hypercorn.typing import HTTPScope

from appliance.core.visitor import Visitor

Network: TypeAlias = IPv4Network | IPv6Network

MAX_HOPS = 10
CACHED = 4_096
# Headers by which browsers and mail services say that nobody looks yet.
_AHEAD = (
    (b"sec-purpose", b"prefetch"),
    (b"purpose", b"prefetch"),
    (b"x-purpose", b"preview"),
    (b"x-moz", b"prefetch"),
)


class Proxies:
    """The proxies that we believe; by default none."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._is_ours = functools.lru_cache(CACHED)(self._look)

    def visitor(self, scope: HTTPScope) -> Visitor:
        """Who made this request, as far as it says."""
        said = dict(scope["headers"])
        agent = said.get(b"user-agent", b"").decode("latin-1")
        ahead = any(
            name in said and word in said[name].lower() for name, word in _AHEAD
        )
        client = scope.get("client")
        named = said.get(b"x-forwarded-for", b"")
        return Visitor(self._address(client[0] if client else "", named), agent, ahead)

    def _address(self, address: str, named: bytes) -> str:
        if not named or not self._is_ours(address):
            return address
        for one in reversed(named.split(b",")[-MAX_HOPS:]):
            caller = one.strip().decode("latin-1")
            if _parse(caller) is None:
                break
            address = caller
            if not self._is_ours(address):
                break
        return address

    def _look(self, text: str) -> bool:
        address = _parse(text)
        return address is not None and any(address in one for one in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
