"""One HTML part changed: its octets, its encoding, and the message around it."""

import email

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from appliance.mime.links import scan
from appliance.mime.markup_part import Edit, MarkupPart
from appliance.mime.parts import find_html
from tests.fakes.mime import SIMPLE, message, multipart, part

PIXEL = "https://t.example/o/1"
LINK = '<a href="https://x.org/">'


def read(entity: bytes) -> MarkupPart | None:
    """The HTML part of a message of one part."""
    data = message(entity)
    (place,) = find_html(data)
    return MarkupPart.read(data, place)


def edited(data: bytes, edits: list[Edit]) -> bytes:
    """The message with the edits made."""
    for start, end, octets in reversed(edits):
        data = data[:start] + octets + data[end:]
    return data


def rewritten(entity: bytes, url: str = "https://t.example/c") -> bytes:
    """The message with every link replaced and a pixel in it."""
    data = message(entity)
    (place,) = find_html(data)
    found = MarkupPart.read(data, place)
    assert found is not None
    return edited(data, found.edits(lambda _, __: url, PIXEL))


def check(entity: bytes, html: str, charset: str, encoding: str) -> str:
    """What a reader sees is the changed HTML, in that encoding; gives the body."""
    mail = rewritten(entity)
    leaf = next(
        one
        for one in email.message_from_bytes(mail).walk()
        if one.get_content_type() == "text/html"
    )
    expected = scan(html).rewrite(lambda _, __: "https://t.example/c", PIXEL)
    assert leaf.get_payload(decode=True) == expected.encode(charset)
    assert leaf.get("Content-Transfer-Encoding", "") == encoding
    assert leaf.get_content_charset() == charset
    assert all(len(line) <= 998 for line in mail.split(b"\r\n"))
    payload = leaf.get_payload()
    assert isinstance(payload, str)
    return payload


@pytest.mark.parametrize("encoding", ["", "7bit", "8bit", "quoted-printable", "base64"])
def test_an_encoding_stays_where_it_can(encoding: str) -> None:
    """Also where the part ends without a line end, or with several."""
    for end in ("", "\r\n", "\r\n\r\n"):
        html = SIMPLE + end
        check(part(html, encoding=encoding), html, "utf-8", encoding)
        inside = multipart("mixed", part(html, encoding=encoding))
        check(inside, html, "utf-8", encoding)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("us-ascii", "plain"),
        ("utf-8", "grüße 日本 😀 \ufeff"),
        ("iso-8859-1", "grüße\x85"),
        ("iso-8859-15", "€"),
        ("windows-1252", "„grüße“ €"),
        ("windows-1251", "Привет"),
        ("koi8-r", "Привет"),
        ("gb2312", "你好"),
        ("gb18030", "你好😀"),
        ("big5", "你好"),
        ("euc-jp", "日本"),
        ("shift_jis", "日本ソ表"),
        ("euc-kr", "안녕"),
        ("tis-620", "สวัสดี"),
    ],
)
@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
def test_octets_of_any_character_set_come_back(
    charset: str, text: str, encoding: str
) -> None:
    """ATTACKS 14: what holds ASCII is read and written octet for octet."""
    html = f"<b>{text}</b>{LINK}{text}"
    check(part(html, charset=charset, encoding=encoding), html, charset, encoding)


def test_no_character_set_is_ascii_or_utf8() -> None:
    """ATTACKS 14: 8-bit without declaration stays as it came, if it is UTF-8."""
    mail = rewritten(part("ü" + LINK, charset="utf-8").replace(b"; charset=utf-8", b""))
    assert "ü<a href=".encode() in mail
    assert b"Transfer" not in mail


@pytest.mark.parametrize(
    "entity",
    [
        part(b"\xff" + LINK.encode(), charset="utf-8"),
        part(b"\xff" + LINK.encode(), charset=""),
        part(b"\xff" + LINK.encode(), charset="us-ascii"),
        part(b"\x81" + LINK.encode(), charset="windows-1252"),
        part(b"\xed\xa0\x80" + LINK.encode(), charset="utf-8"),
        part(LINK, charset="utf-16", encoding="base64"),
        part(LINK, charset="utf-7"),
        part(LINK, charset="iso-2022-jp"),
        part(LINK, kind="text/html; charset=x-unknown", charset=""),
        part(LINK, kind="text/html; charset=__proto__", charset=""),
        part(LINK, kind='text/html; charset="rot13"', charset=""),
        part(LINK, encoding="binary"),
        part(LINK, encoding="x-uuencode"),
        part(LINK, encoding="7bit 8bit"),
        part("=4" + LINK, more="Content-Transfer-Encoding: quoted-printable\r\n"),
        part(LINK, more="Content-Transfer-Encoding: base64\r\n"),
        part(b"\x87\x90" + LINK.encode(), charset="shift_jis"),
        part("-----BEGIN PGP SIGNED MESSAGE-----\r\n" + LINK),
        part("<pre>-----BEGIN PGP MESSAGE-----\r\n" + LINK, encoding="base64"),
    ],
)
def test_what_does_not_come_back_is_left_alone(entity: bytes) -> None:
    """ATTACKS 14: wrong charsets, broken encodings, octets with two spellings.

    Nor is text that is signed or encrypted by PGP itself.
    """
    assert read(entity) is None


