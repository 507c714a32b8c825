"""What hot routes are written with."""

from collections.abc import Sequence

import pytest
from hypercorn.typing import ASGIReceiveEvent, HTTPScope

from appliance.edge.http.limits import Limits
from appliance.edge.http.respond import NoBody, header, read_body
from appliance.settings.doors import Http


def scope(*headers: tuple[bytes, bytes]) -> HTTPScope:
    """A request with these headers."""
    return {
        "type": "http",
        "asgi": {},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": None,
        "server": None,
        "state": {},  # type: ignore[typeddict-item]  # a NewType over dict
        "extensions": {},
    }


class Pieces:
    """A body in pieces; behind them the client is gone."""

    def __init__(self, *pieces: bytes, whole: bool = True) -> None:
        self.left: list[ASGIReceiveEvent] = [
            {"type": "http.request", "body": piece, "more_body": True}
            for piece in pieces
        ]
        if whole:
            self.left.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive(self) -> ASGIReceiveEvent:
        """The next piece."""
        return self.left.pop(0) if self.left else {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("pieces", "limit", "body"),
    [
        ((), 0, b""),
        ((b"ab", b"c"), 3, b"abc"),
        ((b"ab", b"c"), 2, NoBody.TOO_LARGE),
        ((b"abc",), 2, NoBody.TOO_LARGE),
    ],
)
async def test_a_body_is_read_to_its_limit(
    pieces: Sequence[bytes], limit: int, body: bytes | NoBody
) -> None:
    """Whole, or too large as soon as it is."""
    assert await read_body(scope(), Pieces(*pieces).receive, limit) == body


async def test_what_announces_too_much_is_not_read() -> None:
    """Not a byte of it."""
    pieces = Pieces(b"abc")
    announced = scope((b"content-length", b"3"))
    assert await read_body(announced, pieces.receive, 2) is NoBody.TOO_LARGE
    assert len(pieces.left) == 2


async def test_a_client_that_leaves_has_no_body() -> None:
    """Half a body is none."""
    pieces = Pieces(b"abc", whole=False)
    assert await read_body(scope(), pieces.receive, 9) is NoBody.GONE


def test_a_header_is_found_by_its_lower_case_name() -> None:
    """The first of several, None without one."""
    found = scope((b"a", b"1"), (b"b", b"2"), (b"b", b"3"))
    assert header(found, b"b") == b"2"
    assert header(found, b"c") is None


def test_the_limits_are_what_the_operator_set() -> None:
    """Each setting of the section that bounds something arrives."""
    limits = Limits.of(Http(max_connections=5, header_timeout=1, body_timeout=2))
    assert (limits.max_connections, limits.header_timeout) == (5, 1)
    assert (limits.body_timeout, limits.drain_timeout) == (2, Http().drain_timeout)
