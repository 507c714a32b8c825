"""Composed mails, read back by the standard library as an independent judge."""

import email
import email.policy
from email.message import EmailMessage, MIMEPart
from email.utils import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.address import Address, Mailbox
from appliance.core.submission import Attachment, Content
from appliance.mime.compose import Head, compose
from appliance.mime.headers import UnsafeHeader, split_message
from appliance.mime.template import Rendered, Template

ALICE = Mailbox(Address("alice", "example.com"), "Alice")
BOB = Mailbox(Address("bob", "example.org"), "Bob Smith")
CAROL = Mailbox(Address("carol", "example.org"))
HEAD = Head(ALICE, (BOB,), "id-1@example.com", 1_700_000_000)
SEED = b"0123456789abcdef"


def mail(content: Content, head: Head = HEAD) -> bytes:
    """The whole mail for a recipient without fields."""
    return compose(head, Template.compile(content).render({}), SEED)


def parse(raw: bytes) -> EmailMessage:
    """What the standard library reads, which must find no fault."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not list(message.defects)
    return message


def shape(message: MIMEPart) -> object:
    """The tree of media types."""
    kind = message.get_content_type()
    if not message.is_multipart():
        return kind
    return (kind, *(shape(part) for part in message.iter_parts()))


FILE = Attachment("a.pdf", b"pdf")
PLAIN, HTML, AMP = "text/plain", "text/html", "text/x-amp-html"
PDF, ALT, MIXED = "application/pdf", "multipart/alternative", "multipart/mixed"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Content(ALICE, "s"), PLAIN),
        (Content(ALICE, "s", "t"), PLAIN),
        (Content(ALICE, "s", None, "<p>"), HTML),
        (Content(ALICE, "s", "t", "<p>"), (ALT, PLAIN, HTML)),
        (Content(ALICE, "s", "t", "<p>", "<b>"), (ALT, PLAIN, AMP, HTML)),
        (Content(ALICE, "s", "t", None, "<b>"), (ALT, PLAIN, AMP)),
        (Content(ALICE, "s", "t", attachments=(FILE,)), (MIXED, PLAIN, PDF)),
        (Content(ALICE, "s", attachments=(FILE,)), (MIXED, PLAIN, PDF)),
        (
            Content(ALICE, "s", "t", "<p>", attachments=(FILE, FILE)),
            (MIXED, (ALT, PLAIN, HTML), PDF, PDF),
        ),
    ],
)
def test_the_tree_has_no_needless_level(content: Content, expected: object) -> None:
    """Spec 6: mixed(alternative(text, amp, html), attachments), reduced."""
    assert shape(parse(mail(content))) == expected


# "{{x}}" in a random text would be a placeholder without a value.
texts = st.text(max_size=300).filter(lambda text: "{{" not in text) | st.text(
    "From .=é\r\n --_", max_size=100
)
printable = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40)


def normalised(text: str) -> str:
    """The text with CRLF for every line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def body_of(part: MIMEPart) -> str:
    """The decoded text of a part."""
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


@settings(deadline=None)
@given(
    subject=printable,
    name=printable,
    text=texts.filter(bool),
    html=texts.filter(bool),
    content=st.binary(max_size=200),
    # The standard library would take quotes and brackets off a name.
    filename=printable.filter(lambda name: name and unquote(name) == name),
)
def test_any_mail_reads_back(
    *, subject: str, name: str, text: str, html: str, content: bytes, filename: str
) -> None:
    """Subject, names, bodies and files survive; the bytes are clean for any relay."""
    file = Attachment(filename, content)
    whole = Content(ALICE, "", text, attachments=(file,))
    source = Template.compile(whole).render({})
    source = Rendered(subject, source.text, None, html, source.attachments)
    raw = compose(Head(ALICE, (Mailbox(BOB.address, name),), "i@x", 0), source, SEED)
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = parse(raw)
    assert message["subject"] == subject
    assert message["to"].addresses[0].addr_spec == "bob@example.org"
    alternative, attached = message.iter_parts()
    plain, rich = alternative.iter_parts()
    assert body_of(plain) == normalised(text)
    assert body_of(rich) == normalised(html)
    assert attached.get_payload(decode=True) == content
    assert email.message_from_bytes(attached.as_bytes()).get_filename() == filename


