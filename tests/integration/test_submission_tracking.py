"""Tracked mail by SMTP: what is rewritten, what never is, and where links lead."""

import base64
import html
import quopri
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.dns_server import NsdServer
from tests.fakes.postfix import Delivered, PostfixServer
from tests.fakes.postroom import Postroom
from tests.integration.clients import logged_in
from tests.integration.conftest import MakePostroom
from tests.integration.doors import (
    NAMED,
    anypost,
    credential_pair,
    furnish_for_smtp,
    submission,
)
from tests.integration.house import (
    CLICKED,
    DOMAIN,
    OPENED,
    api,
    delivery_of,
    dns_settings,
    wait_for_event,
)
from tests.integration.letters import PGP_SIGNED, SENDER, SMIME_SIGNED, small
from tests.integration.travel import (
    assert_as_sent,
    assert_signed,
    part,
)
from tests.integration.verifiers import Verdict, Verifiers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

TARGETS = (
    "https://www.shop.example/item/1?ref=mail&amp;c=4711",
    "http://other.example/zwei#teil",
)
HTML = f"""\
<!DOCTYPE html>\r
<html><body class='a"b'><p>Grüße, {{{{name}}}} &amp; co: 1 < 2</p>\r
.\r
..<a  href = "{TARGETS[0]}"\tid=one>one</a> <A HREF='{TARGETS[1]}'>zwei</A>\r
<a href="mailto:help@shop.example">mail</a> <a href="#top">{"top " * 20}</a>  \r
</body></html>\r
"""
_CLICK = r"https?://[^\"'\s>]+/track/tpsp/click/[\w-]+"
_PIXEL = r"<img [^>]*/track/tpsp/open/[\w-]+[^>]*>"


def _eight_bit(text: str) -> bytes:
    return text.encode()


def _quoted(text: str) -> bytes:
    lines = quopri.encodestring(text.replace("\r\n", "\n").encode())
    return lines.replace(b"\n", b"\r\n")


def _base64(text: str) -> bytes:
    return base64.encodebytes(text.encode()).replace(b"\n", b"\r\n")


ENCODINGS: dict[str, tuple[Callable[[str], bytes], Callable[[bytes], bytes]]] = {
    "8bit": (_eight_bit, bytes),
    "quoted-printable": (_quoted, quopri.decodestring),
    "base64": (_base64, base64.b64decode),
}


def test_tracking_changes_the_html_part_alone(
    postroom: Postroom, postfix: PostfixServer
) -> None:
    """In its own transfer encoding; its links lead to where they led (event 66)."""
    postroom.run("domain", "track", DOMAIN, "--opens", "--clicks")
    sent = {f"{name}@rcpt.example": _alternative(name) for name in ENCODINGS}
    with logged_in(submission(postroom), anypost(postroom)) as client:
        for to, pieces in sent.items():
            client.sendmail(SENDER, [to], b"".join(pieces))
    for one in postfix.wait_for(len(sent)):
        pieces = sent[one.recipient]
        assert_as_sent(b"".join(pieces), one, same_body=False)
        name = one.recipient.partition("@")[0]
        found = ENCODINGS[name][1](_middle(one, *pieces)).decode()
        _follow(postroom, delivery_of(one), found)


def _follow(postroom: Postroom, uuid: str, found: str) -> None:
    """The HTML is what was sent, with links that lead there and one pixel."""
    clicks = re.findall(_CLICK, found)
    assert len(clicks) == len(TARGETS)
    (pixel,) = re.findall(_PIXEL, found)
    restored = found.replace(pixel, "")
    for click, target in zip(clicks, TARGETS, strict=True):
        restored = restored.replace(click, target)
    assert restored.replace("\r\n", "\n") == HTML.replace("\r\n", "\n")
    with api(postroom) as client:
        for click, target in zip(clicks, TARGETS, strict=True):
            answer = client.get(urlsplit(click).path)
            assert answer.status_code == 302
            assert answer.headers["Location"] == html.unescape(target)
        (url,) = re.findall(r"https?://[^\"'\s>]+", pixel)
        assert client.get(urlsplit(url).path).status_code == 200
    wait_for_event(postroom, CLICKED, uuid)
    wait_for_event(postroom, OPENED, uuid)


def test_signed_mail_is_never_rewritten(
    make_postroom: MakePostroom,
    postfix: PostfixServer,
    nsd: NsdServer,
    verifiers: Verifiers,
) -> None:
    """ATTACKS 14: PGP, S/MIME and a client's own DKIM arrive as they were signed."""
    postroom = make_postroom({**dns_settings(nsd), **NAMED})
    furnish_for_smtp(postroom, postfix, nsd)
    postroom.run("domain", "track", DOMAIN, "--opens", "--clicks")
    login, _ = credential_pair(postroom)
    postroom.start()
    theirs = _sign_as_client(b"".join(_alternative("8bit")), nsd)
    sent = {"pgp": PGP_SIGNED, "smime": SMIME_SIGNED, "dkim": theirs}
    with logged_in(submission(postroom), login) as client:
        for name, mail in sent.items():
            client.sendmail(SENDER, [f"{name}@rcpt.example"], mail)
    arrived = {one.recipient.partition("@")[0]: one for one in postfix.wait_for(3)}
    for name, mail in sent.items():
        body = part(arrived[name].wire).body
        assert body == part(mail).body
        assert_signed(arrived[name], verifiers)
    verdicts = verifiers.opendkim(arrived["dkim"].wire)
    assert Verdict("pass", "rsa-sha256", "partner.example", "theirs") in verdicts


def _alternative(encoding: str) -> tuple[bytes, bytes, bytes]:
    """A mail with text, this HTML and a file: before the HTML, it, behind it."""
    head = small(
        encoding,
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="=_out"',
    ).removesuffix(b"hi\r\n")
    text = f"<a href={TARGETS[0]}>not HTML</a>\r\n".encode()
    before = (
        b"preamble\r\n--=_out\r\nContent-Type: multipart/alternative; boundary=in\r\n"
        b"\r\n--in\r\nContent-Type: text/plain\r\n\r\n%b\r\n--in\r\n"
        b"Content-Type: text/html; charset=UTF-8\r\n"
        b"Content-Transfer-Encoding: %b\r\n\r\n" % (text, encoding.encode())
    )
    behind = (
        b"\r\n--in--\r\n--=_out\r\nContent-Type: text/html; charset=utf-8\r\n"
        b"Content-Disposition: attachment; filename=a.html\r\n\r\n%b\r\n"
        b"--=_out--\r\nepilogue\r\n" % text
    )
    return head + before, ENCODINGS[encoding][0](HTML), behind


def _middle(one: Delivered, before: bytes, _: bytes, behind: bytes) -> bytes:
    """What is between the two in the mail that arrived."""
    body, head = part(one.wire).body, part(before + b"\r\n\r\n").body
    head = head.removesuffix(b"\r\n\r\n")
    assert body.startswith(head)
    assert body.endswith(behind)
    return body[len(head) : -len(behind)]


def _sign_as_client(mail: bytes, nsd: NsdServer) -> bytes:
    """The mail with a DKIM signature of its author's, whose key that server has."""
    key = rsa.generate_private_key(65537, 2048)
    public = base64.b64encode(
        key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).decode()
    parts = " ".join(f'"{public[at : at + 200]}"' for at in range(0, len(public), 200))
    record = f'theirs._domainkey IN TXT "v=DKIM1; k=rsa; p=" {parts}'
    nsd.serve({"partner.example": record})
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return bytes(dkim.sign(mail, b"theirs", b"partner.example", pem)) + mail
