import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import parse_address
from appliance.mime.returned import MAX_DIAGNOSTIC_CHARS, MAX_NAME_CHARS
from appliance.mime.told import (
    better_status,
    find_address,
    one_line,
    read_address,
    read_date,
    read_name,
    read_reply,
    read_status_code,
)

TOLD = st.lists(
    st.one_of(
        st.text(max_size=10),
        st.sampled_from(
            ["@", "rfc822;", "<", ">", ".", "bob", "550 ", "5.1.1", "\\x{"]
        ),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    "told",
    [
        *("rfc822; bob@example.com", "RFC822;bob@example.com", "bob@example.com"),
        *("rfc822; <bob@example.com>", "rfc822;bob@EXAMPLE.com (Bob's box)"),
        *("LOCAL; Bob <bob@example.com>", "smtp:bob@example.com", "bob@example.com."),
        *(
            "x-local;SMTP:bob@example.com",
            "rfc822;@a.example,@b.example:bob@example.com",
        ),
        *("rfc822;\tbob@example.com\r\n", "utf-8; bob\\x{40}example.com"),
        *("rfc822; bob+40example.com", "mailto:bob@example.com?subject=x"),
        *('"bob@example.com"', "[bob@example.com]", "'bob@example.com'"),
    ],
)
def test_an_address_is_read_as_reports_write_it(told: str) -> None:
    """Type, brackets, comments and prefixes are not the address."""
    assert read_address(told) == "bob@example.com"


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("utf-8; \\x{5C71}@example.jp", "\u5c71@example.jp"),
        ("utf-8; \u5c71@\u4f8b\u3048.jp", "\u5c71@xn--r8jz45g.jp"),
        ("rfc822; b+3D@example.com", "b+3D@example.com"),
        ('rfc822; "bob smith"@example.com', '"bob smith"@example.com'),
        ("rfc822; bounces+a+7@sp-bounce.example", "bounces+a+7@sp-bounce.example"),
    ],
)
def test_international_and_odd_addresses_are_kept(told: str, address: str) -> None:
    """RFC 6533 3: what was written in ASCII comes out as it is meant."""
    assert read_address(told) == address


@pytest.mark.parametrize(
    "told",
    [
        *("", "rfc822;", "unknown", "x400; /C=us/A= /P=x/", "rfc822; bob@", "@", "a@-"),
        *("|/usr/bin/vacation", "bob@[192.0.2.1]", "utf-8; \\x{0A}@\\x{110000}"),
        *("bob@" + "a" * 300, "bob@" + "\u00fc" * 101, "b" * 65 + "@"),
    ],
)
def test_what_is_no_address_is_none(told: str) -> None:
    """Nothing is made up: a report without a readable name is about nobody."""
    assert read_address(told) == ""


@given(TOLD)
def test_an_address_that_is_read_is_one_of_ours(told: str) -> None:
    """Whatever is told, what comes out parses as it stands."""
    for address in (read_address(told), find_address(told)):
        assert not address or str(parse_address(address)) == address


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("550 5.1.1 no", 550, "5.1.1"),
        ("550-5.1.1 no", 550, "5.1.1"),
        ("#550 5.1.1 RESOLVER.ADR", 550, "5.1.1"),
        ("smtp;550-#5.1.1 no", 550, "5.1.1"),
        ("host x[192.0.2.1] said: 452 4.2.2 full", 452, "4.2.2"),
        ("(reason: 550 no)", 550, ""),
        ("Remote Server returned '554 no'", 554, ""),
        ("552: 1 Requested", 552, ""),
        ("Sorry, no mailbox (#5.1.1)", 0, "5.1.1"),
        ("5.1.0 - Unknown address error 550-'no", 0, "5.1.0"),
        ("550 5.1.1.1.1 five numbers", 550, ""),
        ("took 550 ms at 5.1.1.1", 0, ""),
        ("550 times I told you", 550, ""),
        ("order 5501 at 1.5.1.1", 0, ""),
        ("650 6.1.1 no", 0, ""),
        ("", 0, ""),
    ],
)
def test_a_reply_is_found_in_its_words(text: str, code: int, status: str) -> None:
    """Code and status where people write them; other numbers are none."""
    assert read_reply(text) == (code, status)


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("5.1.1", "5.1.1"),
        ("5.0.0 (permanent failure)", "5.0.0"),
        ("4.4.7", "4.4.7"),
        ("5.7.133", "5.7.133"),
        ("5.1.1.1.1", ""),
        ("5.1", ""),
        ("3.1.1", ""),
        ("\u0665.1.1", ""),
        ("5.1.1000", ""),
    ],
)
def test_a_status_has_three_numbers(field: str, status: str) -> None:
    """RFC 3463 2: nothing is built on what is no status."""
    assert read_status_code(field) == status


@pytest.mark.parametrize(
    ("field", "told", "status"),
    [
        ("5.0.0", "5.1.1", "5.1.1"),
        ("", "5.1.1", "5.1.1"),
        ("5.0.0", "4.2.2", "5.0.0"),
        ("5.1.1", "5.7.1", "5.1.1"),
        ("5.0.0", "", "5.0.0"),
        ("", "", ""),
    ],
)
def test_words_make_a_vague_status_closer(field: str, told: str, status: str) -> None:
    """Exim writes 5.0.0 for all; the server's own words say which it is."""
    assert better_status(field, told) == status


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("Tue, 12 May 2026 10:02:11 +0200", 1778572931),
        ("Tue, 12 May 2026 10:02:11 +0200 (CEST)", 1778572931),
        ("12 May 2026 08:02:11 GMT", 1778572931),
        ("Tue, 12 May 2026 00:32:11 -0730", 1778572931),
        ("12 May 2026 08:02", 1778572920),
        ("1 Jan 1970 00:00:00 +0900", 0),
        ("32 May 2026 08:02:11", 0),
        ("12 Mai 2026 08:02:11", 0),
        ("12 May 0000 08:02:11", 0),
        ("yesterday", 0),
        ("", 0),
    ],
)
def test_a_date_is_read_or_not(text: str, at_s: int) -> None:
    """RFC 5322 3.3 with what surrounds it; 0 is not known."""
    assert read_date(text) == at_s


@given(TOLD)
def test_any_text_is_read_by_all(text: str) -> None:
    """Never raises, and what comes out is bounded and on one line."""
    long = text * 500
    assert len(one_line(long)) <= MAX_DIAGNOSTIC_CHARS
    assert one_line(one_line(text)) == one_line(text)
    assert len(read_name(long)) <= MAX_NAME_CHARS
    assert read_date(long) >= 0
    assert read_reply(long)[0] >= 0
    assert len(find_address(long)) <= 254


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dns; mx.example.com", "mx.example.com"),
        ("DNS;mx.example.com. (192.0.2.1, the server)", "mx.example.com"),
        ("mx.example.com", "mx.example.com"),
        ("dns; [192.0.2.1]", "[192.0.2.1]"),
        ("", ""),
    ],
)
def test_a_host_is_named_without_what_surrounds_it(text: str, name: str) -> None:
    """RFC 3464 2.3.5."""
    assert read_name(text) == name
