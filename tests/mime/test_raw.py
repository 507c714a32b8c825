"""Mail as it came: nothing changes but what is tracked, and that soundly."""

import email
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.links import scan
from appliance.mime.parts import MAX_DEPTH
from appliance.mime.raw import RawTemplate
from tests.fakes.mime import crlf, message, multipart, part

PIXEL = "https://t.example/o/1"
IMAGE = b'src="https://t.example/o/1"'


def make(number: int, target: str) -> str | None:
    """A URL of ours for most links."""
    return None if "keep" in target else f"https://t.example/c/{number}"


def link(target: str) -> str:
    """A link in HTML."""
    return f'<a href="https://{target}">'


def numbers(mail: bytes) -> list[int]:
    """The numbers of the links that were replaced, in order."""
    return [int(number) for number in re.findall(rb"t\.example/c/(\d+)", mail)]


def render(entity: bytes, fields: str = "") -> bytes:
    """A mail with links and opens tracked."""
    return RawTemplate.compile(message(entity, fields)).render(make, PIXEL)


def test_nothing_to_do_gives_the_message_itself() -> None:
    """Not a copy, and not a look at it."""
    template = RawTemplate.compile(data := message(part()))
    assert template.render(None) is data
    assert template.render(None, "") is data
    plain = message(part("x", kind="text/plain"))
    assert RawTemplate.compile(plain).render(make, PIXEL) is plain
    kept = message(part(link("keep.example")))
    assert RawTemplate.compile(kept).render(make) is kept


@given(st.binary())
def test_any_bytes_are_a_template(data: bytes) -> None:
    """ATTACKS 14: what is no mail leaves as it came."""
    assert RawTemplate.compile(data).render(None) is data
    assert RawTemplate.compile(data).render(make, PIXEL) == data


def test_clicks_and_opens_are_told_apart() -> None:
    """Each may be wanted without the other."""
    template = RawTemplate.compile(message(part(link("x.org"))))
    clicks, opens = template.render(make), template.render(None, PIXEL)
    assert numbers(clicks) == [0]
    assert IMAGE not in clicks
    assert numbers(opens) == []
    assert IMAGE in opens


def test_links_are_numbered_through_the_mail() -> None:
    """A number names one link, whether or not the others are replaced."""
    one = part(link("a") + link("keep") + link("b"))
    file = part(link("no"), more="Content-Disposition: attachment\r\n")
    two = part(link("c"), encoding="base64")
    three = part(link("d"))
    mail = render(multipart("mixed", one, file, two, three))
    assert numbers(mail) == [0, 2, 4]
    assert mail.count(b'"https://no"') == 1
    leaf = email.message_from_bytes(mail).get_payload(2)
    assert isinstance(leaf, email.message.Message)
    payload = leaf.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert numbers(payload) == [3]


TEXT = part("text", kind="text/plain")
AMP = part(link("amp"), kind="text/x-amp-html")
FIRST, SECOND = part("<p>1"), part("<p>2")
FILE = part("<p>file", more="Content-Disposition: attachment\r\n")
UNREADABLE = part(b"<p>\xff", charset="utf-8")


@pytest.mark.parametrize(
    ("entity", "before"),
    [
        (FIRST, b"<p>1"),
        (multipart("mixed", FIRST, SECOND, FILE), b"<p>2"),
        (multipart("related", FIRST, part("", kind="image/png")), b"<p>1"),
        (multipart("alternative", TEXT, AMP, FIRST), b"<p>1"),
        (multipart("alternative", FIRST, SECOND, AMP, FILE), b"<p>2"),
        (multipart("alternative", FIRST, UNREADABLE), b"<p>1"),
        (
            multipart("mixed", multipart("alternative", FIRST, boundary="b1"), SECOND),
            b"<p>1",
        ),
        (
            multipart("mixed", SECOND, multipart("alternative", FIRST, boundary="b1")),
            b"<p>1",
        ),
        (
            multipart(
                "alternative", TEXT, multipart("related", FIRST, TEXT, boundary="b1")
            ),
            b"<p>1",
        ),
        (
            multipart(
                "mixed",
                multipart("alternative", TEXT, boundary="b1"),
                multipart("alternative", FIRST, boundary="b2"),
                SECOND,
            ),
            b"<p>1",
        ),
    ],
)
def test_there_is_one_pixel_where_the_mail_is_shown(
    entity: bytes, before: bytes
) -> None:
    """The last HTML of the first alternatives, else the last of all."""
    mail = render(entity)
    assert mail.count(IMAGE) == 1
    assert mail[: mail.index(b"<img")].endswith(before)


