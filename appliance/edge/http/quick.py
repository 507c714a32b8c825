"""The short way for the commonest small request: a plain GET, whole and alone.

A reader's program loads a pixel with one request in one packet, thousands of times a
second behind a large mailing. What is exactly that, to the letter of a narrow grammar,
is read and answered here in a fraction of the time. Whatever else there is (another
method, a body, an upgrade, a second request behind it, an escape in the path, an odd
byte) goes the whole way through h11, which then is the first to see it: so there is
nothing that two readers could understand differently.
"""

import re
from dataclasses import dataclass

import trio
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveEvent,
    ASGISendEvent,
    HTTPScope,
)

from appliance import log as logs
from appliance.edge.http.limits import Limits

Headers = list[tuple[bytes, bytes]]

log = logs.get("http")

_REQUEST = re.compile(
    rb"GET (/[A-Za-z0-9_/-]++) HTTP/1\.1\r\n"
    rb"((?>(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\x00-\x08\n-\x1f\x7f]*+\r\n)+))\r\n"
)
_HOST = re.compile(rb"[A-Za-z0-9.-]++(?::[0-9]++)?")
# What changes how a request is framed, or what becomes of its connection.
_NOT_PLAIN = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"http2-settings",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_KEPT = frozenset({b"keep-alive", b"Keep-Alive"})
_NO_BODY: ASGIReceiveEvent = {
    "type": "http.request",
    "body": b"",
    "more_body": False,
}


@dataclass(frozen=True, slots=True)
class PlainGet:
    """A request that has no more to it; names of headers are in small letters."""

    path: str
    headers: Headers


def read_plain_get(data: bytes, limits: Limits) -> PlainGet | None:
    """The one request that ``data`` is, None if it is anything else."""
    if len(data) > limits.max_header_bytes:
        return None
    found = _REQUEST.fullmatch(data)
    if found is None:
        return None
    headers: Headers = []
    hosts = 0
    for line in found[2].split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name in _NOT_PLAIN and not (name == b"connection" and value in _KEPT):
            return None
        if name == b"host":
            hosts += 1
            if _HOST.fullmatch(value) is None:
                return None
        headers.append((name, value))
    if hosts != 1 or len(headers) > limits.max_header_fields:
        return None
    return PlainGet(found[1].decode("ascii"), headers)


class Answering:
    """Runs an application for one such request and keeps what it answers."""

    def __init__(self) -> None:
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
        head = b"".join(b"%b: %b\r\n" % one for one in (*self._headers, *extra))
        body = b"".join(self._body)
        return b"HTTP/1.1 %d \r\n%b\r\n%b" % (self._status, head, body)

    def _fail(self) -> None:
        """What is answered unless the application does."""
        self._status = 500
        self._headers: Headers = [(b"content-length", b"0")]
        self._body: list[bytes] = []

    async def _receive(self) -> ASGIReceiveEvent:
        return _NO_BODY

    async def _send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = list(message["headers"])
        elif message["type"] == "http.response.body":
            self._body.append(message["body"])
