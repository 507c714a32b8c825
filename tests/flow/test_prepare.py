import email
from dataclasses import replace
from email.message import EmailMessage
from email.policy import default as modern
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address, Mailbox, parse_address
from appliance.core.delivery import Copy
from appliance.core.domain import DkimKey, Proof
from appliance.core.submission import AnyContent, Dimensions, RawContent, Tracking
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.core.verp import unsubscribe_text
from appliance.flow.prepare import (
    Circumstances,
    Links,
    Source,
    base_url,
    form_of,
)
from appliance.flow.prepare import (
    prepare as prepare_unsigned,
)
from appliance.mime.dkim import Signer
from appliance.mime.dkim_keys import generate_ed25519_key, generate_rsa_key
from tests.fakes.dkim import ed_verifies, verifies
from tests.fakes.mail import SENDER, make_content, make_copy, make_domain

RSA = generate_rsa_key("s1", 1024)
ED25519 = generate_ed25519_key("s2")
TOKENS = TokenMaker(b"t" * 32)
PATHS = {
    TokenKind.OPEN: "/o/",
    TokenKind.CLICK: "/c/",
    TokenKind.UNSUBSCRIBE: "/u/",
}
LINKS = Links(TOKENS, PATHS)
BASE = "https://track.test"
TRACE = (("X-Trace", "4711"),)
AROUND = Circumstances(BASE, "bounce.sender.test", TRACE, 1_700_000_000)
COPY = make_copy()
HTML = (
    '<p><a href="https://example.org/a?x=1&amp;y=2">a</a>'
    '<a href="mailto:x@example.org">b</a> <a href="{{unsubscribe}}">c</a></p></body>'
)


def source(content: AnyContent, *keys: DkimKey) -> Source:
    """What the copies of a content share."""
    signers = [Signer(key) for key in keys]
    return Source(form_of(content), "sender.test", signers)


def prepare(
    copy: Copy, source: Source, around: Circumstances, links: Links
) -> tuple[str, bytes]:
    """The envelope sender and the mail as it leaves."""
    made = prepare_unsigned(copy, source, around, links)
    return made.sender, made.mail(made.sign())


def read(raw: bytes) -> EmailMessage:
    """The mail as the standard library reads it."""
    return email.message_from_bytes(raw, EmailMessage, policy=modern)


def html_of(raw: bytes) -> str:
    """The HTML of a mail without its last line end."""
    part = read(raw).get_body(("html",))
    assert part is not None
    text: str = part.get_content()
    return text.rstrip("\n")


class Hrefs(HTMLParser):
    """The targets of a text's links and images."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link or an image."""
        del tag
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]


def test_the_same_copy_gives_the_same_bytes() -> None:
    """A retry sends what the first try sent."""
    made = source(make_content("Hi", HTML), RSA, ED25519)
    assert prepare(COPY, made, AROUND, LINKS) == prepare(COPY, made, AROUND, LINKS)


def test_the_envelope_sender_names_the_delivery() -> None:
    """A bounce finds its way back."""
    sender, _ = prepare(COPY, source(make_content(), RSA), AROUND, LINKS)
    assert sender == f"bounces+{COPY.uuid}+1@bounce.sender.test"


def test_every_header_is_there() -> None:
    """Ours, the sender's, and what carriers expect."""
    content = replace(
        make_content(),
        headers=(("X-Campaign", "spring"),),
        reply_to=Mailbox(Address("help", "sender.test"), "Help"),
    )
    copy = replace(COPY, cc=(Mailbox(Address("ann", "rcpt.test")),))
    _, raw = prepare(copy, source(content, RSA), AROUND, LINKS)
    mail = read(raw)
    assert mail["From"] == "The Shop <shop@sender.test>"
    assert mail["To"] == "Bob <bob@rcpt.test>"
    assert mail["Cc"] == "ann@rcpt.test"
    assert mail["Reply-To"] == "Help <help@sender.test>"
    assert mail["Subject"] == "A subject"
    assert mail["Message-ID"] == f"<{COPY.message_uuid}@sender.test>"
    assert mail["X-Trace"] == "4711"
    assert mail["X-Campaign"] == "spring"
    assert mail["Date"].datetime.timestamp() == 1_800_000_000
    assert mail["Bcc"] is None
    assert mail["Return-Path"] is None


