import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mime.pieces import (
    MAX_DEPTH,
    MAX_FIELDS,
    MAX_LINE_CHARS,
    MAX_PIECES,
    MAX_TEXT_OCTETS,
    read_fields,
    read_mail,
)

MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"


def kinds(data: bytes) -> list[str]:
    """The media types of the leaves."""
    return [piece.kind for piece in read_mail(data).pieces]


def text(data: bytes) -> str:
    """The text of the only leaf."""
    (piece,) = read_mail(data).pieces
    return piece.text()


def test_a_mail_without_mime_is_one_text() -> None:
    """Its header is its own, whatever its lines end in."""
    mail = read_mail(b"Subject: a\r\n b\r\nX: y\r\n\r\nhello\r\n")
    assert mail.fields.pairs == (("subject", "a  b"), ("x", "y"))
    assert mail.pieces[0].text() == "hello\n"


def test_leaves_are_found_in_order_below_multiparts() -> None:
    """Preamble and epilogue are no parts (RFC 2046 5.1.1)."""
    data = (
        MIXED
        + b"preamble\n--b\n\none\n--b\nContent-Type: multipart/alternative;"
        + b' boundary="b c"\n\n--b c\n\ntwo\n--b c--\n--b\n'
        + b"Content-Type: Message/RFC822\n\nFrom: x\n--b--\n--b\n\nepilogue"
    )
    assert kinds(data) == ["text/plain", "text/plain", "message/rfc822"]
    bodies = [piece.body for piece in read_mail(data).pieces]
    assert bodies == [b"one", b"two", b"From: x"]


def test_a_multipart_without_a_boundary_is_text() -> None:
    """What it says may still be read."""
    assert text(b"Content-Type: multipart/report\n\nhello") == "hello"


def test_a_last_part_without_its_end_is_one() -> None:
    """A mail that was cut is read as far as it goes."""
    assert kinds(MIXED + b"--b\n\none\n--b\n\ntw") == ["text/plain", "text/plain"]


@pytest.mark.parametrize(
    ("encoding", "body", "read"),
    [
        (b"base64", b"aGVs\nbG8=", "hello"),
        (b"base64", b"aGVsbG8", "hello"),
        (b"BASE64", b"a!G V\0sbG8", "hello"),
        (b"base64", b"aGVsbG8hA", "hello!"),
        (b"quoted-printable", b"h=65l=\nlo=ZZ", "hello=ZZ"),
        (b"x-unknown", b"hello", "hello"),
    ],
)
def test_what_is_encoded_is_read_as_far_as_it_goes(
    encoding: bytes, body: bytes, read: str
) -> None:
    """Broken encodings lose what is broken, not the rest."""
    head = b"Content-Transfer-Encoding: " + encoding + b"\n\n"
    assert text(head + body) == read


@pytest.mark.parametrize(
    ("charset", "octets", "read"),
    [
        (b"utf-8", "Müller".encode(), "Müller"),
        (b"utf-8", "Müller".encode("latin-1"), "Müller"),
        (b"us-ascii", "Müller".encode(), "Müller"),
        (b"iso-8859-15", "10 €".encode("iso-8859-15"), "10 €"),
        (b"koi8-r", "Привет".encode("koi8-r"), "Привет"),
        (b"made-up", b"hello", "hello"),
        (b"idna", b"hello", "hello"),
    ],
)
def test_character_sets_are_read_by_a_table(
    charset: bytes, octets: bytes, read: str
) -> None:
    """ATTACKS 14: wrong and unknown ones cost nothing and raise nothing."""
    assert (
        text(b"Content-Type: text/plain; charset=%b\n\n%b" % (charset, octets)) == read
    )


def test_control_characters_are_blanks() -> None:
    """What is read may be logged and shown."""
    assert text(b"\na\x1b[31m\x07b\xc2\x85c") == "a [31m b c"


def test_the_fields_are_those_of_the_first_of_a_name() -> None:
    """Lines that are no fields are passed over, as an mbox's first line is."""
    block = (
        "From x Thu Apr 29 16:51:04 2007\nA: 1\nno field\n  rest\na : 2\n\tmore\n:\n"
    )
    assert list(read_fields(block)) == [("a", "1"), ("a", "2 \tmore")]
    assert read_mail(block.encode()).fields.first("a") == "1"


def test_parts_levels_fields_and_lines_have_bounds() -> None:
    """ATTACKS 14: what lies beyond them is not looked at."""
    assert len(kinds(MIXED + b"--b\n\n\n" * 1_000)) < MAX_PIECES
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=x%d\n\n--x%d\n" % (level, level)
        for level in range(100)
    )
    assert kinds(nested) == ["multipart/mixed"]
    assert nested.count(b"boundary") > MAX_DEPTH
    mail = read_mail(b"X: a\n" * (2 * MAX_FIELDS))
    assert len(mail.fields.pairs) == MAX_FIELDS
    assert len(text(b"\n" + b"a" * 1_000_000)) == MAX_LINE_CHARS
    assert len(text(b"\n" + b"a\n" * 1_000_000)) == MAX_TEXT_OCTETS


def test_multiparts_without_parts_have_a_bound_too() -> None:
    """Endless empty containers are counted as parts are."""
    empty = b"--b\nContent-Type: multipart/mixed; boundary=c\n\n"
    assert kinds(MIXED + empty * 100_000 + b"--b\n\nlast") == []


@given(st.binary(max_size=300))
def test_any_octets_are_a_mail(octets: bytes) -> None:
    """Nothing raises, and each leaf can be read in both ways."""
    for head in (b"", MIXED + b"--b\n"):
        for piece in read_mail(head + octets).pieces:
            assert "\0" not in piece.text()
            assert piece.header().first("x") is not None
