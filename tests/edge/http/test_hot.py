"""The table in front of the Quart app."""

from typing import Any

import pytest
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)

from appliance.edge.http.hot import Hot, HotRoutes, not_found
from appliance.edge.http.respond import send_json
from tests.fakes.http import Answer, nothing_else, serving


def named(name: bytes) -> Hot:
    """A route that answers with its name."""

    async def hot(
        _scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await send_json(send, 200, name)

    return hot


async def quart(
    scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Stands for the Quart app."""
    if scope["type"] == "http":
        await send_json(send, 200, b"quart")
    else:
        await nothing_else(scope, receive, send)


ROUTES: dict[tuple[str, str], Any] = {
    ("POST", "/api/send/"): named(b"send"),
    ("GET", "/api/send"): quart,
    ("GET", "/t/*"): named(b"track"),
    ("GET", "/t/c/*"): named(b"click"),
    ("GET", "/t/exact"): named(b"exact"),
    ("GET", "/"): named(b"root"),
}


async def ask(method: str, path: str) -> Answer:
    """The answer of a server with these routes."""
    async with (
        serving(HotRoutes(ROUTES, quart)) as server,
        server.client() as client,
    ):
        await client.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = await client.answer(method)
        assert answer is not None
        return answer


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/send", b"send"),
        ("POST", "/api/send/", b"send"),
        ("POST", "/api/send?x", b"send"),
        ("GET", "/api/send", b"quart"),
        ("GET", "/t/abc", b"track"),
        ("GET", "/t/c/abc/", b"click"),
        ("GET", "/t/exact", b"exact"),
        ("GET", "/", b"root"),
        ("GET", "/api/send//", b"quart"),
        ("GET", "/other", b"quart"),
        ("HEAD", "/t/abc", b""),
    ],
)
async def test_a_route_is_found_with_and_without_its_last_slash(
    method: str, path: str, body: bytes
) -> None:
    """The exact path first, then the longest prefix, then Quart; no redirects."""
    answer = await ask(method, path)
    assert (answer.status, answer.body) == (200, body)


async def test_a_wrong_method_gets_405_and_the_right_ones() -> None:
    """As JSON, with Allow (RFC 9110 15.5.6)."""
    answer = await ask("DELETE", "/api/send")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, POST"
    assert answer.body == b'{"message":"method not allowed"}'


async def test_an_unknown_path_may_get_404() -> None:
    """For whoever has no other application."""
    async with serving(HotRoutes({("GET", "/*"): not_found}, quart)) as server:
        answer = await server.ask(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer is not None
        assert (answer.status, answer.body) == (404, b'{"message":"not found"}')