def test_unsubscribing_by_one_click_is_offered() -> None:
    """RFC 8058 3.1: both fields, and the URL is the recipient's own."""
    _, raw = prepare(COPY, source(make_content(), RSA), AROUND, LINKS)
    mail = read(raw)
    url = mail["List-Unsubscribe"].strip("<>")
    assert url.startswith(f"{BASE}/u/")
    token = TOKENS.read(url.rpartition("/")[2], TokenKind.UNSUBSCRIBE)
    target = "1:bob@rcpt.test"
    assert token == Token(TokenKind.UNSUBSCRIBE, COPY.uuid, target=target)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_unsubscribing_by_mail_is_offered_where_a_door_takes_it() -> None:
    """RFC 2369: the link first, then a mailbox at the verified return-path host."""
    links = Links(TOKENS, PATHS, takes_mail=True)
    _, raw = prepare(COPY, source(make_content(), RSA, ED25519), AROUND, links)
    link, mailto = read(raw)["List-Unsubscribe"].split(", ")
    assert link.startswith(f"<{BASE}/u/")
    address, _, subject = mailto.strip("<>").removeprefix("mailto:").partition("?")
    word, _, whole = subject.partition("%20")
    assert word == "subject=unsubscribe"
    assert whole == link.strip("<>").removeprefix(f"{BASE}/u/")
    mailbox = parse_address(address)
    assert mailbox is not None
    assert mailbox.domain == "bounce.sender.test"
    text = unsubscribe_text(mailbox)
    token = TOKENS.read_local(text, TokenKind.UNSUBSCRIBE)
    assert token == Token(TokenKind.UNSUBSCRIBE, COPY.uuid)
    for signature in read(raw).get_all("DKIM-Signature", []):
        covered = "".join(signature.split()).partition(";h=")[2].partition(";")[0]
        names = covered.lower().split(":")
        assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(names)


def test_the_way_out_is_where_the_sender_wants_it() -> None:
    """``{{unsubscribe}}`` in text and in HTML is the recipient's own link."""
    content = make_content("Leave: {{unsubscribe}}", HTML)
    content = replace(content, text="Leave: {{ unsubscribe }}\r\n")
    mail = read(prepare(COPY, source(content), AROUND, LINKS)[1])
    url = mail["List-Unsubscribe"].strip("<>")
    text = mail.get_body(("plain",))
    assert text is not None
    assert text.get_content().strip() == f"Leave: {url}"
    assert url in Hrefs(html_of(mail.as_bytes())).found


def test_the_way_out_leads_out_of_the_mail_s_topic() -> None:
    """Whoever leaves a topic keeps the rest, however late he leaves."""
    copy = replace(COPY, dimensions=Dimensions(topic="news"))
    mail = read(prepare(copy, source(make_content()), AROUND, LINKS)[1])
    url = mail["List-Unsubscribe"].strip("<>")
    token = TOKENS.read(url.rpartition("/")[2], TokenKind.UNSUBSCRIBE)
    assert token is not None
    assert token.target == "1:bob@rcpt.test\nnews"


def test_a_sender_s_own_unsubscribe_header_replaces_ours() -> None:
    """One-Click is a promise about our URL, so it goes too."""
    content = replace(
        make_content(), headers=(("List-Unsubscribe", "<mailto:out@sender.test>"),)
    )
    mail = read(prepare(COPY, source(content, RSA), AROUND, LINKS)[1])
    assert mail.get_all("List-Unsubscribe") == ["<mailto:out@sender.test>"]
    assert mail["List-Unsubscribe-Post"] is None


def test_links_and_pixel_are_put_in_and_nothing_else_changes() -> None:
    """Web links lead through us; mailto and the way out stay as they are."""
    html = html_of(prepare(COPY, source(make_content(html=HTML)), AROUND, LINKS)[1])
    click, mailto, out, pixel = Hrefs(html).found
    assert mailto == "mailto:x@example.org"
    assert out.startswith(f"{BASE}/u/")
    token = TOKENS.read(click.removeprefix(f"{BASE}/c/"), TokenKind.CLICK)
    assert token == Token(
        TokenKind.CLICK, COPY.uuid, 0, "https://example.org/a?x=1&y=2"
    )
    assert TOKENS.read(pixel.removeprefix(f"{BASE}/o/"), TokenKind.OPEN)
    undone = (
        html.replace(click, "https://example.org/a?x=1&amp;y=2")
        .replace(f'<img src="{pixel}" width="1" height="1" border="0" alt="">', "")
        .replace(out, "{{unsubscribe}}")
    )
    assert undone == HTML


@pytest.mark.parametrize("opens", [True, False])
@pytest.mark.parametrize("clicks", [True, False])
def test_only_what_is_wanted_is_tracked(*, opens: bool, clicks: bool) -> None:
    """A sender who switched tracking off finds none."""
    copy = make_copy(tracking=Tracking(opens=opens, clicks=clicks))
    html = html_of(prepare(copy, source(make_content(html=HTML)), AROUND, LINKS)[1])
    assert (f"{BASE}/o/" in html) == opens
    assert (f"{BASE}/c/" in html) == clicks


