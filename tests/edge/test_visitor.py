import ipaddress
from typing import cast

import pytest
from hypercorn.typing import HTTPScope
from hypothesis import given
from hypothesis import strategies as st

from appliance.edge.visitor import Proxies

OURS = Proxies([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")])


def scope(client: str, *headers: tuple[bytes, bytes]) -> HTTPScope:
    """What the server knows of a request."""
    return cast(HTTPScope, {"client": (client, 1), "headers": list(headers)})


@pytest.mark.parametrize(
    ("client", "named", "visitor"),
    [
        ("192.0.2.1", b"203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("::1", b"2001:db8::9", "2001:db8::9"),
        ("10.0.0.1", b"198.51.100.7, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", b"203.0.113.9, junk", "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
    ],
)
def test_our_own_proxy_is_believed_and_nobody_else(
    client: str, named: bytes, visitor: str
) -> None:
    """Who calls us directly claims what he likes; so does who calls our proxy."""
    seen = OURS.visitor(scope(client, (b"x-forwarded-for", named)))
    assert seen.ip == visitor


def test_without_proxies_the_connection_tells() -> None:
    """And a Unix socket tells nothing."""
    assert Proxies().visitor(scope("10.0.0.1", (b"x-forwarded-for", b"::2"))).ip == (
        "10.0.0.1"
    )
    nobody = cast(HTTPScope, {"client": None, "headers": []})
    assert Proxies().visitor(nobody).ip == ""


@pytest.mark.parametrize(
    "said",
    [
        (b"sec-purpose", b"prefetch;prerender"),
        (b"purpose", b"Prefetch"),
        (b"x-purpose", b"preview"),
        (b"x-moz", b"prefetch"),
    ],
)
def test_who_fetches_ahead_may_say_so(said: tuple[bytes, bytes]) -> None:
    """Browsers do."""
    assert OURS.visitor(scope("192.0.2.1", said)).ahead
    assert not OURS.visitor(scope("192.0.2.1", (said[0], b"x"))).ahead


@given(st.binary(max_size=200))
def test_any_header_is_read(named: bytes) -> None:
    """ATTACKS 18: hostile text names nobody."""
    ip = OURS.visitor(scope("10.0.0.1", (b"x-forwarded-for", named))).ip
    assert ipaddress.ip_address(ip)
