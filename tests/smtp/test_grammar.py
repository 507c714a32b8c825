import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.errors import LocalProtocolError
from appliance.smtp.grammar import (
    Capabilities,
    has_lone_line_end,
    is_client_name,
    is_path,
    parse_capabilities,
    path,
    wire_content,
)
from appliance.smtp.reply import Reply


def offered(*lines: str) -> Capabilities:
    """What an EHLO reply with these lines offers."""
    return parse_capabilities(Reply(250, ("mx.test hello", *lines)))


def test_capabilities_are_read_in_any_case() -> None:
    """Keywords are case-insensitive (RFC 5321 2.4) and unknown ones do no harm."""
    found = offered("pipelining", "8BitMIME", "SMTPUTF8", "StartTLS", "XWHAT 1 2")
    assert found == Capabilities(
        pipelining=True, eight_bit_mime=True, smtputf8=True, starttls=True
    )


def test_both_forms_of_auth_count() -> None:
    """The form with = from before RFC 2554 offers the same as the other."""
    assert offered("AUTH=LOGIN").auth == {"LOGIN"}
    assert offered("AUTH PLAIN", "AUTH=LOGIN CRAM-MD5").auth == {
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
    }


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("SIZE 1000", 1000),
        ("SIZE", 0),
        ("SIZE 0", 0),
        ("SIZE -5", 0),
        ("SIZE 9" + "9" * 5_000, 0),
        ("SIZE \u0661", 0),
        ("SIZEX 5", None),
    ],
)
def test_size_is_a_number_or_no_limit(line: str, size: int | None) -> None:
    """A SIZE that makes no sense limits nothing and crashes nothing."""
    assert offered(line).size == size


def test_first_line_offers_nothing() -> None:
    """A host that is called like a keyword is still a host."""
    assert parse_capabilities(Reply(250, ("PIPELINING",))) == Capabilities()


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_any_ehlo_reply_can_be_read(lines: list[str]) -> None:
    """Nothing a server offers can raise."""
    assert isinstance(parse_capabilities(Reply(250, tuple(lines))), Capabilities)


@pytest.mark.parametrize(
    "address",
    [
        "a@b.test",
        "postmaster",
        "b+12=x.test@bounce.test",
        '"a b"@c.test',
        '"a>\\"<b"@c.test',
        "a@[IPv6:::1]",
        "\u00fc@b\u00fccher.test",
    ],
)
def test_address_that_is_safe_stands_in_a_command(address: str) -> None:
    """Whatever cannot end its command is left to the server to judge."""
    assert path(address) == b"<" + address.encode() + b">"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a@b.test>\r\nDATA",
        "a@b\n",
        "a@b\r",
        "a\0@b",
        "a b@c",
        "a@b> SIZE=1",
        "<a@b>",
        '"a\r\n"@b',
        '"a"@b c',
        '"a@b',
        "a@b\u2028c",
        "a@b\x85",
        "a@\ud800b",
        "a" * 320 + "@b",
    ],
)
def test_address_that_could_end_its_command_is_refused(address: str) -> None:
    """ATTACKS 6: no address can carry a second command or parameter."""
    assert not is_path(address)
    with pytest.raises(LocalProtocolError):
        path(address)


@given(st.text(max_size=40))
def test_no_path_holds_a_line_end(address: str) -> None:
    """ATTACKS 6: for any text, what is taken has no control and one closing >."""
    if is_path(address):
        raw = path(address)
        assert not any(byte < 0x20 or byte == 0x7F for byte in raw)
        assert '"' in address or raw.count(b">") == 1


@pytest.mark.parametrize("name", ["mail.test", "[127.0.0.1]", "[IPv6:::1]", "a_b"])
def test_client_name_may_be_host_or_literal(name: str) -> None:
    """Both forms of RFC 5321 4.1.4 are names."""
    assert is_client_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a\r\nQUIT", "\u00fc.test", "a" * 256])
def test_client_name_cannot_carry_a_command(name: str) -> None:
    """ATTACKS 6: EHLO's argument is one word."""
    assert not is_client_name(name)


def unstuffed(stuffed: bytes) -> bytes:
    """What a receiver makes of stuffed content (RFC 5321 4.5.2), by line."""
    lines = stuffed.split(b"\r\n")
    return b"\r\n".join(line.removeprefix(b".") for line in lines)


@given(st.lists(st.sampled_from([b"\r\n", b".", b"..", b"a", b"\xff"]), max_size=30))
def test_stuffing_survives_and_hides_every_end(parts: list[bytes]) -> None:
    """ATTACKS 1: nothing inside ends the message, and the receiver gets it back."""
    content = b"".join(parts)
    wire = wire_content(content)
    ended = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    assert unstuffed(wire.stuffed) == ended
    assert b"\r\n.\r\n" not in b"\r\n" + wire.stuffed
    assert wire.size == len(ended)
    assert wire.eight_bit is (not content.isascii())


@given(st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"."]), max_size=12))
def test_lone_line_ends_never_leave(parts: list[bytes]) -> None:
    """ATTACKS 1: a bare CR or LF is refused wherever it stands."""
    content = b"".join(parts)
    lone = re.search(rb"\r(?!\n)|(?<!\r)\n", content) is not None
    assert has_lone_line_end(content) is lone
    if lone:
        with pytest.raises(LocalProtocolError):
            wire_content(content)


def test_headers_and_body_beyond_ascii_are_told_apart() -> None:
    """8BITMIME covers the body, headers need SMTPUTF8 (RFC 6531 1.2)."""
    body = wire_content(b"Subject: a\r\n\r\n\xc3\xbc\r\n")
    head = wire_content(b"Subject: \xc3\xbc\r\n\r\na\r\n")
    assert (body.eight_bit, body.eight_bit_headers) == (True, False)
    assert (head.eight_bit, head.eight_bit_headers) == (True, True)


def test_stuffing_is_linear() -> None:
    """A message that is all dots takes no longer than its length deserves."""
    content = b".\r\n" * 2_000_000
    began = time.perf_counter()
    wire = wire_content(content)
    assert time.perf_counter() - began < 5
    assert len(wire.stuffed) == len(content) + 2_000_000