def test_the_header_is_complete_and_in_order() -> None:
    """Ours first, the sender's own after, the content's last."""
    head = Head(
        ALICE,
        (BOB,),
        "id-1@example.com",
        1_700_000_000,
        cc=(CAROL, BOB),
        reply_to=CAROL,
        system=(("X-Ours", "1"),),
        own=(("X-Theirs", "2"),),
    )
    raw = mail(Content(ALICE, "Grüße", "Hi"), head)
    assert raw == (
        b"From: Alice <alice@example.com>\r\n"
        b"To: Bob Smith <bob@example.org>\r\n"
        b"Cc: carol@example.org, Bob Smith <bob@example.org>\r\n"
        b"Reply-To: carol@example.org\r\n"
        b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"
        b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
        b"Message-ID: <id-1@example.com>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"X-Ours: 1\r\n"
        b"X-Theirs: 2\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Hi\r\n"
    )


def own(*headers: tuple[str, str]) -> list[bytes]:
    """The fields of a mail with our two for unsubscribing and the sender's own."""
    ours = (("List-Unsubscribe", "<https://ours>"), ("List-Unsubscribe-Post", "ours"))
    head = Head(ALICE, (BOB,), "i@x", 0, system=ours, own=headers)
    fields, _ = split_message(mail(Content(ALICE, "s", "t"), head))
    return [one.raw for one in fields][6:-2]


def test_a_senders_unsubscribe_link_replaces_ours() -> None:
    """And takes our promise of one click away (RFC 8058 3.1)."""
    assert own(("list-unsubscribe", "<https://theirs>")) == [
        b"list-unsubscribe: <https://theirs>\r\n"
    ]
    assert len(own(("X-Other", "1"))) == 3
    assert own(("List-Unsubscribe-Post", "theirs")) == own()


@pytest.mark.parametrize(
    "name",
    ["From", "to", "CC", "Bcc", "Subject", "Date", "Message-ID", "MIME-Version",
     "Content-Type", "content-anything", "DKIM-Signature", "Return-Path", "Received",
     "Sender", "Reply-To", "Resent-From", "ARC-Seal", "Authentication-Results"],
)  # fmt: skip
def test_headers_of_ours_cannot_be_set(name: str) -> None:
    """ATTACKS 9: not by any spelling, and not even if intake let it pass."""
    assert own((name, "evil")) == own()


@pytest.mark.parametrize(
    "name", ["List-Unsubscribe", "X-Mailer", "References", "Feedback-ID", "Precedence"]
)
def test_other_headers_can_be_set(name: str) -> None:
    """The rest is the sender's business."""
    assert len(own((name, "<x>"))) > len(own()) or name == "List-Unsubscribe"


def test_unsafe_headers_never_get_out() -> None:
    """ATTACKS 9: what intake should have refused is an error here."""
    with pytest.raises(UnsafeHeader):
        own(("X-A", "1\r\nBcc: eve@example.com"))


def test_the_same_mail_is_the_same_bytes() -> None:
    """A retry sends what was sent before; another delivery has other delimiters."""
    rendered = Template.compile(Content(ALICE, "s", "t", "<p>")).render({})
    assert compose(HEAD, rendered, SEED) == compose(HEAD, rendered, SEED)
    assert compose(HEAD, rendered, SEED) != compose(HEAD, rendered, b"other")


def test_a_delimiter_in_the_content_is_avoided() -> None:
    """ATTACKS 10: who guesses the delimiter gets another one."""
    guess = parse(mail(Content(ALICE, "s", "t", "<p>"))).get_boundary()
    assert guess is not None
    evil = f"x\n--{guess}--\n--{guess}\nContent-Type: text/html\n\nevil"
    message = parse(mail(Content(ALICE, "s", evil, "<p>")))
    assert message.get_boundary() != guess
    assert shape(message) == (ALT, PLAIN, HTML)
    assert body_of(next(message.iter_parts())) == evil.replace("\n", "\r\n")


def test_a_large_attachment_is_carried_whole() -> None:
    """A few megabytes of it, in a mail for a recipient beyond ASCII."""
    content = bytes(range(256)) * 8000
    file = Attachment("bericht.zip", content)
    head = Head(ALICE, (Mailbox(Address("bjørn", "example.org")),), "i@x", 0)
    raw = mail(Content(ALICE, "s", "t", attachments=(file,)), head)
    assert "To: bjørn@example.org\r\n".encode() in raw
    _, attached = email.message_from_bytes(raw, policy=email.policy.SMTP).iter_parts()
    assert attached.get_payload(decode=True) == content
