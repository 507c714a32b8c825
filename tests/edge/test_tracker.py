import re
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import characters

from appliance.core.event import Event, EventType
from appliance.core.ids import uuid7
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.edge import assembly, tracker
from appliance.flow.engagement import MAX_AGENT
from appliance.store.captured import get_captured
from tests.fakes.house import House, mail, open_house

TARGET = "https://www.example.com/item?a=1&b=%20#part"
KINDS = {
    TokenKind.OPEN: "open",
    TokenKind.CLICK: "click",
    TokenKind.UNSUBSCRIBE: "unsubscribe",
}
FACTS = (EventType.OPENED, EventType.CLICKED, EventType.UNSUBSCRIBED)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server."""
    async with open_house(tmp_path) as one:
        yield one


def tokens(house: House) -> TokenMaker:
    """The server's own."""
    secret = house.folder.read_secret()
    return TokenMaker(assembly.derived(secret, b"tracking tokens"))


def paths(kind: TokenKind, token: str) -> list[str]:
    """Both spellings of a tracking path."""
    return [f"/track/tpsp/{KINDS[kind]}/{token}", f"/track/{KINDS[kind]}/{token}"]


async def path_of(house: House, kind: TokenKind, target: str = TARGET) -> str:
    """The path of a genuine link in a mail that has left."""
    delivery = UUID(await house.sent())
    token = Token(kind, delivery)
    if kind is TokenKind.CLICK:
        token = Token(kind, delivery, 0, target)
    return paths(kind, tokens(house).seal(token))[0]


async def facts(house: House) -> list[Event]:
    """What recipients did, as recorded."""
    return [one for one in await house.events() if one.type in FACTS]


async def test_the_links_in_the_mail_are_these(house: House) -> None:
    """What the mail holds is what this door serves: pixel, link, way out."""
    html = f'<body><a href="{escape(TARGET)}">x</a></body>'
    message = await house.sent(htmlBody=html)
    captured = await house.store.read(get_captured, UUID(message))
    assert captured is not None
    text = captured.raw.replace(b"=\r\n", b"").replace(b"=3D", b"=").decode()
    for kind, status in ((TokenKind.OPEN, 200), (TokenKind.CLICK, 302)):
        (link,) = re.findall(rf"http://[^/]*(/track/tpsp/{KINDS[kind]}/[\w-]+)", text)
        assert (await house.http.get(link)).status_code == status
    assert [(one.type, one.data.get("url")) for one in await facts(house)] == [
        (EventType.OPENED, None),
        (EventType.CLICKED, TARGET),
    ]


async def test_both_spellings_are_served(house: House) -> None:
    """Spec 6: mail of the vendor holds either."""
    delivery = UUID(await house.sent())
    token = tokens(house).seal(Token(TokenKind.OPEN, delivery))
    for path in paths(TokenKind.OPEN, token):
        assert (await house.http.get(path)).status_code == 200
    assert len(await facts(house)) == 2


async def test_the_pixel_is_a_gif_that_nobody_keeps(house: House) -> None:
    """Each look counts; the first one is told apart."""
    path = await path_of(house, TokenKind.OPEN)
    for _ in range(3):
        answer = await house.http.get(path, headers={"User-Agent": "Reader/1"})
        assert answer.status_code == 200
        assert answer.headers.get_list("content-type") == ["image/gif"]
        assert "no-store" in answer.headers["cache-control"]
        assert answer.content == tracker.PIXEL
    found = await facts(house)
    assert [one.data.get("first", False) for one in found] == [True, False, False]
    assert {one.data["userAgent"] for one in found} == {"Reader/1"}
    assert {one.data["ip"] for one in found} == {"127.0.0.0"}


@pytest.mark.parametrize("kind", TokenKind)
async def test_head_records_nothing(house: House, kind: TokenKind) -> None:
    """Link checkers send it; they get what GET would say, without a body."""
    path = await path_of(house, kind)
    answer = await house.http.head(path)
    assert answer.status_code == (302 if kind is TokenKind.CLICK else 200)
    assert answer.content == b""
    assert await facts(house) == []


