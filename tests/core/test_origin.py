import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.origin import origin_of


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_site_is_one_origin(address: str, origin: str) -> None:
    """ATTACKS 3: another address of the same /64 is the same guesser."""
    assert origin_of(address) == origin


@pytest.mark.parametrize("address", ["", "x", "1.2.3", "01.2.3.4", "[::1]", "::1/64"])
def test_what_is_no_address_is_a_value_error(address: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="address"):
        origin_of(address)


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_of_a_site_and_no_one_else(
    address: ipaddress.IPv6Address, host: int
) -> None:
    """The origin is the network that holds the address."""
    if address.ipv4_mapped is not None:
        return
    network = ipaddress.ip_network((address, 64), strict=False)
    assert origin_of(str(address)) == str(network)
    assert origin_of(str(network[host])) == str(network)


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_ipv4_addresses_are_told_apart(
    one: ipaddress.IPv4Address, other: ipaddress.IPv4Address
) -> None:
    """ATTACKS 3: a neighbour is not shut out."""
    assert (origin_of(str(one)) == origin_of(str(other))) is (one == other)
