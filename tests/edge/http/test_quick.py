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
from appliance.edge.http.quick import PlainGet, read_plain_get
from appliance.edge.http.respond import header, send_json
from tests.fakes.http import nothing_else, serving

LIMITS = Limits()
LINE = b"GET /track/open/A_b-1 HTTP/1.1\r\n"
HOST = b"Host: track.test:8025\r\n"
PLAIN = LINE + HOST + b"User-Agent:  Reader/1 \r\n\r\n"


def test_a_plain_get_is_read() -> None:
    """Names in small letters, values without the blanks around them."""
    headers = [(b"host", b"track.test:8025"), (b"user-agent", b"Reader/1")]
    assert read_plain_get(PLAIN, LIMITS) == PlainGet("/track/open/A_b-1", headers)
    kept = LINE + HOST + b"Connection: keep-alive\r\n\r\n"
    assert read_plain_get(kept, LIMITS) is not None


@pytest.mark.parametrize(
    "data",
    [
        PLAIN[:-1],
        PLAIN + PLAIN,
        PLAIN + b"x",
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
        b"",
    ],
)
def test_whatever_is_more_than_that_is_left_to_h11(data: bytes) -> None:
    """ATTACKS 18: bodies, upgrades, a second request, escapes, odd bytes."""
    assert read_plain_get(data, LIMITS) is None


@given(st.binary(max_size=200), st.integers(0, len(PLAIN)))
def test_any_bytes_are_read_or_left(junk: bytes, at: int) -> None:
    """What is read has one host, and no control character anywhere."""
    read = read_plain_get(PLAIN[:at] + junk + PLAIN[at:], LIMITS)
    if read is not None:
        assert sum(name == b"host" for name, _ in read.headers) == 1
        for name, value in read.headers:
            text = (name + value).decode("latin-1").replace("\t", " ")
            controls = [one for one in text if one < " " or one == "\x7f"]
            assert controls == []


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
    {("GET", "/track/open/*"): told, ("GET", "/track/broken"): broken}, nothing_else
)


async def test_both_ways_answer_alike() -> None:
    """Byte for byte, on one kept connection, whichever comes first."""
    whole = PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")
    async with serving(APP, quick="/track/") as server, server.client() as client:
        answers = []
        for data in (PLAIN, whole, PLAIN, PLAIN, whole):
            await client.send(data)
            answer = await client.answer()
            assert answer is not None
            answer.headers.pop("date")
            answers.append((answer.status, dict(answer.headers), answer.body))
    assert all(one == answers[0] for one in answers)
    assert b"'GET', '/track/open/A_b-1', '127.0.0.1', 'Reader/1', b''" in answers[0][2]


async def test_a_request_in_pieces_takes_the_long_way() -> None:
    """Wherever it is cut, and the next one is read from its first byte."""
    async with serving(APP, quick="/track/") as server, server.client() as client:
        for at in (1, 5, 20, len(LINE), len(PLAIN) - 2):
            await client.send(PLAIN[:at])
            await trio.testing.wait_all_tasks_blocked()
            await client.send(PLAIN[at:])
            answer = await client.answer()
            assert answer is not None
            assert answer.status == 200


async def test_several_at_once_are_answered_in_order() -> None:
    """Pipelining is HTTP/1.1, and not for the short way."""
    async with serving(APP, quick="/track/") as server, server.client() as client:
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
    async with serving(APP, quick="/track/") as server, server.client() as client:
        for data, status in ((bad, 500), (PLAIN, 200)):
            await client.send(data)
            answer = await client.answer()
            assert answer is not None
            assert answer.status == status
    assert [one.getMessage() for one in caplog.records] == ["http.app_failed"]


async def test_a_stopping_server_says_that_it_is_the_last_answer() -> None:
    """RFC 9112 9.6: the client goes elsewhere for the next one."""
    go_on = trio.Event()

    async def slow(
        _scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await go_on.wait()
        await send_json(send, 200, b"{}")

    app = HotRoutes({("GET", "/track/open/*"): slow}, nothing_else)
    async with serving(app, quick="/track/") as server, server.client() as client:
        await client.send(PLAIN)
        await trio.testing.wait_all_tasks_blocked()
        server.closing.set()
        await trio.testing.wait_all_tasks_blocked()
        go_on.set()
        answer = await client.answer()
        assert answer is not None
        assert answer.headers["connection"] == "close"
        assert await client.ends() == b""
