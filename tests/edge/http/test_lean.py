"""The Quart app behind the server, joined by the lean class."""

import logging
from collections.abc import AsyncIterator

import pytest
import trio
from quart import request
from quart_trio import QuartTrio

from appliance.edge.http.lean import Lean
from tests.edge.http.malformed import chunked, post
from tests.fakes.http import serving


def quart_app() -> QuartTrio:
    """A Quart app with a limit of 100 bytes."""
    app = QuartTrio(__name__)
    app.asgi_http_class = Lean
    app.config["MAX_CONTENT_LENGTH"] = 100

    @app.post("/echo")
    async def echo() -> str | bytes:
        return await request.get_data()

    @app.post("/stream")
    async def stream() -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in (b"one ", b"two ", b"three"):
                yield piece

        return pieces()

    @app.post("/broken")
    async def broken() -> bytes:
        raise LookupError

    return app


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (post(b"Content-Length: 2", body=b"{}"), 200, b"{}"),
        (post(), 200, b""),
        (chunked(b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), 200, b"{}"),
        (post(b"Content-Length: 101", body=b"x" * 101), 413, None),
        (post(b"Content-Length: 900000", body=b"x" * 900_000), 413, None),
        (chunked(b"65\r\n" + b"x" * 0x65 + b"\r\n0\r\n\r\n"), 413, None),
        (chunked(b"ffffff\r\n" + b"x" * 900_000), 413, None),
        (post().replace(b"/echo", b"/stream"), 200, b"one two three"),
        (post().replace(b"/echo", b"/broken"), 500, None),
        (post().replace(b"/echo", b"/nowhere"), 404, None),
    ],
)
async def test_quart_answers(data: bytes, status: int, body: bytes | None) -> None:
    """Bodies whole and in pieces, the limit for both, streams, errors."""
    async with serving(quart_app()) as server:
        answer = await server.ask(data)
        assert answer is not None
        assert answer.status == status
        assert body is None or answer.body == body


async def test_a_client_that_leaves_before_its_body_reaches_no_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Half a request is no request, and no error of ours."""
    caplog.set_level(logging.WARNING)
    async with serving(quart_app()) as server:
        async with server.client() as client:
            await client.send(chunked(b"2\r\n{"))
        async with server.client() as client:
            await client.send(post(b"Content-Length: 50", body=b"{"))
    assert caplog.records == []


@pytest.mark.parametrize("long", ["/endless", ""])
async def test_an_answer_ends_when_nobody_reads_it(long: str) -> None:
    """Whether it says much, or looks for long and has nothing to say."""
    app, ended = quart_app(), trio.Event()

    @app.get("/endless")
    async def endless() -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"begins"
                while True:
                    await trio.lowlevel.checkpoint()
                    yield b"" if long else b"goes on"
            finally:
                ended.set()

        return pieces()

    async with serving(app, long=long) as server:
        async with server.client() as client:
            await client.send(b"GET /endless?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200" in await client.stream.receive_some()
            assert not ended.is_set()
        await ended.wait()


async def test_a_long_answer_is_like_any_other() -> None:
    """Whole, and the connection is good for the next."""
    app = quart_app()

    @app.get("/long")
    async def answer() -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"all "
            yield b"of it"

        return pieces()

    async with serving(app, long="/long") as server, server.client() as client:
        for _ in range(3):
            await client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
            told = await client.answer("GET")
            assert told is not None
            assert told.body == b"all of it"


async def test_connection_close_closes() -> None:
    """Quart's own class leaves the connection open on plain TCP."""
    async with serving(quart_app()) as server, server.client() as client:
        await client.send(post(b"Connection: close"))
        answer = await client.answer()
        assert answer is not None
        assert answer.headers["connection"] == "close"
        assert await client.ends() == b""
