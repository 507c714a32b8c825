"""The main job with real parts: curl, Postroom, Postfix, NSD, three verifiers."""

import re
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest

from tests.fakes.dns_server import NsdServer
from tests.fakes.postfix import Delivered, PostfixServer
from tests.fakes.programs import wait_until
from tests.integration.conftest import MakePostroom, Need, Tell
from tests.integration.house import (
    DOMAIN,
    POOL,
    PROCESSED,
    SENT,
    Watcher,
    add_upstream,
    curl_send,
    delivery_of,
    dns_settings,
    events,
    html_of,
    mail,
    publish,
    text_of,
)
from tests.integration.verifiers import Verdict, Verifiers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MAILS = 200
# Odd on purpose: whatever is not the value of a link must come out as it went in.
HTML = """<!DOCTYPE html>
<HTML><body  class='a"b'>
<!-- <a href="https://www.shop.example/commented">no</a> -->
<p>Grüße, {{name}} &amp; co: 1 < 2</p>
<a  href = "https://www.shop.example/item/1?ref=mail&amp;c=4711"\tid=one>one</a>
<A HREF='http://other.example/zwei#teil'>two</A><a href=https://x.example/3>3</a>
<a href="mailto:help@shop.example">mail</a><a href="#top">top</a><a href="/rel">rel</a>
.
..
<img src="https://www.shop.example/logo.png">
<a href="{{unsubscribe}}">leave</a>
</body></HTML>
"""
TARGETS = (
    "https://www.shop.example/item/1?ref=mail&amp;c=4711",
    "http://other.example/zwei#teil",
    "https://x.example/3",
)
TEXT = "It has shipped.\n.\n..two dots\nGrüße: https://www.shop.example/item/1\n"


def _as_delivered(name: str) -> re.Pattern[str]:
    """What the HTML part has to be, to the byte, with its links replaced."""
    whole = re.escape(HTML.replace("{{name}}", name))
    url = r"https?://[^\"'\s>]+/track/tpsp/{}/[\w-]+"
    for target in TARGETS:
        whole = whole.replace(re.escape(target), url.format("click"))
    # The value without quotes is given them; nothing else may change.
    bare = f"href={url.format('click')}>3"
    whole = whole.replace(bare, f'href="{url.format("click")}">3')
    leave = url.format("unsubscribe")
    whole = whole.replace(re.escape("{{unsubscribe}}"), leave)
    pixel = rf"<img [^>]*{url.format('open')}[^>]*>"
    return re.compile(whole.replace("</body>", f"{pixel}\\s*</body>"))


def _signed_headers(one: Delivered) -> list[list[str]]:
    """For each signature the names in its h=."""
    found = []
    for value in one.headers.get_all("DKIM-Signature", []):
        match = re.search(r"\bh=([^;]+)", re.sub(r"\s", "", str(value)))
        assert match is not None
        found.append(match[1].lower().split(":"))
    return found


def test_200_mails_by_curl_arrive_signed_and_tracked(
    *,
    make_postroom: MakePostroom,
    postfix: PostfixServer,
    nsd: NsdServer,
    verifiers: Verifiers,
    need: Need,
    tmp_path: Path,
    tell: Tell,
) -> None:
    """Each arrives once, signed and tracked, and every reader sees 58 and 59 once."""
    need("curl")
    postroom = make_postroom(dns_settings(nsd))
    add_upstream(postroom, "postfix", postfix.port)
    postroom.run("pool", "add", POOL, "postfix=100")
    publish(postroom, nsd)
    postroom.run("domain", "verify", DOMAIN)
    postroom.start()

    ids: dict[str, str] = {}
    with Watcher(postroom) as watcher:
        for number in range(MAILS):
            to = f"user{number}@rcpt.example"
            person = {
                "email": to,
                "name": "Kunde",
                "customFields": {"name": f"Zoë {number}"},
            }
            body = mail([person], htmlBody=HTML, textBody=TEXT)
            (element,) = curl_send(postroom, body, tmp_path)
            assert (element["errorCode"], element["to"]) == (0, to)
            ids[to] = element["messageId"]
        arrived = postfix.wait_for(MAILS)
        wait_until(lambda: watcher.count(SENT) >= MAILS, 20, "59 for every mail")

    assert {one.recipient: delivery_of(one) for one in arrived} == ids
    assert len(arrived) == MAILS
    sub_account = postroom.keys["subAccount"]["id"]
    for one in arrived:
        _check_envelope_and_headers(one, ids[one.recipient], sub_account)
        name = one.recipient.removeprefix("user").split("@")[0]
        assert _as_delivered(f"Zoë {name}").fullmatch(html_of(one)), html_of(one)
        assert text_of(one).rstrip("\n") == TEXT.rstrip("\n")
        _check_signatures(one.wire, verifiers)
    _check_tampering_shows(arrived[0].wire, verifiers)
    _check_events(watcher, events(postroom), ids)
    tell(f"{MAILS} posted by curl, {len(arrived)} arrived, each verified three times")


def _check_envelope_and_headers(one: Delivered, uuid: str, sub_account: int) -> None:
    assert str(UUID(uuid)) == uuid
    assert one.return_path == f"bounces+{uuid}+{sub_account}@sp-bounce.{DOMAIN}"
    assert one.headers["Message-ID"] == f"<{uuid}@{DOMAIN}>"
    assert one.headers["X-Sendpost-SubAccount-ID"] == str(sub_account)
    assert int(str(one.headers["X-Sendpost-Account-ID"])) > 0
    assert int(str(one.headers["X-Sendpost-TPSP-ID"])) > 0
    assert one.headers["X-Sendpost-TPSP-Type"] == "3"
    ours = [name for name in one.headers if name.lower().startswith("x-sendpost-")]
    assert len(ours) == 5
    assert one.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/track/tpsp/unsubscribe/" in str(one.headers["List-Unsubscribe"])
    signed = _signed_headers(one)
    assert len(signed) == 2
    for names in signed:
        assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(names)
        assert {"to", "subject", "date", "message-id"} <= set(names)
        # One more than there is: nobody can add a second From (ATTACKS 15).
        assert names.count("from") == 2


def _check_signatures(message: bytes, verifiers: Verifiers) -> None:
    rsa = Verdict("pass", "rsa-sha256", DOMAIN, "sp-dkim")
    verdicts = verifiers.opendkim(message)
    assert rsa in verdicts
    assert {(v.result, v.algorithm) for v in verdicts} == {
        ("pass", "rsa-sha256"),
        ("pass", "ed25519-sha256"),
    }
    assert rsa in verifiers.mail_dkim(message)
    assert verifiers.dkimpy(message) == [True]


def _check_tampering_shows(message: bytes, verifiers: Verifiers) -> None:
    """The verifiers are worth asking: each refuses a mail with one header more."""
    forged = message.replace(b"\r\nSubject:", b"\r\nFrom: eve@evil.example\r\nSubject:")
    assert forged != message
    assert not any(v.result == "pass" for v in verifiers.opendkim(forged))
    assert not any(v.result == "pass" for v in verifiers.mail_dkim(forged))
    assert verifiers.dkimpy(forged) == [False]


def _check_events(
    watcher: Watcher, listed: list[dict[str, object]], ids: dict[str, str]
) -> None:
    live = Counter((one["delivery"], one["type"]) for one in watcher.seen)
    wanted = {(uuid, code): 1 for uuid in ids.values() for code in (PROCESSED, SENT)}
    assert live == wanted
    numbers = [one["number"] for one in watcher.seen]
    assert numbers == sorted(set(numbers))
    assert [one["number"] for one in listed] == numbers
    assert listed == watcher.seen
