"""Header fields: what is written reads back the same, and nothing breaks out."""

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.utils import getaddresses, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.core.address import Address, Mailbox
from appliance.core.fields import header_flaw, is_safe_text
from appliance.mime.headers import (
    MAX_BLOCK_OCTETS,
    MAX_FIELDS,
    Field,
    MalformedMessage,
    UnsafeHeader,
    address_field,
    field,
    join_message,
    parameter_field,
    split_message,
    text_field,
)

HARMFUL = [
    "\r",
    "\n",
    "\r\n",
    "\0",
    "\x07",
    "\x0b",
    "\x7f",
    "\x85",
    "\x9b",
    "\u2028",
    "\u2029",
    "\ud800",
    "\udfff",
]

readable = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300
)
local_parts = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}", fullmatch=True)


def read_back(raw: bytes) -> str:
    """What the standard library, an independent reader, makes of the one field."""
    message = email.message_from_bytes(raw + b"\r\n", policy=email.policy.default)
    (value,) = message.values()
    return str(value)


def reads_plainly(name: str) -> bool:
    """True unless the standard library would take quotes or brackets off the name."""
    return bool(name) and unquote(name) == name == name.strip()


def lines_of(raw: bytes) -> list[bytes]:
    """The lines of a field, which must be folded as they may be."""
    assert raw.endswith(b"\r\n")
    lines = raw.removesuffix(b"\r\n").split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    return lines


@settings(deadline=None)
@given(readable)
@example("=?utf-8?q?already?=")
@example("x" * 998)
@example("é" * 998)
@example("a  =?b  é  c")
def test_subject_reads_back_as_it_was(text: str) -> None:
    """Any subject without controls survives, in ASCII and on lines in bounds."""
    raw = text_field("Subject", text)
    assert read_back(raw) == text.strip(" ")
    assert raw.isascii()
    assert all(len(line) <= 998 for line in lines_of(raw))
    assert all(len(line) <= 76 for line in lines_of(raw) if b"=?utf-8?" in line)


@settings(deadline=None)
@given(readable)
def test_encoded_words_never_split_a_character(text: str) -> None:
    """Each encoded-word is valid UTF-8 by itself and at most 75 long (RFC 2047 5)."""
    raw = text_field("Subject", text)
    for word in re.findall(rb"=\?utf-8\?[qb]\?[^?]*\?=", raw):
        assert len(word) <= 75
        read_back(b"Subject: " + word + b"\r\n").encode()


def test_plain_text_stays_plain() -> None:
    """What ASCII can say is not encoded; only the foreign words are."""
    assert text_field("Subject", "Your order (42)") == b"Subject: Your order (42)\r\n"
    assert text_field("Subject", "Two words grün then more") == (
        b"Subject: Two words =?utf-8?b?Z3LDvG4=?= then more\r\n"
    )
    assert text_field("Subject", "") == b"Subject:\r\n"


def test_the_shorter_encoding_is_taken() -> None:
    """Q for a word with one accent, B for a word of another script."""
    assert b"?q?" in text_field("Subject", "über lange schlichte Wörter")
    assert b"?b?" in text_field("Subject", "日本語の件名")


def test_long_text_is_folded_at_its_blanks() -> None:
    """Lines end at 78 where there is a blank, and unfolding gives the text back."""
    text = "word " * 60 + "end"
    lines = lines_of(text_field("Comments", text))
    assert all(len(line) <= 78 for line in lines)
    assert b"".join(lines) == b"Comments: " + text.encode()


def test_long_tokens_stay_whole() -> None:
    """DEPENDENCIES 0.6: a List-Unsubscribe URL is neither folded nor encoded."""
    url = "<https://t.example.com/u/" + "x" * 400 + ">"
    assert field("List-Unsubscribe", url) == b"List-Unsubscribe: %b\r\n" % url.encode()


