"""One subscriber of the websocket: told with all others, or apart while it is behind.

A frame is never given up half sent while there is hope that it arrives: behind
half a frame the close code could not be read.
"""

from dataclasses import dataclass

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from appliance import log as logs
from appliance.edge.crowd import Crowd
from appliance.edge.http.peeked import Peeked
from appliance.edge.live_pages import Feed, Page, Pages, Want
from appliance.edge.tickets import Asker
from appliance.settings.doors import Live

GOING_AWAY = 1001
NO_LONGER_ALLOWED = 1008
TRY_AGAIN = 1011
TOO_SLOW = 4008

CLOSING_SECONDS = 5.0  # for a close handshake, and for the last frame of a slow reader

log = logs.get("live")


@dataclass(frozen=True, slots=True)
class Hall:
    """What all subscribers share."""

    feed: Feed
    pages: Pages
    crowd: Crowd
    settings: Live


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subscriber begins, with what; ``asker`` is who it is, as of now."""

    after: int
    want: Want
    asker: Asker


class Reader:
    """One accepted subscription."""

    def __init__(
        self, hall: Hall, socket: WebSocketConnection, stream: Peeked, place: Place
    ) -> None:
        self._hall = hall
        self._socket = socket
        self._stream = stream
        self._asker = place.asker
        self._idle = trio.CancelScope()
        self._end: tuple[int, str] | None = None  # close code, words
        self._owed: Page | None = None  # it was offered, and is sent in part
        self.want = place.want
        self.position = place.after

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

    def offer(self, page: Page) -> bool:
        """Take a page without waiting; False if it is to be served apart."""
        if self._socket.closed is not None:  # RFC 6455 5.5.1: nothing behind a close
            return False
        if page.data:
            if not self._stream.offer(page.data):
                return False
            if self._stream.owes:
                self._owed = page
                return False
        self.position = page.after
        return True

    async def _close(self) -> None:
        if self._end is not None:
            code, words = self._end
            await self._socket.aclose(code, f"{words}after={self.position}")

    async def _send_events(self) -> None:
        """Send until there is a reason to end."""
        while not self._ends():
            if self._owed is not None:
                page, self._owed = self._owed, None
                await self._send(b"", page.after)
                continue
            page = await self._pull()
            if page.data:
                await self._send(page.data, page.after)
            self.position = page.after

    async def _pull(self) -> Page:
        """The next page, an empty one when the crowd told all until now."""
        with trio.CancelScope() as self._idle:
            try:
                if self.position >= self._hall.feed.last_number:
                    await self._hall.crowd.follow(self)
                else:
                    return await self._hall.pages.read(self.position, self.want)
            except Exception:
                log.exception("live.feed_failed")
                self._finish(TRY_AGAIN, "try again with ")
        return Page(b"", self.position)

    async def _send(self, data: bytes, after: int) -> None:
        patience = self._hall.settings.send_timeout
        started = trio.current_time()
        with trio.fail_after(patience + CLOSING_SECONDS):
            await self._stream.send_all(data)
        self.position = after
        if trio.current_time() - started > patience:
            self._finish(TOO_SLOW, "too slow, resume with ")

    def _finish(self, code: int, words: str) -> None:
        """End behind the frame that is being sent, if there is one."""
        if self._end is None:
            self._end = (code, words)
            self._idle.cancel()

    def _ends(self) -> bool:
        return self._end is not None and self._owed is None

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
        settings = self._hall.settings
        while True:
            await trio.sleep(settings.ping_interval)
            with trio.move_on_after(settings.pong_timeout) as waiting:
                await self._socket.ping()
            if waiting.cancelled_caught:
                all_of_it.cancel()
            elif self._asker() is None:
                self._finish(NO_LONGER_ALLOWED, "the key is no longer valid, ")
