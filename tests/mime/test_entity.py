"""Entities: any text and any file passes a 7-bit relay and comes out the same."""

import email

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.core.submission import Attachment
from appliance.mime.entity import attachment_entity, media_type, text_entity
from appliance.mime.headers import UnsafeHeader

PIECES = ["From ", ".", "\n", "\r", "x" * 75, "x" * 999, " ", "é"]


def normalised(text: str) -> str:
    """The text with CRLF for every line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def decoded(entity: bytes) -> bytes:
    """The content as the standard library decodes it."""
    payload = email.message_from_bytes(entity).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def encoding(text: str) -> bytes:
    """The transfer encoding that a text gets."""
    header = text_entity("plain", text).partition(b"\r\n\r\n")[0]
    return header.rpartition(b" ")[2]


def check_lines(entity: bytes) -> None:
    """It is 7-bit, with CRLF only, on lines within the limit."""
    assert entity.isascii()
    assert entity.find(b"\0") < 0
    assert entity.count(b"\r") == entity.count(b"\n") == entity.count(b"\r\n")
    assert all(len(line) <= 998 for line in entity.split(b"\r\n"))


@settings(deadline=None)
@given(
    st.text()
    | st.text("From .=é\r\n\t x", max_size=200)
    | st.lists(st.sampled_from(PIECES)).map("".join)
)
@example("From here\nFrom there")
@example("é" * 40 + "From x\nFrom y")
@example(".\n..\n.é")
@example("trailing \t\nblanks \t")
@example("x" * 998)
@example("x" * 999)
@example("\0")
def test_texts_come_out_as_they_went_in(text: str) -> None:
    """RFC 2045 6.7: blanks at line ends, lone dots, From lines, long lines, all."""
    entity = text_entity("plain", text)
    assert decoded(entity).decode() == normalised(text)
    check_lines(entity)
    body = entity.partition(b"\r\n\r\n")[2]
    assert not any(line.startswith(b"From ") for line in body.split(b"\r\n"))
    if encoding(text) == b"quoted-printable":
        lines = body.split(b"\r\n")
        assert all(len(line) <= 76 for line in lines)
        assert not any(line.endswith((b" ", b"\t")) for line in lines)
        assert b"." not in lines


@pytest.mark.parametrize("length", range(60, 90))
@pytest.mark.parametrize("end", [" ", "\t", "ä ", "\xff\t"])
def test_no_line_grows_beyond_its_bound(length: int, end: str) -> None:
    """A blank at the end of a full line is three octets more (RFC 2045 6.7)."""
    entity = text_entity("plain", "0" * length + end + "\nü" + "x" * 200)
    assert encoding("0" * length + end + "\nü" + "x" * 200) == b"quoted-printable"
    body = entity.partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 76


def test_the_lightest_encoding_is_taken() -> None:
    """As it is where it may be; else what grows least."""
    assert encoding("plain text\n") == b"7bit"
    assert encoding("a schönes Wort in einem langen Satz") == b"quoted-printable"
    assert encoding("x" * 2000) == b"quoted-printable"
    assert encoding("日本語のテキスト" * 20) == b"base64"


def test_half_characters_become_question_marks() -> None:
    """A lone surrogate cannot be sent and does not stop the mail."""
    assert decoded(text_entity("plain", "a\ud800b")) == b"a?b"


@settings(deadline=None)
@given(st.binary(max_size=500), st.sampled_from(["a.bin", "a.txt", "ä b.pdf", ""]))
def test_files_come_out_as_they_went_in(content: bytes, name: str) -> None:
    """Base64 on lines of 76, with the name and a disposition."""
    entity = attachment_entity(Attachment(name, content))
    message = email.message_from_bytes(entity)
    assert decoded(entity) == content
    assert (message.get_content_disposition(), message.get_filename("")) == (
        "attachment",
        name,
    )
    assert message.get_content_type() == media_type(name)
    check_lines(entity)
    assert all(len(line) <= 78 for line in entity.split(b"\r\n"))


def test_large_files_are_cut_between_lines() -> None:
    """The blocks in which a file is encoded leave no seam."""
    content = bytes(range(256)) * 4000
    entity = attachment_entity(Attachment("a.bin", content))
    lines = entity.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert {len(line) for line in lines[:-1]} == {76}
    assert decoded(entity) == content


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.pdf", "application/pdf"),
        ("A.PDF", "application/pdf"),
        ("a.tar.gz", "application/gzip"),
        ("mail.eml", "application/octet-stream"),
        ("a.exe", "application/octet-stream"),
        ("pdf", "application/pdf"),
        ("", "application/octet-stream"),
        ("__proto__", "application/octet-stream"),
    ],
)
def test_media_types_are_the_same_everywhere(name: str, kind: str) -> None:
    """The table is ours; a file that base64 is forbidden for is just bytes."""
    assert media_type(name) == kind


def test_text_files_say_utf8_if_they_are() -> None:
    """Otherwise a reader would take them for ASCII."""
    for content, charset in ((b"gr\xc3\xbcn", "utf-8"), (b"gr\xfcn", None)):
        entity = attachment_entity(Attachment("a.csv", content))
        assert email.message_from_bytes(entity).get_content_charset() == charset


def test_file_names_cannot_break_out() -> None:
    """ATTACKS 9: a control character in a file name is refused."""
    with pytest.raises(UnsafeHeader):
        attachment_entity(Attachment("a\r\nBcc: eve@example.com", b""))
