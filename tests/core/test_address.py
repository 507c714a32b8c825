import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address, is_domain, parse_address


@pytest.mark.parametrize(
    "text",
    [
        "a@b",
        "first.last+tag@mail.example.com",
        "o'neil@example.ie",
        '"two words"@example.com',
        '"a\\"b"@example.com',
        "müller@example.com",
        "x@xn--bcher-kva.example",
        "!#$%&'*+/=?^_`{|}~-@example.com",
    ],
)
def test_an_address_is_read(text: str) -> None:
    """What mail systems deliver to is an address, and spelt as it was given."""
    address = parse_address(text)
    assert address is not None
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a@",
        "@b",
        "a b@example.com",
        "a@exa mple.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@-example.com",
        "a@example-.com",
        "a@example..com",
        "a@bücher.example",
        "a@[192.0.2.1]",
        "@relay.example:a@example.com",
        "a@example.com\r\nRCPT TO:<b@example.com>",
        "a\x00@example.com",
        "a>@example.com",
        "<a@example.com>",
        '"a\r\nb"@example.com',
        "a\u2028b@example.com",
        "a\x85b@example.com",
        "a\ud800@example.com",
        "l" * 65 + "@example.com",
        "a@" + ".".join(["d" * 60] * 5),
        "a@" + "d" * 64 + ".com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """ATTACKS 6: control characters, brackets, source routes and lengths."""
    assert parse_address(text) is None


def test_the_domain_is_folded_and_the_local_part_is_kept() -> None:
    """Only the domain is free of case (RFC 5321 2.4)."""
    assert parse_address("Bob@EXAMPLE.com") == Address("Bob", "example.com")


def test_two_spellings_of_one_mailbox_share_a_key() -> None:
    """A suppression holds whatever the case of the local part, quoted or not."""
    bob = Address("bob", "example.com").key
    for local in ("Bob", '"bob"', '"b\\o\\b"', '"BOB"'):
        assert Address(local, "example.com").key == bob
    assert Address("e\u0301", "x.org").key == Address("\u00c9", "x.org").key
    assert Address('"a b"', "x.org").key == Address(r'"a\ b"', "x.org").key
    assert Address(r'"a\"b"', "x.org").key == r'"a\"b"@x.org'
    assert Address('"a b"', "x.org").key != Address("ab", "x.org").key


@given(st.text(max_size=20).map(lambda text: parse_address(f"{text}@x.org")))
def test_a_key_is_its_own_key(address: Address | None) -> None:
    """Whatever is shown and read again, as lists of suppressions are."""
    if address is not None:
        again = parse_address(address.key)
        assert again is None or again.key == address.key


def test_a_non_ascii_local_part_is_told() -> None:
    """Whoever sends knows that the address needs SMTPUTF8."""
    assert not Address("müller", "example.com").is_ascii
    assert Address("mueller", "example.com").is_ascii


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_without_harm(text: str) -> None:
    """ATTACKS 6: no text crashes the reader; what is read has no control in it."""
    address = parse_address(text)
    if address is not None:
        assert not any(ord(char) < 0x20 or ord(char) == 0x7F for char in str(address))
        assert is_domain(address.domain)