def test_nothing_to_change_is_no_edit() -> None:
    """Not even the spelling of an encoding."""
    found = read(
        part("a=3Db=\r\n <p>", more="Content-Transfer-Encoding: quoted-printable\r\n")
    )
    assert found is not None
    assert found.edits(lambda _, __: None, "") == []
    assert found.edits(None, "") == []


def test_a_url_that_the_character_set_lacks_changes_nothing() -> None:
    """Our URLs are ASCII; were one not, the mail would still be whole."""
    found = read(part(SIMPLE, charset="iso-8859-1"))
    assert found is not None
    assert found.edits(lambda _, __: "https://例え.example", "") == []


@pytest.mark.parametrize(
    ("html", "encoding", "becomes"),
    [
        ("x" * 998 + LINK, "7bit", "quoted-printable"),
        ("x" * 998 + LINK, "8bit", "quoted-printable"),
        ("x" * 998 + LINK, "", "quoted-printable"),
        ("ü" * 499 + LINK, "", "quoted-printable"),
        ("x" * 800 + LINK, "7bit", "7bit"),
        ("x" * 5_000 + "\n" + LINK, "quoted-printable", "quoted-printable"),
        ("x" * 5_000 + "\n" + LINK, "base64", "base64"),
    ],
)
def test_lines_that_grow_too_long_are_encoded(
    html: str, encoding: str, becomes: str
) -> None:
    """RFC 5322 2.1.1; the field is added or changed with it, and nothing else."""
    check(part(html, encoding=encoding), html, "utf-8", becomes)
    check(multipart("mixed", part(html, encoding=encoding)), html, "utf-8", becomes)


def test_only_its_own_field_changes() -> None:
    """Whatever stands around it in the header, and however it is folded."""
    before = "X-A: 1\r\nContent-transfer-encoding:\r\n\t7Bit\r\nX-B: \tZ \r\n"
    mail = rewritten(part("x" * 998 + LINK, more=before))
    header = mail.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert header.endswith(
        b"X-A: 1\r\nContent-Transfer-Encoding: quoted-printable\r\nX-B: \tZ \r\n"
    )


@pytest.mark.parametrize(
    "url", ["https://ü.example", "a\nb", "a\rb", "\0", "x" * 2_000]
)
def test_what_cannot_stand_unencoded_is_encoded(url: str) -> None:
    """An ASCII part stays ASCII on the wire, whatever is put into it."""
    mail = rewritten(part(SIMPLE, encoding="7bit"), url)
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in mail
    assert mail.isascii()


LOOKALIKES = ["--b0", "--b0--", "--b0 ", "x\r\n--b0\r\ny", "--b0x"]


@pytest.mark.parametrize("line", LOOKALIKES)
@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
def test_a_boundary_in_the_text_never_becomes_one(line: str, encoding: str) -> None:
    """ATTACKS 10, 14: quoted-printable leaves dashes as they are, base64 has none."""
    html = f"<p>\r\n{line}\r\n</p>{LINK}"
    entity = part(html, encoding=encoding)
    entity = entity.replace(b"\r\n--b0", b"\r\n=2D-b0")
    body = check(multipart("mixed", entity), html, "utf-8", "base64")
    assert "--" not in body


@pytest.mark.parametrize("url", ["x\r\n--b0\r\ny", "x\r\n--b0--"])
def test_a_url_brings_no_boundary(url: str) -> None:
    """ATTACKS 10: nor does what we put in; the parts stay as many as they were."""
    mail = rewritten(
        multipart("mixed", part(SIMPLE), part("x", kind="text/plain")), url
    )
    assert len(list(email.message_from_bytes(mail).walk())) == 3


def test_a_soft_line_break_makes_no_boundary() -> None:
    """A delimiter that was in the middle of a line may come to begin one."""
    field = "Content-Transfer-Encoding: quoted-printable\r\n"
    made = set()
    for fill in range(70, 80):
        body = LINK.replace("=", "=3D") + f"\r\n{'x' * fill}--b0\r\n"
        mail = rewritten(multipart("mixed", part(body, more=field)))
        assert mail.count(b"\r\n--b0") == 2
        made.add(b"Content-Transfer-Encoding: base64\r\n" in mail)
    assert made == {True, False}


fragments = st.sampled_from(
    [*" \t\r\n.=ü€\0", "\r\n", "From ", "x" * 75, "x" * 990, LINK]
) | st.sampled_from(["--b0", "--b1", "</body>", "<p>", "<!--", "-->"])


@settings(deadline=None)
@given(
    st.lists(fragments, min_size=1).map("".join),
    st.sampled_from(["quoted-printable", "base64"]),
    st.sampled_from(["utf-8", "windows-1252"]),
    st.sampled_from(["", "b0", "b1"]),
)
@example("ü \n" + LINK, "quoted-printable", "utf-8", "")
def test_any_html_is_changed_and_nothing_else(
    html: str, encoding: str, charset: str, boundary: str
) -> None:
    """The standard library decodes exactly what the rewriting of the text gives."""
    entity = part(html, encoding=encoding, charset=charset)
    assume(not boundary or b"\r\n--b" not in entity)
    if boundary:
        entity = multipart("alternative", entity, boundary=boundary)
    mail = rewritten(entity)
    leaf = list(email.message_from_bytes(mail).walk())[-1]
    expected = scan(html).rewrite(lambda _, __: "https://t.example/c", PIXEL)
    assert leaf.get_payload(decode=True) == expected.encode(charset)
    may_be_base64 = boundary and f"--{boundary}" in html
    assert leaf["Content-Transfer-Encoding"] == encoding or may_be_base64
