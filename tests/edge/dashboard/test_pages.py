import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import trio

from appliance.core.event import EventType
from tests.fakes.house import House, lead_to, mail, open_house
from tests.fakes.upstream import FakeUpstream, Say, Script

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server."""
    async with open_house(tmp_path) as one:
        yield one


async def look(house: House, path: str = "/") -> httpx.Response:
    """A page, as the dashboard's user sees it."""
    answer = await house.http.get(path, auth=house.login)
    assert answer.status_code == 200, path
    return answer


async def test_nobody_sees_a_page_without_a_password(house: House) -> None:
    """401 and a challenge for all that is behind the door; no word on what is."""
    message = await house.sent()
    paths = ("/", f"/messages/{message}", f"/captured/{message}", "/messages/nosuch")
    for path in paths:
        for headers in (
            {},
            {"Authorization": "Basic"},
            {"Authorization": "Basic !!!"},
            {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
            {"Authorization": f"Bearer {house.key}"},
        ):
            answer = await house.http.get(path, headers=headers)
            assert answer.status_code == 401
            challenge = answer.headers["www-authenticate"]
            assert challenge == 'Basic realm="Postroom", charset="UTF-8"'
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert message not in answer.text


async def test_mail_of_late_is_shown(house: House) -> None:
    """Before the first mail it says what to do; then what became of each."""
    assert "No mail yet" in (await look(house)).text
    message = await house.sent(subject="Grüße & <mehr>")
    page = (await look(house)).text
    assert f'href="/messages/{message}"' in page
    assert "Grüße &amp; &lt;mehr&gt;" in page
    assert "bob@rcpt.example" in page
    assert '<td class="sent">sent</td>' in page
    assert "250 kept for viewing" in page


async def test_a_message_is_shown_with_what_became_known(house: House) -> None:
    """Its deliveries and its events, and the way to what was captured."""
    to = {"email": "bob@rcpt.example", "cc": [{"email": "carol@rcpt.example"}]}
    message = await house.sent(to=[to])
    page = (await look(house, f"/messages/{message}")).text
    assert page.count("carol@rcpt.example") >= 2
    assert re.search(r"<td>processed</td>", page)
    assert f'href="/captured/{message}"' in page


async def test_what_is_not_there_is_404(house: House) -> None:
    """With the protection of every other page."""
    for path in ("messages", "captured"):
        for text in ("nosuch", str(UUID(int=7)), "%00", "..%2f..%2fsecret.key"):
            answer = await house.http.get(f"/{path}/{text}", auth=house.login)
            assert answer.status_code == 404


async def test_strangers_text_is_text(tmp_path: Path, nursery: trio.Nursery) -> None:
    """ATTACKS 19: subject, names, addresses, an upstream's words run nowhere."""
    script = Script({"DOT": Say(f"554 5.7.1 {EVIL}")})
    port = await FakeUpstream(script).start(nursery)
    async with open_house(
        tmp_path,
        "relay.permanent_5xx=true",
        prepare=lambda tx, _: lead_to(tx, port),
    ) as house:
        body = mail(
            subject=EVIL,
            to=[{"email": '"<b>x</b>"@rcpt.example', "name": EVIL}],
            htmlBody=EVIL,
        )
        (result,) = (await house.send(body)).json()
        message = result["messageId"]
        await house.heard(EventType.DROPPED, message)
        for path in ("/", f"/messages/{message}"):
            page = await look(house, path)
            assert "<script" not in page.text
            assert "<img" not in page.text
            assert "<b>" not in page.text
            assert "&lt;script&gt;alert(1)" in page.text
            assert "554 5.7.1" in page.text


async def test_pages_run_nothing_and_load_nothing(house: House) -> None:
    """ATTACKS 19 and 20: no script, no frame around them, no sniffing, no cache."""
    message = await house.sent()
    for path in ("/", f"/messages/{message}", f"/captured/{message}"):
        headers = (await look(house, path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers


async def test_captured_mail_is_shown_as_plain_text(house: House) -> None:
    """ATTACKS 19: what a sender wrote is never rendered as a page of ours."""
    message = await house.sent(htmlBody=f"<body>{EVIL}</body>")
    answer = await look(house, f"/captured/{message}")
    assert answer.headers.get_list("content-type") == ["text/plain; charset=utf-8"]
    assert "List-Unsubscribe: <" in answer.text