def test_values_are_filled_in_for_this_recipient() -> None:
    """Escaped in HTML, as they are elsewhere, and never expanded again (ATTACKS 13)."""
    content = replace(
        make_content("Hi {{name}}", "<p>{{name}} {{missing}}</p>"),
        subject="For {{name}}",
    )
    copy = make_copy(fields={"name": "<b>{{unsubscribe}}\r\nX-Evil: 1"})
    mail = read(prepare(copy, source(content, RSA), AROUND, LINKS)[1])
    assert mail["Subject"] == "For <b>{{unsubscribe}} X-Evil: 1"
    assert mail["X-Evil"] is None
    html = mail.get_body(("html",))
    assert html is not None
    assert "&lt;b&gt;{{unsubscribe}}" in html.get_content()


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.text(max_size=40))
def test_both_signatures_cover_the_mail_that_leaves(text: str, name: str) -> None:
    """Signed last: whatever was written, filled in or rewritten."""
    content = make_content(text or "x", f"<p>{text}</p>{HTML}")
    copy = make_copy(fields={"name": name})
    _, raw = prepare(copy, source(content, RSA, ED25519), AROUND, LINKS)
    assert raw.count(b"DKIM-Signature:") == 2
    assert verifies(raw, RSA)
    assert ed_verifies(raw, ED25519, 1)
    assert raw.isascii()


def test_a_changed_mail_verifies_no_more() -> None:
    """Body, subject and the unsubscribe header are inside the signature."""
    _, raw = prepare(COPY, source(make_content("Hello"), RSA), AROUND, LINKS)
    assert verifies(raw, RSA)
    for old, new in (
        (b"Hello", b"Hullo"),
        (b"Subject: A", b"Subject: B"),
        (b"One-Click", b"Two-Click"),
        (b"\r\nTo:", b"\r\nFrom: eve@evil.test\r\nTo:"),
    ):
        assert not verifies(raw.replace(old, new), RSA)


def test_links_lead_to_the_domain_s_own_host_once_it_is_proven() -> None:
    """The scheme is that of the public URL."""
    proven, unproven = make_domain(), make_domain(proof=Proof.NONE)
    assert base_url(proven, "https://x.test") == "https://tracking.sender.test"
    assert base_url(proven, "http://x.test:8025") == "http://tracking.sender.test"
    assert base_url(unproven, "https://x.test") == "https://x.test"


def test_the_sender_is_who_the_content_says() -> None:
    """Not the envelope's."""
    mail = read(prepare(COPY, source(make_content(), RSA), AROUND, LINKS)[1])
    assert mail["From"].addresses[0].addr_spec == str(SENDER.address)


RAW_HTML = b'<p>Hi <a href="https://example.org/a">a</a></p>\r\n'
RAW = RawContent(
    SENDER,
    "Hi",
    "1@sender.test",
    b"From: <news@sender.test>\r\nSubject: Hi\r\nContent-Type: text/html\r\n\r\n"
    + RAW_HTML,
)
NOTHING = Tracking(opens=False, clicks=False, unsubscribes=False)


def test_a_mail_that_came_as_bytes_leaves_as_it_came() -> None:
    """Only our trace and the signature stand in front of it; and it verifies."""
    copy = replace(make_copy(), tracking=NOTHING)
    sender, mail = prepare(copy, source(RAW, RSA), AROUND, LINKS)
    assert mail.endswith(b"X-Trace: 4711\r\n" + RAW.data)
    front = mail.removesuffix(b"X-Trace: 4711\r\n" + RAW.data)
    assert front.startswith(b"DKIM-Signature: ")
    assert front.count(b"\r\nDKIM-Signature") == 0
    assert verifies(mail, RSA)
    assert sender == f"bounces+{copy.uuid}+1@bounce.sender.test"


def test_links_and_pixel_of_such_a_mail_are_the_copy_s_own() -> None:
    """With tracking on its HTML is touched, and only that."""
    copy = replace(make_copy(), tracking=replace(NOTHING, opens=True, clicks=True))
    _, mail = prepare(copy, source(RAW, RSA), AROUND, LINKS)
    assert b"https://example.org/a" not in mail
    assert BASE.encode() + b"/c/" in mail.replace(b"=\r\n", b"")
    assert BASE.encode() + b"/o/" in mail.replace(b"=\r\n", b"")
    assert b"List-Unsubscribe" not in mail
    assert verifies(mail, RSA)


def test_a_sender_may_do_without_our_unsubscribe_link() -> None:
    """Then the header has none."""
    copy = replace(make_copy(), tracking=NOTHING)
    _, mail = prepare(copy, source(make_content()), AROUND, LINKS)
    assert b"List-Unsubscribe" not in mail