@pytest.mark.parametrize(
    "entity",
    [
        TEXT,
        AMP,
        FILE,
        UNREADABLE,
        multipart(
            "signed", part(link("a")), part("x", kind="application/pgp-signature")
        ),
        multipart("encrypted", part(link("a"))),
        part(link("a"), kind="message/rfc822"),
        part(link("a"), kind="application/pkcs7-mime"),
        multipart("mixed", multipart("signed", part(link("a")), boundary="b1")),
        multipart(
            "mixed",
            part(multipart("mixed", FIRST, boundary="b1"), kind="message/rfc822"),
        ),
        part("-----BEGIN PGP SIGNED MESSAGE-----\r\n" + link("a")),
    ],
)
def test_signed_encrypted_and_foreign_parts_leave_as_they_came(entity: bytes) -> None:
    """ATTACKS 14: never rewritten, nor AMP, nor files, nor messages within."""
    assert render(entity) == message(entity)


def test_a_client_s_signature_keeps_the_whole_mail() -> None:
    """ATTACKS 14: its body hash would break."""
    fields = "DKIM-Signature: v=1; a=rsa-sha256\r\n"
    assert render(FIRST, fields) == message(FIRST, fields)


@pytest.mark.parametrize(
    "html",
    [
        "<style>" + "a{b:c}" * 200_000 + "</style>" + link("x"),
        "<" * 300_000,
        "<a href=" * 100_000,
        "<a " * 100_000,
        "<!--" * 100_000,
        '<a href="' + "x" * 1_000_000,
        "&" * 300_000 + link("x"),
        link("x/" + "&#0" * 100_000),
        "=" * 300_000,
        " " * 300_000,
        "\r\n" * 300_000,
        "\n" * 300_000,
        "\r\n.\r\n" * 100_000,
        "\r\nFrom " * 100_000,
        "--b0" * 100_000,
    ],
)
@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
def test_hostile_html_takes_linear_time(html: str, encoding: str) -> None:
    """ATTACKS 14: huge inline CSS and quadratic inputs, within the test's time.

    A tenfold of the square of these would take hours.
    """
    data = message(multipart("mixed", part(html, encoding=encoding)))
    mail = RawTemplate.compile(data).render(make, PIXEL)
    assert mail.startswith(data[:80])


def test_a_hundred_thousand_parts_leave_as_they_came() -> None:
    """ATTACKS 14: 100,000 parts, each with a link."""
    entity = multipart("mixed", *[part(link("x"))] * 100_000)
    assert render(entity) == message(entity)


def test_what_is_found_is_kept() -> None:
    """A thousand recipients share one walk."""
    template = RawTemplate.compile(message(part(link("x"))))
    template.render(make)
    assert template._parts() is template._parts()
    assert template.render(make) == template.render(make)


# --- any mail, against the standard library -----------------------------------------

ENCODING = re.compile(rb"content-transfer-encoding:.*\r\n", re.IGNORECASE)
DELIMITER = re.compile(rb"\r\n--b-\d-(?:--)?(?=\r\n)")

