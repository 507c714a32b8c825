"""The short way answers as the long one does, or leaves the request alone."""

import itertools
import logging

import pytest
import trio
import trio.testing
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
)
from hypothesis import given
from hypothesis import strategies as st

from appliance.edge.http.hot import HotRoutes
from appliance.edge.http.limits import Limits
from appliance.edge.http.quick import (
    MAX_BODY_BYTES,
    Plain,
    ShortWay,
    Waits,
    read_head,
)
from appliance.edge.http.respond import header, send_json
from tests.fakes.http import nothing_else, serving

LIMITS = Limits()
QUICK = (b"GET /track/", b"POST /mail")
LINE = b"GET /track/open/A_b-1 HTTP/1.1\r\n"
HOST = b"Host: track.test:8025\r\n"
PLAIN = LINE + HOST + b"User-Agent:  Reader/1 \r\n\r\n"
POST = b"POST /mail HTTP/1.1\r\n" + HOST + b"Content-Length: 7\r\n\r\n"
BODY = b"a\r\n\r\nbc"


def test_a_plain_get_is_read() -> None:
    """Names in small letters, values without the blanks around them."""
    headers = [(b"host", b"track.test:8025"), (b"user-agent", b"Reader/1")]
    expected = Plain("GET", "/track/open/A_b-1", headers), len(PLAIN)
    assert read_head(PLAIN, LIMITS) == expected
    kept = LINE + HOST + b"Connection: keep-alive\r\n\r\n"
    assert read_head(kept, LIMITS) is not None


def test_a_post_has_a_length() -> None:
    """Its request ends where that says, wherever the bytes end."""
    headers = [(b"host", b"track.test:8025"), (b"content-length", b"7")]
    expected = Plain("POST", "/mail", headers), len(POST) + 7
    assert read_head(POST, LIMITS) == expected
    assert read_head(POST + BODY + b"GET", LIMITS) == expected
    most = POST.replace(b"7", b"%d" % MAX_BODY_BYTES)
    assert read_head(most, LIMITS) is not None


@pytest.mark.parametrize(
    "data",
    [
        PLAIN[:-1],
        PLAIN.replace(b"GET", b"HEAD"),
        PLAIN.replace(b"GET", b"POST"),
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"A_b", b"A%20b"),
        PLAIN.replace(b"A_b", b"A?b"),
        PLAIN.replace(b"/track", b"http://track.test/track"),
        PLAIN.replace(b"\r\n", b"\n"),
        PLAIN.replace(b"Reader", b"Rea\rder"),
        PLAIN.replace(b"Reader", b"Rea\0der"),
        PLAIN.replace(b"  Reader", b"\r\n Reader"),
        PLAIN.replace(b"Host:", b"Host :"),
        LINE + b"\r\n",
        LINE + b"User-Agent: x\r\n\r\n",
        LINE + HOST + HOST + b"\r\n",
        LINE + b"Host: a/b\r\n\r\n",
        LINE + HOST + b"Connection: close\r\n\r\n",
        LINE + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        LINE + HOST + b"Content-Length: 0\r\n\r\n",
        LINE + HOST + b"Content-Length: 5\r\n\r\n",
        LINE + HOST + b"transfer-encoding: chunked\r\n\r\n",
        LINE + HOST + b"Expect: 100-continue\r\n\r\n",
        LINE + HOST + b"x: y\r\n" * LIMITS.max_header_fields + b"\r\n",
        LINE + HOST + b"x: " + b"y" * LIMITS.max_header_bytes + b"\r\n\r\n",
        POST.replace(b"7", b"7, 7"),
        POST.replace(b"7", b"+7"),
        POST.replace(b"7", b"0x7"),
        POST.replace(b"7", b""),
        POST.replace(b"7", b"7\r\nContent-Length: 7"),
        POST.replace(b"7", b"7\r\nTransfer-Encoding: chunked"),
        POST.replace(b"7", b"7\r\nExpect: 100-continue"),
        POST.replace(b"7", b"%d" % (MAX_BODY_BYTES + 1)),
        POST.replace(b"7", b"9" * 400),
        b"",
    ],
)
def test_whatever_is_more_than_that_is_left_to_h11(data: bytes) -> None:
    """ATTACKS 9, 18: two framings, upgrades, escapes, odd bytes, large bodies."""
    assert read_head(data, LIMITS) is None


@given(
    st.sampled_from([PLAIN, POST + BODY]), st.binary(max_size=200), st.integers(0, 120)
)
def test_any_bytes_are_read_or_left(whole: bytes, junk: bytes, at: int) -> None:
    """What is read has one host, and no control character anywhere in its head."""
    read = read_head(whole[:at] + junk + whole[at:], LIMITS)
    if read is not None:
        plain, _ = read
        assert sum(name == b"host" for name, _ in plain.headers) == 1
        for name, value in plain.headers:
            text = (name + value).decode("latin-1").replace("\t", " ")
            controls = [one for one in text if one < " " or one == "\x7f"]
            assert controls == []