async def test_what_is_not_ours_is_not_found(house: House) -> None:
    """ATTACKS 16: forged, cut, or of another kind: 404, no event."""
    delivery, ours = UUID(await house.sent()), tokens(house)
    for kind in TokenKind:
        genuine = Token(kind, delivery, 0, TARGET if kind is TokenKind.CLICK else "")
        text = ours.seal(genuine)
        other = TokenMaker(b"x" * 32).seal(genuine)
        bad = [other, text[:-1], text[1:], text[::-1], "", "x", "%00", "é" * 9]
        bad += [text + "/", text + "/x", text[:-4] + "AAAA"]
        bad += [
            ours.seal(Token(another, delivery, 0, TARGET))
            for another in TokenKind
            if another is not kind
        ]
        for path in (path for one in bad for path in paths(kind, one)):
            for method in ("GET", "HEAD"):
                answer = await house.http.request(method, path)
                assert answer.status_code == 404, path
                assert "location" not in answer.headers
            answer = await house.http.post(path)
            assert answer.status_code in (404, 405), path
    assert await facts(house) == []
    assert (await house.http.get("/track/tpsp/open")).status_code == 404


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (TARGET, TARGET),
        ("https://a.example/ü?x=é#ö", "https://a.example/%C3%BC?x=%C3%A9#%C3%B6"),
        ("https://a.example/two words", "https://a.example/two%20words"),
        ("https://a.example@b.example/", "https://a.example@b.example/"),
        ("https://a.example\\@b.example/", "https://a.example\\@b.example/"),
        ("https://a.example/%41%zz%", "https://a.example/%41%zz%"),
        ("https://a.example/?u={x}|^`\"<>'", "https://a.example/?u={x}|^`\"<>'"),
        ("HTTPS://A.Example:8443//x/../y", "HTTPS://A.Example:8443//x/../y"),
    ],
)
async def test_a_click_leads_where_the_sender_wrote(
    house: House, target: str, location: str
) -> None:
    """ATTACKS 16: nothing is made into something else on the way."""
    path = await path_of(house, TokenKind.CLICK, target)
    for suffix in ("", "?next=https://evil.example", "?url=x"):
        answer = await house.http.get(path + suffix, headers={"Host": "evil.example"})
        assert answer.status_code == 302
        assert answer.headers.get_list("location") == [location]
        assert "no-store" in answer.headers["cache-control"]
    assert {one.data["url"] for one in await facts(house)} == {target}


@given(st.text(characters(exclude_categories=["Cs", "Cc"]), max_size=60))
def test_a_location_is_one_line_and_the_same_place(tail: str) -> None:
    """Any target: visible ASCII only, the host untouched, the rest recoverable."""
    target = f"https://a.example/{tail}"
    sent: list[dict[str, object]] = []

    async def redirect() -> None:
        async def send(message: object) -> None:
            assert isinstance(message, dict)
            sent.append(message)

        await tracker._redirect(send, target)

    trio.run(redirect)
    headers = sent[0]["headers"]
    assert isinstance(headers, list)
    location = dict(headers)[b"location"].decode("ascii")
    assert re.fullmatch("[!-~]+", location)
    assert urlsplit(location).netloc == "a.example"
    assert unquote(location) == unquote(target)


async def test_looking_at_the_way_out_changes_nothing(house: House) -> None:
    """ATTACKS 17: scanners follow links; the page asks, and runs nothing."""
    path = await path_of(house, TokenKind.UNSUBSCRIBE)
    for _ in range(2):
        answer = await house.http.get(path)
        assert answer.status_code == 200
        assert '<form method="post">' in answer.text
        assert "<script" not in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "b\u2022\u2022\u2022@rcpt.example" in answer.text
        assert "bob" not in answer.text
        assert answer.headers["content-language"] == "en"
    german = await house.http.get(path, headers={"Accept-Language": "de-DE, en;q=0.5"})
    assert '<html lang="de">' in german.text
    assert german.headers["content-language"] == "de"
    assert await facts(house) == []
    assert (await house.send()).json()[0]["errorCode"] == 0


async def test_unsubscribing_works_at_once(house: House) -> None:
    """ATTACKS 17: a POST without cookies, no redirect; the next mail is refused."""
    path = await path_of(house, TokenKind.UNSUBSCRIBE)
    for _ in range(2):
        answer = await house.http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        result = (await house.send()).json()[0]
        assert result["errorCode"] == 2
        kinds = [one.type for one in await house.events(result["messageId"])]
        assert kinds == [EventType.PROCESSED, EventType.DROPPED]
    assert [one.type for one in await facts(house)] == [EventType.UNSUBSCRIBED]
    other = mail(to=[{"email": "carol@rcpt.example"}])
    assert (await house.send(other)).json()[0]["errorCode"] == 0


async def test_the_way_out_needs_no_form(house: House) -> None:
    """An empty POST, and one with both spellings of the path, act as well."""
    path = await path_of(house, TokenKind.UNSUBSCRIBE)
    answer = await house.http.post(path.replace("/tpsp", ""))
    assert answer.status_code == 200
    assert (await house.send()).json()[0]["errorCode"] == 2