fragments = st.sampled_from(
    ["ü", "€", " ", "\t", ".", "\r\n", "\n", "From ", "=", "x" * 70, "x" * 980, "--"]
) | st.sampled_from([link("x.org/a"), link("keep.org"), "</body>", "<body>", "--b-0-"])
texts = st.lists(fragments, max_size=12).map("".join)
charsets = st.sampled_from(
    ["utf-8", "windows-1252", "iso-8859-15", "utf-16", "us-ascii"]
)
encodings = st.sampled_from(
    ["", "7bit", "8bit", "quoted-printable", "base64", "binary"]
)
kinds = st.sampled_from(["text/html"] * 3 + ["text/plain", "text/x-amp-html"])
fields = st.sampled_from(
    ["", "X-A: 1\r\n", "Content-Disposition: attachment\r\n", "Content-ID:\r\n <x>\r\n"]
)
subtypes = st.sampled_from(["mixed", "alternative", "related", "signed", "digest"])


@st.composite
def leaves(draw: st.DrawFn) -> bytes:
    """One part; a delimiter that it has by accident is taken out."""
    charset, encoding = draw(charsets), draw(encodings)
    octets = draw(texts).encode(charset, "replace")
    if encoding not in {"quoted-printable", "base64"}:
        octets = crlf(octets)
    made = part(
        octets, kind=draw(kinds), charset=charset, encoding=encoding, more=draw(fields)
    )
    return made.replace(b"\r\n--b-", b"\r\n-b-")


@st.composite
def entities(draw: st.DrawFn, depth: int = 0) -> bytes:
    """A tree of parts; each level has a boundary of its own."""
    if depth == 3 or draw(st.booleans()):
        return draw(leaves())
    parts = draw(st.lists(entities(depth + 1), max_size=3))
    return multipart(draw(subtypes), *parts, boundary=f"b-{depth}-")


def by_target(_: int, target: str) -> str | None:
    """A URL that tells nothing of the number."""
    return None if "keep" in target else f"https://t.example/?{target}"


def outside(piece: bytes) -> bytes:
    """A part without its body and its encoding."""
    header, blank, _ = piece.partition(b"\r\n\r\n")
    return ENCODING.sub(b"", header + b"\r\n") + blank


def has_pixel(before: bytes, after: bytes) -> bool:
    """One changed part is soundly encoded and its HTML is what it must be."""
    old, new = email.message_from_bytes(before), email.message_from_bytes(after)
    assert old.get_content_type() == "text/html"
    assert old.get_content_disposition() is None
    payload, changed = old.get_payload(decode=True), new.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert isinstance(changed, bytes)
    charset = old.get_content_charset("")
    markup = scan(payload.decode(charset))
    with_pixel = markup.rewrite(by_target, PIXEL).encode(charset)
    assert changed in {with_pixel, markup.rewrite(by_target).encode(charset)}
    if new["Content-Transfer-Encoding"] != "base64":
        assert all(len(line) <= 998 for line in after.split(b"\r\n"))
    return changed == with_pixel


@settings(deadline=None)
@given(entities())
def test_any_mail_leaves_whole(entity: bytes) -> None:
    """ATTACKS 14: only HTML changes, to what its rewriting gives, soundly encoded.

    The pieces between delimiters are compared one by one; the standard library
    decodes those that changed.
    """
    data = message(entity)
    mail = RawTemplate.compile(data).render(by_target, PIXEL)
    assert mail == RawTemplate.compile(data).render(by_target, PIXEL)
    assert DELIMITER.findall(mail) == DELIMITER.findall(data)
    pixels = 0
    for old, new in zip(DELIMITER.split(data), DELIMITER.split(mail), strict=True):
        if old != new:
            assert outside(old) == outside(new)
            pixels += has_pixel(old.removeprefix(b"\r\n"), new.removeprefix(b"\r\n"))
    assert pixels == (mail != data)


def test_the_deepest_mail_is_rendered() -> None:
    """At the bound of the walk all is as above it."""
    entity = part(link("x"))
    for level in range(MAX_DEPTH):
        entity = multipart("mixed", entity, boundary=f"b-{level}-")
    assert numbers(render(entity)) == [0]
