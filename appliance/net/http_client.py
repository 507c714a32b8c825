"""Posts to URLs that strangers named, and reads little of what they answer.

httpcore, the engine of httpx, speaks the protocol: its transport is ours
(`http_connect.py`), so every address is checked. There are no redirects, no cookies and
no proxies in it, and the environment is not asked. How a try ended is a value; the
caller sets the deadline.
"""

import os
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from socket import gaierror
from typing import Final
from urllib.parse import urlsplit

import httpcore
import trio

from appliance import __version__
from appliance.core.webhook import Request, Response
from appliance.net.http_connect import (
    CheckedBackend,
    ForbiddenHostError,
    Judge,
    LookUp,
    system_look_up,
)
from appliance.smtp.reply import printable

MAX_ANSWER = 1024  # bytes of an answer that are kept; the rest is not read
BODY_SECONDS = 2.0  # once the status is known, so long is the body waited for
KEEP_SECONDS = 15.0
MAX_WORDS = 300
MAX_RETRY_AFTER = 24 * 3600
_BROKEN = (
    httpcore.RemoteProtocolError,
    httpcore.ReadError,
    httpcore.WriteError,
)
_AGENT: Final = ("User-Agent", f"Postroom/{__version__}")


class HttpClient:
    """Connections to one receiver, kept between requests.

    They are httpcore's, without its pool: that looks through all of them, several
    times for each request, which is half of what a request costs. How many there are
    is the caller's to bound, by how much it asks for at a time.
    """

    def __init__(
        self,
        judge: Judge,
        tls: ssl.SSLContext,
        look_up: LookUp = system_look_up,
    ) -> None:
        self._backend = CheckedBackend(judge, look_up)
        self._tls = tls
        self._idle: list[httpcore.AsyncHTTPConnection] = []
        self._url = httpcore.URL("http://none.invalid/")
        self._text = ""

    async def post(self, url: str, request: Request) -> Response:
        """What the receiver answered, or why it did not.

        One that closed a kept connection just as we wrote is asked again at once.
        """
        began = trio.current_time()
        try:
            response = await self._post(url, request)
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            response = Response(error=_words(error))
        except (ForbiddenHostError, httpcore.UnsupportedProtocol) as error:
            response = Response(error=str(error)[:MAX_WORDS])
        took_ms = round((trio.current_time() - began) * 1000)
        return replace(response, took_ms=took_ms)

    async def aclose(self) -> None:
        """Close what is kept."""
        while self._idle:
            await self._idle.pop().aclose()

    async def _post(self, url: str, request: Request) -> Response:
        if url != self._text:
            await self.aclose()
            self._url, self._text = httpcore.URL(url), url
        kept = await self._kept()
        if kept is not None:
            with suppress(*_BROKEN):
                return await self._exchange(kept, request)
        return await self._exchange(self._fresh(), request)

    async def _exchange(
        self, connection: httpcore.AsyncHTTPConnection, request: Request
    ) -> Response:
        asked, url = self._ask(request), self._text
        try:
            answer = await connection.handle_async_request(asked)
            try:
                body = await _beginning(answer)
            finally:
                await answer.aclose()
            wait_s = _retry_after(answer.headers)
            return Response(answer.status, body=body, retry_after_s=wait_s)
        finally:
            if connection.is_idle() and url == self._text:
                self._idle.append(connection)
            else:
                with trio.CancelScope(shield=True):
                    await connection.aclose()

    async def _kept(self) -> httpcore.AsyncHTTPConnection | None:
        """A connection that seems to be good still; what is not is closed."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    def _fresh(self) -> httpcore.AsyncHTTPConnection:
        return httpcore.AsyncHTTPConnection(
            self._url.origin,
            ssl_context=self._tls,
            keepalive_expiry=KEEP_SECONDS,
            network_backend=self._backend,
        )

    def _ask(self, request: Request) -> httpcore.Request:
        headers = [
            ("Host", urlsplit(self._text).netloc),
            _AGENT,
            *request.headers,
            ("Content-Length", str(len(request.body))),
        ]
        return httpcore.Request(
            "POST", self._url, headers=headers, content=request.body
        )


async def _beginning(response: httpcore.Response) -> bytes:
    """The first bytes of the body; a longer one costs the connection."""
    body = b""
    with trio.move_on_after(BODY_SECONDS) as scope, suppress(*_BROKEN):
        async for chunk in response.aiter_stream():  # broken: the status counts
            if len(body) > MAX_ANSWER:
                scope.cancel()  # a break would leave httpcore's generators open
            else:
                body += chunk
    return body[:MAX_ANSWER]


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Seconds, within a day (RFC 9110 10.2.3); 0 for none."""
    for name, value in headers:
        if name.lower() == b"retry-after":
            return min(
                max(_seconds(value[:40].decode("latin-1").strip()), 0), MAX_RETRY_AFTER
            )
    return 0


def _seconds(text: str) -> int:
    if text.isascii() and text.isdecimal():
        return int(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0
    if at.tzinfo is None:
        return 0
    return round((at - datetime.now(UTC)).total_seconds())


def _words(error: Exception) -> str:
    """What is at the bottom of an error, without addresses and in printable words."""
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"[:MAX_WORDS]
    if isinstance(cause, OSError) and cause.errno and not isinstance(cause, gaierror):
        text = os.strerror(cause.errno)
    else:
        text = str(error) or str(cause) or type(error).__name__
    return printable(text[:MAX_WORDS].encode("utf-8", "replace"))
