"""The Received field: its grammar, and nothing of a client's own."""

from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.headers import split_message
from appliance.mime.trace import received

AT_S = 1_751_371_200


def made(
    name: str = "client.example",
    ip: str = "192.0.2.1",
    tls: str = "TLSv1.3 TLS_AES_256_GCM_SHA384",
    recipient: str | None = "bob@rcpt.example",
) -> bytes:
    """The field of one session."""
    return received(
        client_name=name,
        client_ip=ip,
        host="mail.example.org",
        protocol="ESMTPSA",
        tls=tls,
        id_="0190a1b2-7c00",
        recipient=recipient,
        at_s=AT_S,
    )


def test_the_field_says_who_when_and_how() -> None:
    """RFC 5321 4.4: from, by, with, id, for, date; a clause to a line."""
    assert made() == (
        b"Received: from client.example ([192.0.2.1])\r\n"
        b"\tby mail.example.org with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\tid 0190a1b2-7c00\r\n"
        b"\tfor <bob@rcpt.example>;\r\n"
        b"\tTue, 01 Jul 2025 12:00:00 +0000\r\n"
    )
    date = made().rpartition(b"\t")[2].decode().strip()
    assert parsedate_to_datetime(date).timestamp() == AT_S


def test_what_is_not_known_is_left_out() -> None:
    """No recipient of many, no TLS, no address."""
    assert made(ip="", tls="", recipient=None).startswith(
        b"Received: from client.example\r\n"
        b"\tby mail.example.org with ESMTPSA\r\n"
        b"\tid 0190a1b2-7c00;\r\n"
    )


@pytest.mark.parametrize(
    ("ip", "literal"),
    [
        ("2001:db8::1", b"([IPv6:2001:db8::1])"),
        ("::ffff:192.0.2.1", b"([192.0.2.1])"),
        ("fe80::1%eth0", b"([IPv6:fe80::1])"),
    ],
)
def test_addresses_are_literals(ip: str, literal: bytes) -> None:
    """RFC 5321 4.1.3: IPv6 says so; a mapped address is the IPv4 one it is."""
    assert literal in made(ip=ip)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a\r\nBcc: eve@example.com",
        "a (b)",
        "a@b",
        "x" * 300,
        "mail.example.org (trusted [10.0.0.1]) by",
        "bücher.example",
        "[a]b]",
        "\0",
    ],
)
def test_a_hostile_client_name_is_unknown(name: str) -> None:
    """ATTACKS 6: what is no host name adds no words to the trace."""
    assert made(name).startswith(b"Received: from unknown ([192.0.2.1])\r\n\tby ")


def test_a_literal_is_a_client_name() -> None:
    """Clients without a name say their address (RFC 5321 4.1.4)."""
    assert made("[192.0.2.7]").startswith(b"Received: from [192.0.2.7] (")


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text())
def test_it_is_always_one_field(name: str, ip: str, tls: str, recipient: str) -> None:
    """ATTACKS 6: whatever is said, the field is ASCII, whole, and on short lines."""
    raw = made(name, ip, tls, recipient)
    (field,), _ = split_message(raw)
    assert (field.name, field.raw) == (b"received", raw)
    assert raw.isascii()
    assert raw.count(b";") == 1
    assert all(len(line) < 998 for line in raw.split(b"\r\n"))


def test_a_recipient_that_is_not_ascii_is_left_out() -> None:
    """The field is ASCII, so that it needs no SMTPUTF8 on the way."""
    assert b"for" not in made(recipient="bö@rcpt.example")
