"""The doors in the mail: pixel, links, and the way out.

A token that is not ours is 404. A hit is on disk before it is answered, except
that a HEAD records nothing: link checkers send it. What was sent keeps working:
a link leads on and a pixel shows also when the delivery has been forgotten or
the disk takes nothing. Looking at the unsubscribe page changes nothing; only
POST does (RFC 8058 3.2, ATTACKS 17). No answer depends on a cookie.
"""

import string
from typing import Protocol
from urllib.parse import quote

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from appliance.core.token import Token, TokenKind
from appliance.edge.http.hot import Hot
from appliance.edge.http.respond import Headers, NoBody, header, read_body, send_problem
from appliance.edge.unsubscribe_page import Page, asking, done
from appliance.edge.visitor import Proxies
from appliance.flow.engagement import EngagementDesk
from appliance.log import get
from appliance.store.errors import StoreUnavailable

# One transparent pixel; the smallest GIF that every reader shows.
PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00"
    b"\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
log = get("postroom.tracker")

MAX_FORM_BYTES = 4_096
# What a header cannot hold is encoded as every browser does; the rest stays as it
# is, even what no URL should have: encoding the backslash of "https://a\\@b/" would
# turn b from a path into the host (ATTACKS 16).
_AS_THEY_ARE = string.punctuation
_NO_STORE = (b"cache-control", b"no-store, max-age=0")
_PAGE_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        (
            b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
            b" frame-ancestors 'none'; base-uri 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex"),
    (b"vary", b"accept-language"),
    _NO_STORE,
)


class ReadsPath(Protocol):
    """How a dialect reads a tracking path."""

    def __call__(self, path: str) -> tuple[TokenKind, str] | None:
        """The kind and the token of a path."""
        ...


class Tracker:
    """Answers hits on tracking links."""

    def __init__(
        self, desk: EngagementDesk, read_path: ReadsPath, proxies: Proxies
    ) -> None:
        self._desk = desk
        self._read_path = read_path
        self._proxies = proxies

    async def get(
        self, scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """A pixel, a redirect to the sender's own target, or the page that asks."""
        token = self._token(scope)
        if token is None:
            await send_problem(send, 404, "not found")
            return
        await self._count(token, scope)
        if token.kind is TokenKind.OPEN:
            await _send(send, 200, PIXEL, [(b"content-type", b"image/gif"), _NO_STORE])
        elif token.kind is TokenKind.CLICK:
            await _redirect(send, token.target)
        else:
            parting = await self._desk.parting(token)
            await _show(send, asking(parting, _languages(scope)))

    async def post(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Unsubscribe the token's own recipient, at once."""
        body = await read_body(scope, receive, MAX_FORM_BYTES)
        if isinstance(body, NoBody):
            await send_problem(send, 413, "the form is too large")
        elif await self._unsubscribed(scope):
            await _show(send, done(_languages(scope)))
        else:
            await send_problem(send, 404, "not found")

    async def _unsubscribed(self, scope: HTTPScope) -> bool:
        token = self._token(scope)
        if token is None or token.kind is not TokenKind.UNSUBSCRIBE:
            return False
        return await self._desk.record(token, self._proxies.visitor(scope))

    def _token(self, scope: HTTPScope) -> Token | None:
        read = self._read_path(scope["path"])
        return self._desk.read(*read) if read is not None else None

    async def _count(self, token: Token, scope: HTTPScope) -> None:
        """Record a hit that counts."""
        if token.kind is TokenKind.UNSUBSCRIBE or scope["method"] == "HEAD":
            return
        try:
            await self._desk.record(token, self._proxies.visitor(scope))
        except StoreUnavailable as error:
            log.warning("tracker.unrecorded", error=error)


def unavailable_as_503(hot: Hot) -> Hot:
    """``hot``, answering 503 when the store does not play along."""

    async def guarded(
        scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        try:
            await hot(scope, receive, send)
        except StoreUnavailable:
            await send_problem(send, 503, "cannot record right now, try again")

    return guarded


def _languages(scope: HTTPScope) -> str:
    return (header(scope, b"accept-language") or b"").decode("latin-1")


async def _show(send: ASGISendCallable, page: Page) -> None:
    language = (b"content-language", page.language.encode())
    await _send(send, 200, page.body, (*_PAGE_HEADERS, language))


async def _redirect(send: ASGISendCallable, target: str) -> None:
    location = quote(target, safe=_AS_THEY_ARE).encode()
    await _send(send, 302, b"", [(b"location", location), _NO_STORE])


async def _send(
    send: ASGISendCallable, status: int, body: bytes, headers: Headers
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-length", b"%d" % len(body)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