def test_a_token_that_fits_no_line_with_its_name_gets_its_own() -> None:
    """No line is above 998 octets (RFC 5322 2.1.1)."""
    raw = field("List-Unsubscribe", "x" * 990)
    assert raw == b"List-Unsubscribe:\r\n " + b"x" * 990 + b"\r\n"


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Mailbox,
            st.builds(Address, local_parts, st.just("example.org")),
            st.text(
                st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"])
                | st.just(" "),
                max_size=60,
            ).map(lambda name: " ".join(name.split(" ")).strip()),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_address_lists_read_back(mailboxes: list[Mailbox]) -> None:
    """Names and addresses of a list survive whatever the names are."""
    raw = address_field("To", mailboxes)
    value = split_message(raw)[0][0].value.decode().replace("\r\n", "")
    # Not policy.default: it puts blanks between the encoded-words of a phrase.
    read = [
        Mailbox(Address(*spec.split("@")), str(make_header(decode_header(name))))
        for name, spec in getaddresses([value])
    ]
    assert read == mailboxes
    assert raw.isascii()
    lines_of(raw)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", b"To: bob@example.org\r\n"),
        ("Bob", b"To: Bob <bob@example.org>\r\n"),
        ("Bob Smith", b"To: Bob Smith <bob@example.org>\r\n"),
        ("Smith, Bob", b'To: "Smith, Bob" <bob@example.org>\r\n'),
        ('The "B"', b'To: "The \\"B\\"" <bob@example.org>\r\n'),
        ("Bob\\", b'To: "Bob\\\\" <bob@example.org>\r\n'),
        ("eve@example.com", b'To: "eve@example.com" <bob@example.org>\r\n'),
        ("Böb", b"To: =?utf-8?q?B=C3=B6b?= <bob@example.org>\r\n"),
    ],
)
def test_display_names_are_spelled_correctly(name: str, written: bytes) -> None:
    """ATTACKS 9: no display name can pass for another address."""
    bob = Address("bob", "example.org")
    assert address_field("To", [Mailbox(bob, name)]) == written


def test_a_local_part_beyond_ascii_is_utf8() -> None:
    """RFC 6532: with SMTPUTF8 the address is written as it is, its name encoded."""
    mailbox = Mailbox(Address("bjørn", "example.org"), "Bjørn")
    assert address_field("To", [mailbox]) == (
        "To: =?utf-8?b?QmrDuHJu?= <bjørn@example.org>\r\n".encode()
    )


def test_a_quoted_local_part_is_never_folded() -> None:
    """A line end behind a backslash would change the address."""
    odd = Mailbox(Address('"a\\ b"', "example.org"), "x" * 60)
    assert b'<"a\\ b"@example.org>' in address_field("To", [odd])


@settings(deadline=None)
@given(readable.filter(reads_plainly))
@example("a" * 255)
@example("文" * 255)
@example("naïve; filename=evil.exe")
@example('"quoted\\".txt')
def test_file_names_read_back(name: str) -> None:
    """ATTACKS 9: any file name survives and adds no parameter (RFC 2231)."""
    raw = parameter_field("Content-Disposition", "attachment", {"filename": name})
    message = email.message_from_bytes(raw + b"\r\n")
    assert message.get_filename() == name
    assert len(message.get_params([], "content-disposition")) == 2
    assert raw.isascii()
    assert all(len(line) <= 998 for line in lines_of(raw))


