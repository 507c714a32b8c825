"""The short way for the commonest small requests: a plain GET, or a POST of a little.

A reader's program loads a pixel, thousands of times a second behind a large mailing; a
sender's posts a mail. What is exactly that, to the letter of a narrow grammar, is read
and answered here in a fraction of the time. Whatever else there is (another method, a
body without a length, an upgrade, a second request behind it, an escape in the path,
an odd byte) goes the whole way through h11, which then is the first to see it, from
its first byte: so there is nothing that two readers could understand differently.
"""

import re
from enum import Enum, auto

import trio
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveEvent,
    ASGISendEvent,
    HTTPScope,
)

from appliance import log as logs
from appliance.edge.http.limits import Limits
from appliance.value import value

Headers = list[tuple[bytes, bytes]]

log = logs.get("http")

MAX_BODY_BYTES = 64 * 1024  # times max_connections: what small bodies may hold

_HEAD = re.compile(
    rb"(GET|POST) (/[A-Za-z0-9_/-]++) HTTP/1\.1\r\n"
    rb"((?>(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\x00-\x08\n-\x1f\x7f]*+\r\n)+))\r\n"
)
_NEVER = re.compile(rb"(?!)")
# What changes how a request is framed, whose it is, or what becomes of its connection:
# how it has to look if it is there.
_LOOKS = {
    b"host": re.compile(rb"[A-Za-z0-9.-]++(?::[0-9]++)?"),
    b"content-length": re.compile(rb"[0-9]{1,9}"),
    b"connection": re.compile(rb"[Kk]eep-[Aa]live"),
    b"expect": _NEVER,
    b"http2-settings": _NEVER,
    b"te": _NEVER,
    b"trailer": _NEVER,
    b"transfer-encoding": _NEVER,
    b"upgrade": _NEVER,
}


@value
class Plain:
    """A request that has no more to it; names of headers are in small letters."""

    method: str
    path: str
    headers: Headers
    body: bytes = b""


class Waits(Enum):
    """A request that may go the short way has not come in full."""

    FOR_BODY = auto()


def read_head(data: bytes, limits: Limits) -> tuple[Plain, int] | None:
    """The head that ``data`` begins with, and all the bytes of its request.

    None if it is not whole or no plain one, or if its body is more than a little.
    """
    found = _HEAD.match(data, 0, limits.max_header_bytes)
    if found is None:
        return None
    method, path, lines = found.groups()
    headers = _fields(lines)
    if headers is None or len(headers) > limits.max_header_fields:
        return None
    names = [name for name, _ in headers]
    lengths = [int(value) for name, value in headers if name == b"content-length"]
    if names.count(b"host") != 1 or len(lengths) != (method == b"POST"):
        return None
    length = sum(lengths)
    if length > MAX_BODY_BYTES:
        return None
    plain = Plain(method.decode("ascii"), path.decode("ascii"), headers)
    return plain, found.end() + length


def _fields(lines: bytes) -> Headers | None:
    headers: Headers = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        look = _LOOKS.get(name)
        if look is not None and look.fullmatch(value) is None:
            return None
        headers.append((name, value))
    return headers


class ShortWay:
    """What one connection sent, as long as it may be one plain request."""

    __slots__ = ("_asked", "_beginnings", "_held", "_limits", "_size")

    def __init__(self, beginnings: tuple[bytes, ...], limits: Limits) -> None:
        """``beginnings`` are those of the request lines that may go it."""
        self._beginnings = beginnings
        self._limits = limits
        self._asked: Plain | None = None  # whose body is on its way
        self._held = bytearray()
        self._size = 0

    @property
    def holds(self) -> bool:
        """True while a body is on its way here."""
        return self._asked is not None

    def take(self, data: bytes) -> Plain | Waits | None:
        """The request, once it is whole; None if all that came is to be `released`."""
        if self._asked is None:
            if not data.startswith(self._beginnings):
                return None
            read = read_head(data, self._limits)
            if read is None:
                return None
            asked, size = read
            if len(data) == size:
                return _whole(asked, data)
            self._asked, self._size = asked, size
        self._held += data
        if not data or len(self._held) > self._size:
            return None
        if len(self._held) < self._size:
            return Waits.FOR_BODY
        return _whole(self._asked, self.release())

    def release(self) -> bytes:
        """What was held, for the long way; then nothing is."""
        held, self._held, self._asked = bytes(self._held), bytearray(), None
        return held


def _whole(asked: Plain, data: bytes) -> Plain:
    if asked.method == "GET":
        return asked
    body = data[data.index(b"\r\n\r\n") + 4 :]
    return Plain(asked.method, asked.path, asked.headers, body)


class Answering:
    """Runs an application for one such request and keeps what it answers."""

    __slots__ = ("_asked", "_body", "_headers", "_status", "_taken")

    def __init__(self, asked: Plain) -> None:
        self._asked = asked
        self._taken = False
        self._fail()

    async def run(self, app: AppWrapper, scope: HTTPScope) -> None:
        """Run it to its end; its bugs are logged and answered with 500."""
        try:
            await app(
                scope,
                self._receive,
                self._send,
                trio.to_thread.run_sync,
                trio.from_thread.run,
            )
        except* Exception:
            log.exception("http.app_failed", path=scope["path"])
            self._fail()

    def encode(self, extra: Headers) -> bytes:
        """The whole answer as it is written."""
        head = b"".join([b"%b: %b\r\n" % one for one in (*self._headers, *extra)])
        body = b"".join(self._body)
        return b"HTTP/1.1 %d \r\n%b\r\n%b" % (self._status, head, body)

    def _fail(self) -> None:
        """What is answered unless the application does."""
        self._status = 500
        self._headers: Headers = [(b"content-length", b"0")]
        self._body: list[bytes] = []

    async def _receive(self) -> ASGIReceiveEvent:
        """The body, once; behind it nothing comes: nobody reads the client now."""
        if self._taken:
            await trio.sleep_forever()
        self._taken = True
        return {"type": "http.request", "body": self._asked.body, "more_body": False}

    async def _send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = list(message["headers"])
        elif message["type"] == "http.response.body":
            self._body.append(message["body"])
