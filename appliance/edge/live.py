"""The event websocket: replay after a number, then live, as JSON text frames.

Each subscriber is a cursor that pulls pages from the feed, so nothing is queued
for it, there is no gap and no repeat, and a slow one costs nobody else
anything. Whoever is cut is told the number to go on from. A key that is revoked
ends its subscriptions at the next heartbeat.

A frame is never given up half sent while there is hope that it arrives: behind
half a frame the close code could not be read.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Protocol, TypeAlias

import msgspec
import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    wrap_server_stream,
)

from appliance import log as logs
from appliance.core.event import Event, EventFilter
from appliance.edge.http.http1 import Handshake
from appliance.edge.http.peeked import Peeked
from appliance.edge.keys import Viewer
from appliance.edge.subscription import Headers, Refused, Wish, is_foreign, read_wish
from appliance.settings.declared import Live

PATH = "/postroom/v1/live"
GOING_AWAY = 1001
NO_LONGER_ALLOWED = 1008
TRY_AGAIN = 1011
TOO_SLOW = 4008

CLOSING_SECONDS = 5.0  # for a close handshake, and for the last frame of a slow reader
_PAGE = 100
_REFUSALS = 100
_HELD_BYTES = 64 * 1024  # unread, in the kernel, for one subscriber
_HEARD_BYTES = (
    1 << 20
)  # in all from a subscriber, who has nothing to say: weeks of pongs
_MESSAGE_BYTES = 1024
_BAD_HANDSHAKE = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)

Authorise: TypeAlias = Callable[[Headers], Viewer | None]
Render: TypeAlias = Callable[[Event], str]

log = logs.get("live")


class Feed(Protocol):
    """The event log as a subscriber pulls it."""

    @property
    def last_number(self) -> int:
        """The greatest number in the log."""

    async def read(
        self, after: int, limit: int, wanted: EventFilter
    ) -> tuple[Sequence[Event], int]:
        """Up to ``limit`` wanted events after a number; the number to go on from."""

    async def wait(self, after: int) -> None:
        """Returns when the log has a number greater than ``after``."""


class LiveDoor:
    """Takes websocket handshakes over from the HTTP server."""

    path = PATH

    def __init__(
        self,
        feed: Feed,
        authorise: Authorise,
        render: Render,
        settings: Live,
        *,
        public_url: str = "",
    ) -> None:
        self.feed = feed
        self.authorise = authorise
        self.render = render
        self.settings = settings
        self._origins = frozenset({*settings.origins, public_url} - {""})
        self.subscribers = 0
        self._present = 0

    async def serve(
        self, stream: trio.SocketStream, handshake: Handshake, closing: trio.Event
    ) -> None:
        """Serve one handshake to the end of its connection; errors end here too.

        Who is beyond all places and all refusals that can be under way is just
        closed.
        """
        if self._present < self.settings.max_subscribers + _REFUSALS:
            self._present += 1
            try:
                await self._serve(stream, handshake, closing)
            finally:
                self._present -= 1

    async def _serve(
        self, stream: trio.SocketStream, handshake: Handshake, closing: trio.Event
    ) -> None:
        request = None
        try:
            async with trio.open_nursery() as nursery:
                request = await _receive(nursery, stream, handshake)
                if request is not None:
                    await self._answer(request, handshake, closing)
                nursery.cancel_scope.cancel()
        except* (ConnectionClosed, OSError, trio.BrokenResourceError):
            log.debug("live.peer_gone")
        except* UnicodeError:
            log.debug("live.bad_handshake")
            if request is None:
                with trio.move_on_after(CLOSING_SECONDS):
                    await stream.send_all(_BAD_HANDSHAKE)
        except* Exception:
            log.exception("live.failed")

    def judge(self, handshake: Handshake) -> Wish | Refused:
        """What this handshake gets to see, or why nothing."""
        headers = handshake.headers
        if is_foreign(headers, self._origins):
            return Refused(403, "this origin may not read events")
        viewer = self.authorise(headers)
        if viewer is None:
            return Refused(401, "the key is missing or not valid")
        wish = read_wish(handshake.target)
        if isinstance(wish, Refused):
            return wish
        if wish.after is not None and wish.after > self.feed.last_number:
            return Refused(400, f"the last event is {self.feed.last_number}")
        if self.subscribers >= self.settings.max_subscribers:
            return Refused(503, "too many subscribers at once")
        return replace(
            wish, wanted=replace(wish.wanted, sub_account=viewer.sub_account)
        )

    async def _answer(
        self, request: WebSocketRequest, handshake: Handshake, closing: trio.Event
    ) -> None:
        verdict = self.judge(handshake)
        if isinstance(verdict, Refused):
            await _reject(request, verdict)
            return
        self.subscribers += 1
        try:
            socket = await request.accept()
            await _Subscriber(self, socket, handshake.headers, verdict).run(closing)
        finally:
            self.subscribers -= 1


async def _receive(
    nursery: trio.Nursery, stream: trio.SocketStream, handshake: Handshake
) -> WebSocketRequest | None:
    """The handshake as trio-websocket sees it; None if it refused it by itself."""
    with trio.move_on_after(CLOSING_SECONDS) as waiting:
        peeked = Peeked(
            stream, handshake.raw, limit=_HEARD_BYTES, closed=waiting.cancel
        )
        peeked.bound_sending(_HELD_BYTES)
        return await wrap_server_stream(
            nursery, peeked, message_queue_size=1, max_message_size=_MESSAGE_BYTES
        )
    return None


async def _reject(request: WebSocketRequest, refused: Refused) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"10"))
    body = msgspec.json.encode({"message": refused.message})
    with trio.move_on_after(CLOSING_SECONDS):
        await request.reject(refused.status, extra_headers=headers, body=body)


class _Subscriber:
    """One accepted subscription."""

    def __init__(
        self, door: LiveDoor, socket: WebSocketConnection, headers: Headers, wish: Wish
    ) -> None:
        self._door = door
        self._socket = socket
        self._headers = headers
        self._wanted = wish.wanted
        self._position = door.feed.last_number if wish.after is None else wish.after
        self._idle = trio.CancelScope()
        self._end: tuple[int, str] | None = None  # close code, words

    async def run(self, closing: trio.Event) -> None:
        """Send events until the subscriber, the server or a fault ends it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, nursery.cancel_scope)
            nursery.start_soon(self._beat, nursery.cancel_scope)
            nursery.start_soon(self._stop_with, closing)
            await self._send_events()
            with trio.move_on_after(CLOSING_SECONDS):
                await self._close()
            nursery.cancel_scope.cancel()

    async def _close(self) -> None:
        if self._end is not None:
            code, words = self._end
            await self._socket.aclose(code, f"{words}after={self._position}")

    async def _send_events(self) -> None:
        """Send until there is a reason to end."""
        while not self._ends():
            events, cursor = await self._pull()
            for event in events:
                await self._send(event)
                if self._ends():
                    return
            self._position = cursor

    async def _pull(self) -> tuple[Sequence[Event], int]:
        feed = self._door.feed
        with trio.CancelScope() as self._idle:
            try:
                await feed.wait(self._position)
                return await feed.read(self._position, _PAGE, self._wanted)
            except Exception:
                log.exception("live.feed_failed")
                self._finish(TRY_AGAIN, "try again with ")
        return (), self._position

    async def _send(self, event: Event) -> None:
        patience = self._door.settings.send_timeout
        started = trio.current_time()
        with trio.fail_after(patience + CLOSING_SECONDS):
            await self._socket.send_message(self._door.render(event))
        self._position = event.number
        if trio.current_time() - started > patience:
            self._finish(TOO_SLOW, "too slow, resume with ")

    def _finish(self, code: int, words: str) -> None:
        """End behind the frame that is being sent, if there is one."""
        if self._end is None:
            self._end = (code, words)
            self._idle.cancel()

    def _ends(self) -> bool:
        return self._end is not None

    async def _stop_with(self, closing: trio.Event) -> None:
        await closing.wait()
        self._finish(GOING_AWAY, "")

    async def _hear(self, all_of_it: trio.CancelScope) -> None:
        """What subscribers say is dropped; that they close is noticed."""
        try:
            while True:
                await self._socket.get_message()
        except ConnectionClosed:
            all_of_it.cancel()

    async def _beat(self, all_of_it: trio.CancelScope) -> None:
        settings = self._door.settings
        while True:
            await trio.sleep(settings.ping_interval)
            with trio.move_on_after(settings.pong_timeout) as waiting:
                await self._socket.ping()
            if waiting.cancelled_caught:
                all_of_it.cancel()
            elif self._door.authorise(self._headers) is None:
                self._finish(NO_LONGER_ALLOWED, "the key is no longer valid, ")
