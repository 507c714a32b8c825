"""Mail that came in: what is known of it, what is refused, what is kept."""

import email
from email import policy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.core.address import Address, Mailbox
from appliance.mime.headers import (
    MAX_BLOCK_OCTETS,
    MAX_FIELDS,
    MalformedMessage,
    split_message,
)
from appliance.mime.incoming import BadSender, finish, read_incoming

BODY = b"line\r\n\r\n\x00\xff .\r\n..\r\nno end"
PLAIN = b"From: a@b.example\r\nSubject: s\r\n\r\n" + BODY
FRONT = b"Received: from x\r\n\tby y; z\r\n"


def senders(header: bytes) -> list[str]:
    """The addresses that count as senders of a message with this header."""
    return [str(one.address) for one in read_incoming(header + b"\r\n\r\n").senders]


def kept(data: bytes, *dropped: str) -> bytes:
    """The mail that is kept of ``data``."""
    return finish(
        read_incoming(data),
        drop=lambda name: name in dropped,
        front=FRONT,
        date_s=0,
        message_id="1@b.example",
    )


def test_a_message_is_read() -> None:
    """Senders, subject, identity and hops, as intake needs them."""
    incoming = read_incoming(
        b"Received: 1\r\nReceived: 2\r\nX-Received: 3\r\n"
        b"From: =?utf-8?q?B=C3=B6b?=\r\n <a@B\xc3\x9cCHER.example>, c@d.example\r\n"
        b"Subject:\t=?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_dich?=\r\n"
        b"message-id:\r\n <x.y@z>\r\n\r\n" + BODY
    )
    assert incoming.senders == (
        Mailbox(Address("a", "xn--bcher-kva.example"), "Böb"),
        Mailbox(Address("c", "d.example")),
    )
    assert incoming.subject == "grüße dich"
    assert incoming.message_id == "x.y@z"
    assert incoming.hops == 2
    assert incoming.body == BODY


def test_headers_are_told_in_order() -> None:
    """Lower-case names, values unfolded and trimmed; bad UTF-8 is told, not raised."""
    data = (
        b"A: 1\r\nFrom: a@b.example\r\nX-tag:\r\n\t one\r\n  two \r\na : \xff\r\n\r\n"
    )
    assert read_incoming(data).headers() == [
        ("a", "1"),
        ("from", "a@b.example"),
        ("x-tag", "one  two"),
        ("a", "\ufffd"),
    ]


@pytest.mark.parametrize(
    ("header", "word"),
    [
        (b"Subject: x", "no From"),
        (b"Sender: a@b.example", "no From"),
        (b"Resent-From: a@b.example", "no From"),
        (b"X-From: a@b.example", "no From"),
        (b"From: a@b.example\r\nFrom: a@b.example", "more than one"),
        (b"From: a@b.example\r\nfRoM: c@d.example", "more than one"),
        (b"From: a@b.example\r\nFrom : c@d.example", "more than one"),
        (b"From : a@b.example", "not spelled"),
        (b"From\t: a@b.example", "not spelled"),
        (b"From: a@b.example\r\n \r\n c@d.example", "not spelled"),
        (b"From: a@b.example\r\n\t \r\nX: y", "not spelled"),
        (b"From:", "list"),
        (b"From: a@exam\r\n ple.com", "list"),
        (b"From: Team: a@b.example;", "group"),
        (b"From: <@a,@b:c@d>", "route"),
        (b'From: "a@b.example"@c.example', "none"),
        (b"From: a@b.example\xff", "UTF-8"),
        (b"From: \xe4 <a@b.example>", "UTF-8"),
        (b"From: a@b.example\0", "control"),
        (b"From: a\xc2\x85 <a@b.example>", "control"),
        (b"From: a@b.example (" + b"x" * 20_000 + b")", "too long"),
    ],
)
def test_a_sender_in_doubt_is_refused(header: bytes, word: str) -> None:
    """ATTACKS 7: no From, two of them, blanks, folds and octets that hide one."""
    with pytest.raises(BadSender, match=word):
        senders(header)


def test_a_folded_from_is_one_from() -> None:
    """ATTACKS 7: folds are read where they may be."""
    header = b'From:\r\n "B,\r\n\tb"\r\n <a@b.example>'
    assert senders(header) == ["a@b.example"]


@pytest.mark.parametrize(
    "name", [b"Sender", b"Resent-From", b"Resent-Sender", b"X-From"]
)
def test_other_fields_name_no_sender(name: bytes) -> None:
    """ATTACKS 7: Sender and Resent tricks; the key is held to From."""
    header = name + b": good@c.example\r\nFrom: a@b.example\r\n" + name + b": x@y"
    assert senders(header) == ["a@b.example"]


@pytest.mark.parametrize(
    "data",
    [
        b"no field\r\n\r\n",
        b"From: a@b.example\n\r\n\r\n",
        b"From: a@b.example\r\nX: a\rFrom: c@d\r\n\r\n",
        b"From: a@b.example\r\n" + b"x:\r\n" * MAX_FIELDS + b"\r\n",
        b"From: a@b.example\r\nx: " + b"x" * MAX_BLOCK_OCTETS,
    ],
)
def test_a_header_that_is_none_is_refused(data: bytes) -> None:
    """ATTACKS 4, 7: lines that are no fields, and endless headers."""
    with pytest.raises(MalformedMessage):
        read_incoming(data)


