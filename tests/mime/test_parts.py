"""The walk over a message: which parts may be changed, and which never."""

import email

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.parts import MAX_DEPTH, MAX_PARTS, find_html
from tests.fakes.mime import SIMPLE, message, multipart, part

HTML = part()
PLAIN = part("text", kind="text/plain")


def bodies(data: bytes) -> list[bytes]:
    """The bodies of the parts that may be changed."""
    return [data[one.start : one.end] for one in find_html(data)]


def count(entity: bytes, fields: str = "") -> int:
    """How many parts of a mail may be changed."""
    return len(find_html(message(entity, fields)))


def test_a_mail_of_html_is_its_own_part() -> None:
    """The header of the message is the header of the part."""
    data = message(part(encoding="8BIT", charset="ISO-8859-1"))
    (one,) = find_html(data)
    assert data[one.start : one.end] == SIMPLE.encode()
    assert (
        data[one.field_start : one.field_end] == b"Content-Transfer-Encoding: 8BIT\r\n"
    )
    assert (one.encoding, one.charset) == (b"8bit", "ISO-8859-1")
    assert (one.boundaries, one.alternative) == ((), 0)


def test_parts_are_found_where_they_stand() -> None:
    """The line end before a delimiter is the delimiter's (RFC 2046 5.1.1)."""
    one, two, three = part("<a>1\r\n"), part("2", encoding="base64"), part("\r\n3")
    inner = multipart("alternative", PLAIN, one, two, boundary="b0-1")
    data = message(multipart("mixed", inner, three))
    assert bodies(data) == [b"<a>1\r\n", b"Mg==", b"\r\n3"]
    first, second, third = find_html(data)
    assert first.boundaries == second.boundaries == (b"b0", b"b0-1")
    assert (first.alternative, second.alternative, third.alternative) == (1, 1, 0)
    assert data[first.field_start :].startswith(b"\r\n<a>1")


def test_alternatives_are_numbered_from_outside() -> None:
    """One within another is the same choice for a reader; the next is another."""
    inner = multipart("alternative", HTML, boundary="b2")
    outer = multipart("alternative", HTML, inner, boundary="b1")
    again = multipart("alternative", HTML, boundary="b3")
    found = find_html(message(multipart("mixed", outer, again)))
    assert [one.alternative for one in found] == [1, 1, 2]


@pytest.mark.parametrize(
    "name",
    ["DKIM-Signature", "domainkey-signature", "ARC-Message-Signature", "Content-MD5"],
)
def test_a_signed_message_has_none(name: str) -> None:
    """ATTACKS 14: a client's own signature would break with the body."""
    assert count(HTML, f"{name}: v=1\r\n") == 0
    assert count(multipart("mixed", HTML), f"{name} : v=1\r\n") == 0


@pytest.mark.parametrize(
    "kind", ["signed", "encrypted", "report", "digest", "form-data", "x-unknown"]
)
def test_signed_and_encrypted_parts_are_never_rewritten(kind: str) -> None:
    """ATTACKS 14: nor what is below them, nor what is not known to be shown."""
    sealed = multipart(kind, HTML, PLAIN, boundary="b1")
    assert count(sealed) == 0
    assert count(multipart("mixed", sealed, HTML)) == 1
    deeper = multipart(kind, multipart("mixed", HTML, boundary="b2"), boundary="b1")
    assert count(deeper) == 0


@pytest.mark.parametrize(
    "kind",
    [
        "message/rfc822",
        "message/global",
        "message/partial",
        "message/external-body",
        "application/pkcs7-mime",
        "application/x-pkcs7-mime",
        "application/ms-tnef",
        "application/xhtml+xml",
        "text/x-amp-html",
        "text/plain",
        "text/html5",
        "text/__proto__",
    ],
)
def test_what_is_no_html_is_not_touched(kind: str) -> None:
    """ATTACKS 14: message/rfc822 is never descended, AMP and TNEF are left."""
    inside = HTML + b"\r\n" + multipart("mixed", HTML, boundary="b2")
    assert count(part(inside, kind=kind)) == 0
    assert count(multipart("mixed", part(inside, kind=kind))) == 0


def test_a_message_in_a_message_without_end_is_opaque() -> None:
    """ATTACKS 14: cycles and depth of message/rfc822 cost nothing."""
    data = b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + HTML
    assert find_html(data) == ()


@pytest.mark.parametrize(
    "more",
    [
        "Content-Disposition: attachment\r\n",
        "Content-Disposition: attachment; filename=a.html\r\n",
        "content-disposition : ATTACHMENT\r\n",
        "Content-Disposition: inline; filename=a.html\r\n",
        "Content-Disposition: inline;\r\n filename*=utf-8''a.html\r\n",
        "Content-Disposition: unknown\r\n",
        "Content-Disposition: \xe4\r\n",
    ],
)
def test_files_are_not_touched(more: str) -> None:
    """A file is what it is, also where a reader shows it."""
    assert count(multipart("mixed", part(more=more))) == 0
    assert count(multipart("mixed", part(kind="text/html; name=a.html"))) == 0
    assert count(multipart("mixed", part(more="Content-Disposition: inline\r\n"))) == 1


