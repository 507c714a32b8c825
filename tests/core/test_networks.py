"""Addresses that are not talked to on a stranger's word."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.credential import read_network
from appliance.core.networks import forbidden_address, forbidden_port

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
TAKEN = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused(address: str) -> None:
    """ATTACKS 21: private, loopback, link-local, CGNAT, ULA, metadata, v4 inside v6."""
    assert forbidden_address(address)


@pytest.mark.parametrize("address", TAKEN)
def test_what_is_public_is_taken(address: str) -> None:
    """Up to the edges of what is refused."""
    assert forbidden_address(address) == ""


@pytest.mark.parametrize(
    "text", ["", "localhost", "2130706433", "0x7f.1", "127.1", "1.2.3", "0177.0.0.1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """ATTACKS 21: decimal and octal forms are none here."""
    assert forbidden_address(text)


def test_a_network_that_is_allowed_is_talked_to_and_no_other() -> None:
    """In the form in which it was allowed: a mapped one is another address."""
    network = read_network("10.1.2.0/24")
    assert network is not None
    assert forbidden_address("10.1.2.3", [network]) == ""
    assert forbidden_address("10.1.3.3", [network])
    assert forbidden_address("::ffff:10.1.2.3", [network])


@pytest.mark.parametrize(
    ("port", "wrong"),
    [
        *((443, False), (80, False), (8443, False), (65535, False), (1024, False)),
        *((0, True), (22, True), (25, True), (587, True), (1023, True), (65536, True)),
    ],
)
def test_ports_of_other_protocols_are_refused(port: int, *, wrong: bool) -> None:
    """ATTACKS 21: a webhook is no way to talk to a mail server."""
    assert forbidden_port(port) is wrong


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_python_agrees_about_ipv4(address: IPv4Address) -> None:
    """What Python calls private is refused, and so is every wrapping of anything."""
    if address.is_private or address.is_multicast or address.is_reserved:
        assert forbidden_address(str(address))
    for wrapped in (
        int(ip_address("::ffff:0:0")) + int(address),
        int(ip_address("64:ff9b::")) + int(address),
        (0x2002 << 112) + (int(address) << 80),
    ):
        assert forbidden_address(str(IPv6Address(wrapped)))


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_python_agrees_about_ipv6(address: IPv6Address) -> None:
    """Nothing outside of global unicast is taken, and nothing that Python refuses."""
    taken = forbidden_address(str(address)) == ""
    assert not (taken and address not in ip_network("2000::/3"))
    if address.is_private or address.is_multicast or address.is_link_local:
        assert not taken