async def test_a_form_has_a_bound(house: House) -> None:
    """A body that no form has is refused, and acts not."""
    path = await path_of(house, TokenKind.UNSUBSCRIBE)
    answer = await house.http.post(path, content=b"x" * (tracker.MAX_FORM_BYTES + 1))
    assert answer.status_code == 413
    assert await facts(house) == []


async def test_other_methods_are_not_for_links(house: House) -> None:
    """405 with what is allowed."""
    for kind, allowed in (
        (TokenKind.OPEN, "GET"),
        (TokenKind.CLICK, "GET"),
        (TokenKind.UNSUBSCRIBE, "GET, POST"),
    ):
        path = await path_of(house, kind)
        for method in ("PUT", "DELETE") + (("POST",) if allowed == "GET" else ()):
            answer = await house.http.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert await facts(house) == []


async def test_what_a_visitor_says_of_itself_is_cut(house: House) -> None:
    """ATTACKS 18: an endless or odd user agent is stored in part, as text."""
    path = await path_of(house, TokenKind.OPEN)
    for agent in (b"<script>" + b"x" * 9_000, b"\xff\xfe\x80"):
        answer = await house.http.get(path, headers=[(b"User-Agent", agent)])
        assert answer.status_code == 200
    long, odd = [str(one.data["userAgent"]) for one in await facts(house)]
    assert (len(long), long[:8]) == (MAX_AGENT, "<script>")
    assert odd == "ÿþ\x80"


async def test_what_was_sent_keeps_working(house: House) -> None:
    """Links lead on and the way out is open when retention has forgotten the mail."""
    gone, ours = uuid7(), tokens(house)
    (click, *_) = paths(
        TokenKind.CLICK, ours.seal(Token(TokenKind.CLICK, gone, 0, TARGET))
    )
    answer = await house.http.get(click)
    assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
    (pixel, *_) = paths(TokenKind.OPEN, ours.seal(Token(TokenKind.OPEN, gone)))
    assert (await house.http.get(pixel)).status_code == 200
    result = (await house.send()).json()[0]
    whom = Token(TokenKind.UNSUBSCRIBE, gone, 0, f"1:{result['to']}")
    (path, *_) = paths(TokenKind.UNSUBSCRIBE, ours.seal(whom))
    assert (await house.http.get(path)).status_code == 200
    assert (await house.http.post(path)).status_code == 200
    assert (await house.send()).json()[0]["errorCode"] == 2
    assert await facts(house) == []


async def test_a_full_disk_stops_no_reader(house: House) -> None:
    """A link leads on; an unsubscribe is answered 503, so that it is tried again."""
    path = await path_of(house, TokenKind.UNSUBSCRIBE)
    click = await path_of(house, TokenKind.CLICK)
    await house.limit_pages(-10)
    agent = {"User-Agent": "x" * MAX_AGENT}
    while (await house.http.get("/readyz")).status_code == 200:
        assert (await house.http.get(click, headers=agent)).status_code == 302
    assert (await house.http.get(click)).status_code == 302
    await house.limit_pages(1_000)
    assert (await house.http.post(path)).status_code == 200
    assert (await house.send()).json()[0]["errorCode"] == 2


async def test_a_hit_at_once_is_no_person_s(house: House) -> None:
    """Nobody reads a mail in the second in which it left."""
    path = await path_of(house, TokenKind.CLICK)
    await house.http.get(path, headers={"User-Agent": "Browser/1"})
    (click,) = await facts(house)
    assert click.data["verdict"] == "scanner"
    assert str(click.data["verdictReason"]).startswith("time:")
    assert click.data["first"]
    assert "firstHuman" not in click.data


async def test_whom_our_proxy_names_is_the_visitor(house: House) -> None:
    """A reverse proxy on the same machine is what most installations have."""
    path = await path_of(house, TokenKind.OPEN)
    named = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    await house.http.get(path, headers=named)
    (hit,) = await facts(house)
    assert hit.data["ip"] == "203.0.113.0"


async def test_a_burst_of_hits_is_counted_to_the_last(house: House) -> None:
    """ATTACKS 18: hits share commits, and each is an event of its own."""
    path = await path_of(house, TokenKind.OPEN)
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(house.http.get, path)
    found = await facts(house)
    assert len(found) == 50
    assert sum(bool(one.data.get("first")) for one in found) == 1
