"""The event websocket: replay after a number, then live, as JSON text frames.

Each subscriber is a cursor that pulls pages from the feed, so nothing is queued
for it, there is no gap and no repeat, and a slow one costs nobody else
anything. Whoever is cut is told the number to go on from. A key that is revoked
ends its subscriptions at the next heartbeat, also those of its tickets.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TypeAlias

import msgspec
import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketRequest,
    wrap_server_stream,
)

from appliance import log as logs
from appliance.edge.compression import accept, offers_deflate
from appliance.edge.crowd import Crowd
from appliance.edge.http.http1 import Handshake
from appliance.edge.http.peeked import Peeked
from appliance.edge.keys import Viewer
from appliance.edge.knock import Knock, read_knock
from appliance.edge.live_forms import OWN, Form
from appliance.edge.live_pages import Feed, Pages, Want
from appliance.edge.live_reader import CLOSING_SECONDS, Hall, Place, Reader
from appliance.edge.subscription import Headers, Refused, is_foreign, narrowed
from appliance.edge.tickets import Asker, Tickets
from appliance.settings.doors import Live

PATH = "/postroom/v1/live"

_REFUSALS = 100
_HELD_BYTES = 64 * 1024  # unread, in the kernel, for one subscriber
_HEARD_BYTES = (
    1 << 20
)  # in all from a subscriber, who has nothing to say: weeks of pongs
_MESSAGE_BYTES = 1024
_BAD_HANDSHAKE = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)

_GONE = (
    ConnectionClosed,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,  # it took not even a frame
)

Authorise: TypeAlias = Callable[[Headers], Viewer | None]

log = logs.get("live")


@dataclass(frozen=True, slots=True)
class Reception:
    """Who is let in: by key or by ticket, and from pages of which origins.

    ``public_url`` is where a browser finds us, if the Host that it names is not that.
    """

    authorise: Authorise
    tickets: Tickets
    public_url: str = ""


class LiveDoor:
    """Takes websocket handshakes over from the HTTP server."""

    path = PATH

    def __init__(
        self,
        feed: Feed,
        forms: Mapping[str, Form],
        reception: Reception,
        settings: Live,
    ) -> None:
        self.feed = feed
        self.settings = settings
        self._forms = forms
        self._reception = reception
        pages = Pages(feed, forms)
        self._hall = Hall(feed, pages, Crowd(feed, pages), settings)
        self._origins = frozenset({*settings.origins, origin_of(reception.public_url)})
        self.subscribers = 0
        self._present = 0

    async def run(self) -> None:
        """Tell those who are up to date, for as long as there may be any."""
        await self._hall.crowd.run()

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
        received = None
        try:
            async with trio.open_nursery() as nursery:
                received = await _receive(nursery, stream, handshake)
                if received is not None:
                    await self._answer(*received, handshake, closing)
                nursery.cancel_scope.cancel()
        except* _GONE:
            log.debug("live.peer_gone")
        except* UnicodeError:
            log.debug("live.bad_handshake")
            if received is None:
                with trio.move_on_after(CLOSING_SECONDS):
                    await stream.send_all(_BAD_HANDSHAKE)
        except* Exception:
            log.exception("live.failed")

    def judge(self, handshake: Handshake) -> Place | Refused:
        """What this handshake gets to see, or why nothing."""
        headers = handshake.headers
        if is_foreign(headers, self._origins):
            return Refused(403, "this origin may not read events")
        knock = read_knock(handshake.target)
        asker = self._asker(headers, knock.ticket)
        viewer = None if asker is None else asker()
        if asker is None or viewer is None:
            return Refused(401, "the key or ticket is missing or not valid")
        if self.subscribers >= self.settings.max_subscribers:
            return Refused(503, "too many subscribers at once")
        return self._place(knock, headers, viewer, asker)

    def _asker(self, headers: Headers, ticket: str | None) -> Asker | None:
        if ticket is not None:
            return self._reception.tickets.take(ticket)
        return partial(self._reception.authorise, headers)

    def _place(
        self, knock: Knock, headers: Headers, viewer: Viewer, asker: Asker
    ) -> Place | Refused:
        wish = knock.wish
        if isinstance(wish, Refused):
            return wish
        last = self.feed.last_number
        if wish.after is not None and wish.after > last:
            return Refused(400, f"the last event is {last}")
        form = OWN if knock.form is None else knock.form
        if form not in self._forms:
            return Refused(400, f"format is one of {', '.join(self._forms)}")
        wanted = narrowed(wish.wanted, viewer.sub_account)
        if isinstance(wanted, Refused):
            return wanted
        deflated = self.settings.compress and offers_deflate(headers)
        return Place(
            last if wish.after is None else wish.after,
            Want(wanted, form, deflated),
            asker,
        )

    async def _answer(
        self,
        request: WebSocketRequest,
        stream: Peeked,
        handshake: Handshake,
        closing: trio.Event,
    ) -> None:
        verdict = self.judge(handshake)
        if isinstance(verdict, Refused):
            await _reject(request, verdict)
            return
        self.subscribers += 1
        try:
            socket = await accept(request, deflated=verdict.want.deflated)
            await Reader(self._hall, socket, stream, verdict).run(closing)
        finally:
            self.subscribers -= 1


def origin_of(url: str) -> str:
    """A URL without its path, as browsers name it."""
    return "/".join(url.lower().split("/")[:3])


async def _receive(
    nursery: trio.Nursery, stream: trio.SocketStream, handshake: Handshake
) -> tuple[WebSocketRequest, Peeked] | None:
    """The handshake as trio-websocket sees it; None if it refused it by itself."""
    with trio.move_on_after(CLOSING_SECONDS) as waiting:
        peeked = Peeked(
            stream, handshake.raw, limit=_HEARD_BYTES, closed=waiting.cancel
        )
        peeked.bound_sending(_HELD_BYTES)
        request = await wrap_server_stream(
            nursery, peeked, message_queue_size=1, max_message_size=_MESSAGE_BYTES
        )
        return request, peeked
    return None


async def _reject(request: WebSocketRequest, refused: Refused) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"10"))
    body = msgspec.json.encode({"message": refused.message})
    with trio.move_on_after(CLOSING_SECONDS):
        await request.reject(refused.status, extra_headers=headers, body=body)
