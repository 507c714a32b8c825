"""Addresses as people and programs write them, turned into core's form.

Decides what is forgiven: spaces around, and a domain in its own script. The
grammar itself is core's.
"""

import idna

from appliance.core.address import Address, is_domain, parse_address
from appliance.core.suppression import Target, WholeDomain

# Nothing valid is longer, also before its domain becomes A-labels; idna's work
# grows faster than its input, so it never sees more.
MAX_ADDRESS_CHARS = 320


def read_address(text: str) -> Address | None:
    """The address that ``text`` spells, its domain in A-labels; None if it is none.

    Spaces around it are dropped. A name with angle brackets is no address.
    """
    bare = text.strip(" ")
    if len(bare) > MAX_ADDRESS_CHARS:
        return None
    local, at, domain = bare.rpartition("@")
    if not domain.isascii():
        domain = _to_ascii(domain)
    return parse_address(local + at + domain)


def read_target(text: str) -> Target | None:
    """What ``text`` suppresses: an address, or all of a domain; None if neither.

    A whole domain is written ``*@example.com`` or ``@example.com``.
    """
    bare = text.strip(" ")
    local, at, domain = bare.rpartition("@")
    if not at or local not in ("", "*"):
        return read_address(bare)
    if len(domain) > MAX_ADDRESS_CHARS:
        return None
    name = domain.lower() if domain.isascii() else _to_ascii(domain)
    return WholeDomain(name) if is_domain(name) else None


def _to_ascii(domain: str) -> str:
    """The A-label form (RFC 5891 with the mapping of UTS 46), "" if there is none."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError:  # idna's own errors are all of this kind
        return ""