def test_what_is_kept_can_be_read_again() -> None:
    """A header just within the bounds leaves room for what is put on top.

    Else the mail would be taken and could then never be signed.
    """
    with pytest.raises(MalformedMessage, match="too large"):
        read_incoming(b"From: a@b.example\r\n" + b"x:\r\n" * (MAX_FIELDS - 1) + b"\r\n")
    data = b"From: a@b.example\r\n" + b"x:\r\n" * (MAX_FIELDS - 101) + b"\r\n"
    split_message(kept(data) + b"\r\n")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Message-ID: x\r\n",
        b"Message-ID: <>\r\n",
        b"Message-ID: <a b@c>\r\n",
        b"Message-ID: <a\0@c>\r\n",
        b"Message-ID: <\xff@c>\r\n",
        b"Message-ID: <a@b> <c@d>\r\n",
        b"Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n",
    ],
)
def test_a_message_id_in_doubt_is_none(header: bytes) -> None:
    """It is the key for mail that comes twice, so it is one token or nothing."""
    assert read_incoming(header + PLAIN).message_id == ""


def test_hops_are_counted() -> None:
    """ATTACKS 8: each Received field is one, however it is spelled."""
    data = b"RECEIVED: x\r\n" * 50 + b"received : y\r\n" + PLAIN
    assert read_incoming(data).hops == 51


def test_every_other_byte_is_kept() -> None:
    """Fields stay as they were folded, spelled and encoded; so does the body."""
    fields = b"to : x\r\n\t y  \r\nX: \xff=?x?=\r\nDATE: now\r\nMessage-Id: z\r\n"
    assert kept(fields + PLAIN) == FRONT + fields + PLAIN


def test_what_others_must_not_see_is_gone() -> None:
    """Bcc above all, however it is folded and as often as it is there."""
    hidden = (
        b"BCC: a@x.example,\r\n b@x.example\r\nBcc :\r\nResent-Bcc: c\r\n"
        b"Return-Path: <d>\r\nX-Tag: t\r\n"
    )
    rest = b"Date: now\r\nMessage-ID: <z>\r\nX-Tag-2: u\r\n"
    assert kept(hidden + rest + PLAIN, "x-tag") == FRONT + rest + PLAIN


def test_date_and_message_id_are_added_where_missing() -> None:
    """At the end of the header, in front of a body that stays."""
    header, _, body = PLAIN.partition(b"\r\n\r\n")
    assert kept(PLAIN) == b"".join(
        [
            FRONT,
            header,
            b"\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            b"Message-ID: <1@b.example>\r\n\r\n",
            body,
        ]
    )


def test_blank_ones_are_missing() -> None:
    """RFC 5322 3.6: a Date is a date, a Message-ID an id."""
    for message_id in (b"", b" \r\n\t", b" < >"):
        blank = b"Date: \r\n\t\r\nMessage-ID:" + message_id + b"\r\n"
        assert kept(blank + PLAIN) == kept(PLAIN)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"Message-ID: <a@b>\r\n", ""),
        (b"Message-ID: x\r\n", "x"),
        (b"Message-ID: <a b@c>\r\n", "a b@c"),
        (b"Message-ID: \r\nMessage-ID: <c@d>\r\n", "c@d"),
        (b"Message-ID: <>\r\n", ""),
        (b"Message-ID: \x0c\r\n", "\x0c"),
        (b"", ""),
    ],
)
def test_what_stands_where_an_id_should_is_known(header: bytes, told: str) -> None:
    """It leaves as it is, so it is what is told of the mail."""
    assert read_incoming(header + PLAIN).odd_message_id == told


def test_a_message_without_a_body_gets_its_blank_line() -> None:
    """What is added must stand in the header."""
    mail = kept(b"From: a@b.example\r\nDate: x")
    assert mail.endswith(b"Date: x\r\nMessage-ID: <1@b.example>\r\n\r\n")


pieces = st.sampled_from(
    [b"\r\n", b"\r", b"\n", b"\0", b"\xff", b" ", b"\t", b"Received: x\r\n"]
) | st.sampled_from(b"From : a@b.example Subject: =?utf-8?q? =C3?= < > ,".split())


@settings(deadline=None)
@given(st.binary() | st.lists(pieces).map(b"".join))
@example(b"\r\n")
@example(b"")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """ATTACKS 7: nothing raises but the refusal; what is taken has a sender."""
    try:
        incoming = read_incoming(b"From: a@b.example\r\n" + data)
    except MalformedMessage:
        return
    assert {str(one.address) for one in incoming.senders} == {"a@b.example"}
    assert len(incoming.headers()) == len(incoming.fields)
    assert kept(b"From: a@b.example\r\n" + data).startswith(FRONT)


header_lines = st.lists(
    st.sampled_from([b"Subject", b"Date", b"X-A", b"Cc", b"Received"])
    .flatmap(
        lambda name: st.text(st.characters(codec="ascii", categories=["L", "N", "P"]))
        .map(lambda text: name + b": " + text.encode())
    ),
    max_size=6,
)  # fmt: skip


@settings(deadline=None)
@given(header_lines)
def test_headers_are_those_of_the_standard_library(lines: list[bytes]) -> None:
    """The oracle: names and values of plain fields, in order."""
    data = b"\r\n".join([b"From: a@b.example", *lines, b"", b""])
    message = email.message_from_bytes(data, policy=policy.compat32)
    theirs = [(name.lower(), value.strip()) for name, value in message.items()]
    assert read_incoming(data).headers() == theirs