@pytest.mark.parametrize(
    "more",
    [
        "Content-Type: text/plain\r\n",
        "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n",
        "Content-Disposition: inline\r\nContent-Disposition: attachment\r\n",
        "no field\r\n",
        ": no name\r\n",
        "X: a\rb\r\n",
    ],
)
def test_a_header_in_doubt_leaves_the_part_alone(more: str) -> None:
    """What two readers could take differently is not changed for one of them."""
    assert count(part(more=more)) == 0
    assert count(multipart("mixed", part(more=more))) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"\r\n<a>",
        b"no header",
        b"Content-Type: text/html",
        b"Content-Type: text/html\r\n\r\n",
        b"From: a@b.example\r\n\r\n<a>",
        b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n--\r\n",
        b"Content-Type: multipart/mixed; boundary=\r\n\r\n",
        b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n'
        + HTML
        + b"\r\n----",
        b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n--b0--\r\n" + HTML,
        b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n--b0",
        b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n--b0\r\n--b0\r\n--b0--",
        b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n--b0\r\n\r\n" + HTML,
        b"Content-Type: text/html\r\n\r\n<a>\n",
        b"Content-Type: text/html\r\n\r\n<a>\r",
    ],
)
def test_what_is_no_html_mail_has_none(data: bytes) -> None:
    """No type, no body, no boundary, no part, line ends that are none."""
    assert find_html(data) == ()


def test_an_encoded_container_is_opaque() -> None:
    """RFC 2045 6.4: it may not be; whoever decodes it finds other parts."""
    encoding = "Content-Transfer-Encoding: base64\r\n"
    assert count(multipart("mixed", HTML, more=encoding)) == 0
    assert count(multipart("mixed", HTML, more=encoding.replace("base64", "8bit"))) == 1


def test_delimiters_are_whole_lines() -> None:
    """Blanks behind them are padding; anything else makes a line of text."""
    body = b"a --b0\r\n--b01\r\n --b0\r\n--b0-\r\n--b0--x"
    data = message(
        multipart("mixed", part(body)).replace(b"--b0--\r\nep", b"--b0-- \t\r\nep")
    )
    data = data.replace(b"preamble\r\n--b0\r\n", b"preamble\r\n--b0 \t \r\n")
    assert bodies(data) == [body]


def test_an_open_end_is_the_end() -> None:
    """A message that was cut off still ends its parts."""
    data = message(b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n--b0\r\n" + HTML)
    assert bodies(data) == [SIMPLE.encode()]


def nested(depth: int) -> bytes:
    """HTML below so many multiparts."""
    entity = HTML
    for level in range(depth):
        entity = multipart("mixed", entity, boundary=f"b-{level}-")
    return entity


def test_depth_is_bounded() -> None:
    """ATTACKS 14: nested multiparts; beyond the bound nothing at all is touched."""
    assert count(nested(MAX_DEPTH)) == 1
    assert count(nested(MAX_DEPTH + 1)) == 0
    assert count(multipart("mixed", HTML, nested(MAX_DEPTH + 1))) == 0
    assert count(nested(2_000)) == 0


def test_the_number_of_parts_is_bounded() -> None:
    """ATTACKS 14: 100,000 parts; beyond the bound nothing at all is touched."""
    assert count(multipart("mixed", *[HTML] * (MAX_PARTS - 1))) == MAX_PARTS - 1
    assert count(multipart("mixed", *[HTML] * MAX_PARTS)) == 0
    assert count(multipart("mixed", *[b"\r\n"] * 100_000, HTML)) == 0


@pytest.mark.parametrize(
    "text",
    [
        b"\r\n--b0x" * 100_000,
        b"--b0" * 200_000,
        b"\r\n" * 500_000,
        b"\r\n--" * 200_000,
        b"-" * 1_000_000,
        b"\r\n--b" * 200_000,
    ],
)
def test_lines_that_are_nearly_delimiters_cost_little(text: bytes) -> None:
    """ATTACKS 14: quadratic inputs; a million octets are within the test's time."""
    assert count(multipart("mixed", part(text, kind="text/plain"), HTML)) == 1


def test_one_boundary_within_another_ends_at_the_outer() -> None:
    """RFC 2046 5.1.2: the outer delimiter ends the inner parts, closed or not."""
    inner = b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n" + part(
        "<a>in"
    )
    data = message(multipart("mixed", inner, part("<a>out")))
    assert bodies(data) == [b"<a>in", b"<a>out"]
    same = multipart("mixed", part("<a>in"), boundary="b0")
    assert bodies(message(multipart("mixed", same))) == [b"<a>in"]


pieces = st.sampled_from(
    [
        b"\r\n",
        b"\r\n\r\n",
        b"--b0",
        b"--",
        b"--b1",
        b" ",
        b"x",
        b"Content-Type: text/html\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n",
        b"Content-Disposition: attachment\r\n",
        HTML,
        PLAIN,
    ]
)


@settings(deadline=None)
@given(st.lists(pieces).map(b"".join))
def test_parts_are_those_of_the_standard_library(tail: bytes) -> None:
    """The oracle: each part found here, it finds, in order, with the same text.

    It may find more, since it reads headers that are none; and it takes the line
    end of a last part that was cut off.
    """
    data = b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + tail
    theirs: list[bytes] = []
    for one in email.message_from_bytes(data).walk():
        if one.get_content_type() == "text/html":
            payload = one.get_payload(decode=True)
            assert isinstance(payload, bytes)
            theirs.append(payload.rstrip(b"\r\n"))
    rest = iter(theirs)
    assert all(body.rstrip(b"\r\n") in rest for body in bodies(data))


@settings(deadline=None)
@given(st.binary() | st.lists(pieces).map(b"".join))
def test_any_bytes_are_walked(data: bytes) -> None:
    """ATTACKS 14: nothing raises, and places are in order and apart."""
    done = 0
    for one in find_html(data):
        assert done <= one.field_start <= one.field_end < one.start < one.end
        done = one.end
    assert done <= len(data)