@given(st.lists(st.integers(0, len(POST + BODY)), max_size=6), st.booleans())
def test_pieces_are_put_together_or_given_back(cuts: list[int], more: bool) -> None:  # noqa: FBT001  drawn
    """A body may come in pieces; nothing is lost of what is not one request."""
    way = ShortWay(QUICK, LIMITS)
    data = POST + BODY + b"x" * more
    edges = [0, *sorted(cuts), len(data)]
    given = b""
    for start, end in itertools.pairwise(edges):
        if start == end:
            continue
        given += data[start:end]
        taken = way.take(data[start:end])
        if taken is not Waits.FOR_BODY:
            break
    else:
        pytest.fail("it waits although all is there")
    if isinstance(taken, Plain):
        assert (taken.body, given, way.holds) == (BODY, POST + BODY, False)
    else:
        held = way.release()
        assert (held or data[start:end]) == given[-len(held or data[start:end]) :]
        assert held in {b"", given}
        assert not way.holds


async def told(
    scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Answers with what a route sees of a request."""
    message = await receive()
    assert message["type"] == "http.request"
    client = scope["client"]
    assert client is not None
    agent = header(scope, b"user-agent") or b""
    seen = (scope["method"], scope["path"], client[0], agent.decode())
    await send_json(send, 200, repr((*seen, message["body"])).encode())


async def broken(
    _scope: HTTPScope, _receive: ASGIReceiveCallable, _send: ASGISendCallable
) -> None:
    """A route with a bug."""
    raise ValueError


APP = HotRoutes(
    {
        ("GET", "/track/open/*"): told,
        ("GET", "/track/broken"): broken,
        ("POST", "/mail"): told,
    },
    nothing_else,
)


async def test_both_ways_answer_alike() -> None:
    """Byte for byte, on one kept connection, whichever comes first."""
    whole = PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")
    async with serving(APP, quick=QUICK) as server, server.client() as client:
        answers = []
        for data in (PLAIN, whole, PLAIN, PLAIN, whole):
            await client.send(data)
            answer = await client.answer()
            assert answer is not None
            answer.headers.pop("date")
            answers.append((answer.status, dict(answer.headers), answer.body))
    assert all(one == answers[0] for one in answers)
    assert b"'GET', '/track/open/A_b-1', '127.0.0.1', 'Reader/1', b''" in answers[0][2]


@pytest.mark.parametrize("data", [PLAIN, POST + BODY], ids=["get", "post"])
async def test_a_request_in_pieces_is_answered(data: bytes) -> None:
    """Wherever it is cut, and the next one is read from its first byte."""
    async with serving(APP, quick=QUICK) as server, server.client() as client:
        for at in (1, 5, 20, len(LINE), len(data) - 8, len(data) - 2):
            await client.send(data[:at])
            await trio.testing.wait_all_tasks_blocked()
            await client.send(data[at:])
            answer = await client.answer()
            assert answer is not None
            assert answer.status == 200
            assert repr(BODY if data != PLAIN else b"").encode() in answer.body


async def test_a_next_request_behind_a_body_is_read() -> None:
    """A request may begin in the packet in which a body ends."""
    async with serving(APP, quick=QUICK) as server, server.client() as client:
        await client.send(POST + BODY[:3])
        await trio.testing.wait_all_tasks_blocked()
        await client.send(BODY[3:] + POST + BODY)
        for _ in range(2):
            answer = await client.answer()
            assert answer is not None
            assert repr(BODY).encode() in answer.body
        await client.send(POST + BODY)
        answer = await client.answer()
        assert answer is not None
        assert answer.status == 200


async def test_several_at_once_are_answered_in_order() -> None:
    """Pipelining is HTTP/1.1, and not for the short way."""
    async with serving(APP, quick=QUICK) as server, server.client() as client:
        await client.send(b"".join(itertools.repeat(PLAIN, 3)))
        for _ in range(3):
            answer = await client.answer()
            assert answer is not None
            assert answer.status == 200


async def test_a_bug_is_a_500_and_the_connection_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged, and the next request has its answer."""
    caplog.set_level(logging.ERROR)
    bad = PLAIN.replace(b"open/A_b-1", b"broken")
    async with serving(APP, quick=QUICK) as server, server.client() as client:
        for data, status in ((bad, 500), (PLAIN, 200)):
            await client.send(data)
            answer = await client.answer()
            assert answer is not None
            assert answer.status == status
    assert [one.getMessage() for one in caplog.records] == ["http.app_failed"]


async def test_a_body_is_handed_out_once() -> None:
    """Who watches for a client that leaves waits, and does not spin."""
    more: list[object] = []

    async def watching(
        _scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        assert (await receive())["type"] == "http.request"
        with trio.move_on_after(0.01):
            more.append(await receive())
        await send_json(send, 200, b"{}")

    app = HotRoutes({("POST", "/mail"): watching}, nothing_else)
    async with serving(app, quick=QUICK) as server, server.client() as client:
        await client.send(POST + BODY)
        answer = await client.answer()
        assert answer is not None
        assert answer.status == 200
        assert (answer.body, more) == (b"{}", [])


async def test_a_stopping_server_says_that_it_is_the_last_answer() -> None:
    """RFC 9112 9.6: the client goes elsewhere for the next one."""
    go_on = trio.Event()

    async def slow(
        _scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await go_on.wait()
        await send_json(send, 200, b"{}")

    app = HotRoutes({("GET", "/track/open/*"): slow}, nothing_else)
    async with serving(app, quick=QUICK) as server, server.client() as client:
        await client.send(PLAIN)
        await trio.testing.wait_all_tasks_blocked()
        server.closing.set()
        await trio.testing.wait_all_tasks_blocked()
        go_on.set()
        answer = await client.answer()
        assert answer is not None
        assert answer.headers["connection"] == "close"
        assert await client.ends() == b""
