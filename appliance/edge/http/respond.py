"""What a hot route is written with: the body in, JSON out, a header looked up."""

from collections.abc import Iterable
from enum import Enum, auto

import msgspec
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

Headers = Iterable[tuple[bytes, bytes]]


class NoBody(Enum):
    """Why there is no body."""

    TOO_LARGE = auto()  # the answer is 413; the connection closes behind it
    GONE = auto()  # the client left or was too slow; no answer will be heard


def header(scope: HTTPScope, name: bytes) -> bytes | None:
    """The value of a header by its lower-case name; the first if there are more."""
    for key, value in scope["headers"]:
        if key == name:
            return value
    return None


async def read_body(
    scope: HTTPScope, receive: ASGIReceiveCallable, limit: int
) -> bytes | NoBody:
    """The whole body of at most ``limit`` bytes, or why not.

    A body that announces more is not read at all. Never waits longer than the
    server's body timeout.
    """
    announced = header(scope, b"content-length")
    if announced is not None and int(announced) > limit:
        return NoBody.TOO_LARGE
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return NoBody.GONE
        pieces.append(message["body"])
        size += len(message["body"])
        if size > limit:
            return NoBody.TOO_LARGE
        if not message["more_body"]:
            return b"".join(pieces)


async def send_json(
    send: ASGISendCallable, status: int, body: bytes, headers: Headers = ()
) -> None:
    """Send a complete answer with a JSON body."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_problem(
    send: ASGISendCallable, status: int, message: str, headers: Headers = ()
) -> None:
    """Send what is wrong as ``{"message": ...}``."""
    await send_json(send, status, msgspec.json.encode({"message": message}), headers)