@pytest.mark.parametrize("harm", HARMFUL)
def test_controls_are_refused_everywhere(harm: str) -> None:
    """ATTACKS 9: nothing that ends a line for anyone gets into a header."""
    text = f"a{harm}Bcc: eve@example.com"
    bob = Address("bob", "example.org")
    assert not is_safe_text(text)
    assert header_flaw("X-Name", text)
    assert header_flaw(f"X-Na{harm}me", "value")
    with pytest.raises(UnsafeHeader):
        field("X-Name", text)
    with pytest.raises(UnsafeHeader):
        text_field("Subject", text)
    with pytest.raises(UnsafeHeader):
        address_field("To", [Mailbox(bob, text)])
    with pytest.raises(UnsafeHeader):
        address_field("To", [Mailbox(Address(text, "example.org"))])
    with pytest.raises(UnsafeHeader):
        parameter_field("Content-Disposition", "attachment", {"filename": text})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("X Name", "x"),
        ("X-Name:", "x"),
        ("X-Näme", "x"),
        ("X" * 77, "x"),
        ("X-Name", "x" * 998),
        ("X-Name", "y " * 6000),
        ("List-Unsubscribe", "<https://exämple.org>"),
        ("message-id", "<ü@example.org>"),
    ],
)
def test_what_cannot_be_written_is_known_beforehand(name: str, value: str) -> None:
    """Intake can refuse by the predicate all that writing would refuse."""
    assert header_flaw(name, value)
    with pytest.raises(UnsafeHeader):
        field(name, value)


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=200))
def test_the_predicate_tells_the_truth(name: str, value: str) -> None:
    """What it passes is written as one field, the rest is refused."""
    if not header_flaw(name, value):
        fields, body = split_message(field(name, value) + b"\r\n")
        assert [one.name for one in fields] == [name.lower().encode()]
        assert body == b""
    else:
        with pytest.raises(UnsafeHeader):
            field(name, value)


def test_a_tab_is_a_blank() -> None:
    """White space of its sender is no reason to refuse a header."""
    assert field("X-Name", "a\tb") == b"X-Name: a b\r\n"


names = st.from_regex(rb"[!-9;-~]{1,20}", fullmatch=True)
octets = st.binary(max_size=40).map(
    lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")
)
raw_fields = st.builds(
    lambda name, first, more: (
        name + b":" + first + b"".join(b"\r\n " + one for one in more) + b"\r\n"
    ),
    names,
    octets,
    st.lists(octets, max_size=3),
)


@settings(deadline=None)
@given(st.lists(raw_fields, max_size=8), st.binary(max_size=200))
def test_split_and_join_are_inverse(block: list[bytes], body: bytes) -> None:
    """Not a byte of a well-formed message changes, whatever the values hold."""
    raw = b"".join(block) + b"\r\n" + body
    fields, rest = split_message(raw)
    assert join_message(fields, rest) == raw
    assert rest == body
    assert [one.raw for one in fields] == block


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_split_answers_or_refuses(raw: bytes) -> None:
    """Any bytes give fields or the one refusal, nothing else."""
    try:
        fields, body = split_message(raw)
    except MalformedMessage:
        return
    assert raw.endswith(body)
    assert all(one.raw.endswith(b"\r\n") for one in fields)


def test_fields_know_name_and_value() -> None:
    """The name is comparable; the value is as it came."""
    fields, body = split_message(b"SubJect : Hi\r\n there\r\nTo: x\r\n\r\nbody")
    assert fields[0] == Field(b"subject", b"SubJect : Hi\r\n there\r\n")
    assert fields[0].value == b" Hi\r\n there\r\n"
    assert (fields[1].name, body) == (b"to", b"body")


def test_messages_without_header_or_body() -> None:
    """Both ends of the range are messages."""
    assert split_message(b"") == ([], b"")
    assert split_message(b"\r\nbody") == ([], b"body")
    assert split_message(b"A: b") == ([Field(b"a", b"A: b\r\n")], b"")


@pytest.mark.parametrize(
    "raw",
    [
        b" continuation first\r\n\r\n",
        b"no colon\r\n\r\n",
        b": no name\r\n\r\n",
        b"A b: name with a blank\r\n\r\n",
        b"A: bare\rCR\r\n\r\n",
        b"A: bare\nLF\r\n\r\n",
        b"From eve Thu Jan 1 00:00:00 1970\r\nA: b\r\n\r\n",
        b"A: b\r\n" * (MAX_FIELDS + 1) + b"\r\n",
        b"A: " + b"x" * MAX_BLOCK_OCTETS + b"\r\n\r\n",
    ],
)
def test_malformed_blocks_are_refused(raw: bytes) -> None:
    """ATTACKS 4, 14: bare line ends, non-fields and endless headers are no mail."""
    with pytest.raises(MalformedMessage):
        split_message(raw)
