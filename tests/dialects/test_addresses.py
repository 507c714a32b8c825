import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address, is_domain
from appliance.core.suppression import WholeDomain
from appliance.dialects.addresses import read_address, read_target


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("Bob@Example.ORG", "Bob@example.org"),
        ("  bob@example.org ", "bob@example.org"),
        ("bob@bücher.example", "bob@xn--bcher-kva.example"),
        ("bob@BÜCHER.example", "bob@xn--bcher-kva.example"),
        ("bob@例え。テスト", "bob@xn--r8jz45g.xn--zckzah"),
        ("müller@example.org", "müller@example.org"),
    ],
)
def test_an_address_gets_its_ascii_domain(text: str, spelt: str) -> None:
    """A domain in its own script and the spaces of a careless paste are taken."""
    assert str(read_address(text)) == spelt


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "bob",
        "bob@",
        "@example.org",
        "Bob <bob@example.org>",
        "bob@example.org\r\nBcc: eve@example.org",
        "bob@example.org\n",
        "bob\0@example.org",
        "bob@exam\u2028ple.org",
        "bob@☃.example",
        "bob@-ü.example",
        "bob@[192.0.2.1]",
        "a@b@ü",
        "ü" * 100_000 + "@" + "ü" * 100_000,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """ATTACKS 6, 9: names, lists, second lines and endless domains are no address."""
    assert read_address(text) is None


@given(st.one_of(st.text(), st.text().map(lambda text: f"a@{text}.example")))
def test_reading_never_raises_and_gives_ascii_domains(text: str) -> None:
    """Whatever is sent, the result is None or an address core would take."""
    address = read_address(text)
    assert address is None or is_domain(address.domain)


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("*@Example.ORG", "*@example.org"),
        (" @example.org ", "*@example.org"),
        ("*@bücher.example", "*@xn--bcher-kva.example"),
    ],
)
def test_a_whole_domain_is_read(text: str, spelt: str) -> None:
    """With and without the star, in any script."""
    assert str(read_target(text)) == spelt


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "*@",
        "*",
        "*@*.example",
        "*@a b",
        "a*@",
        "@a@b",
        "*@" + "a" * 400,
        "*@☃",
    ],
)
def test_other_patterns_are_none(text: str) -> None:
    """No part of an address but its domain is left open."""
    assert read_target(text) is None


@given(st.text())
def test_what_is_suppressed_is_an_address_or_a_domain(text: str) -> None:
    """Hostile text raises nothing, and what is read is found by its key again."""
    target = read_target(text)
    assert target is None or isinstance(target, Address | WholeDomain)
    if target is not None:
        again = read_target(str(target))
        assert again is not None
        assert again.key == target.key
