"""HTTP/1.1 as hypercorn speaks it, with our rules in front and one write behind.

Adds to `H11Protocol`: requests that `rules` refuses get their status and the
end; the application runs where `runs` says; head and body of an answer leave
together; a websocket handshake for the live door leaves HTTP for good; what is asked
for most takes the way of `quick`. The phase says what the client owes us, so that
`connection` can set its deadline.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import auto

import h11
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H2ProtocolAssumedError, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    AppWrapper,
    ConnectionState,
    H11SendableEvent,
    HTTPScope,
)

from appliance.edge.http.limits import Limits
from appliance.edge.http.quick import (
    MAX_BODY_BYTES,
    Answering,
    Plain,
    ShortWay,
)
from appliance.edge.http.rules import Facts, RefusedError, examine
from appliance.edge.http.runs import Pieces, Whole
from appliance.value import Key

Address = tuple[str, int] | None

_CLOSE = (b"connection", b"close")
_PREFACE = b"PRI * HTTP/2.0\r\n\r\n"  # RFC 9113 3.4, as far as it looks like HTTP/1


class Phase(Key):
    """What the client may be waited for."""

    IDLE = auto()  # nothing: a kept connection between requests
    HEADER = auto()
    BODY = auto()
    ANSWER = auto()  # nothing: the application is at work


@dataclass(frozen=True, slots=True)
class Handshake:
    """A websocket handshake for the live door, as it came."""

    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    raw: bytes


class HandOverError(Exception):
    """This connection speaks HTTP no longer: its handshake goes to the live door."""

    def __init__(self, handshake: Handshake) -> None:
        super().__init__("a websocket handshake")
        self.handshake = handshake


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of one server share.

    ``quick`` is what the most frequent requests begin with, method and path.
    ``long`` is the path whose answers take so long that the client is read meanwhile:
    one that closes its side has left.
    """

    app: AppWrapper
    engine: Config
    context: WorkerContext
    limits: Limits
    live_path: str | None
    state: ConnectionState
    quick: tuple[bytes, ...] = ()
    long: str = ""


class Http1(H11Protocol):
    """One client's HTTP/1.1."""

    connection: h11.Connection
    _whole = Whole()

    def __init__(
        self,
        house: House,
        pieces: Pieces,
        client: Address,
        server: Address,
        send: Callable[[Event], Awaitable[None]],
    ) -> None:
        super().__init__(
            house.app,
            house.engine,
            house.context,
            pieces,
            house.state,
            False,
            client,
            server,
            send,
        )
        self._house = house
        self._short = ShortWay(house.quick, house.limits)
        self._facts: Facts
        self._head = b""

    @property
    def phase(self) -> Phase:
        """What the client owes us now."""
        if self._short.holds:
            return Phase.BODY
        their = self.connection.their_state
        if their is h11.IDLE:
            begun = self.keep_alive_requests == 0 or self.connection.trailing_data[0]
            return Phase.HEADER if begun else Phase.IDLE
        return Phase.BODY if their is h11.SEND_BODY else Phase.ANSWER

    @property
    def begun(self) -> bool:
        """True if some of a request has come that is not answered in full."""
        their = self.connection.their_state
        trailing = self.connection.trailing_data[0]
        return their is not h11.IDLE or trailing != b"" or self._short.holds

    @property
    def unread(self) -> bool:
        """True if the client may be sending what nobody will read."""
        connection = self.connection
        return (
            connection.their_state in {h11.SEND_BODY, h11.ERROR}
            or connection.trailing_data[0] != b""
            or self._short.holds
        )

    async def handle(self, event: Event) -> None:
        """Take what the client sent.

        Raises:
            HandOverError: it is for the live door.
            H2ProtocolAssumedError: it is HTTP/2, and that is allowed.
        """
        try:
            if isinstance(event, RawData):
                await self._take(event)
            else:
                await super().handle(event)
        except RefusedError as refused:
            await self.refuse(refused.status)

    async def _take(self, raw: RawData) -> None:
        """By the short way as far as that goes; what it held comes before the rest."""
        if self._rests():
            taken = self._short.take(raw.data)
            if isinstance(taken, Plain):
                await self._answer(taken)
            if taken is not None:
                return
            held = self._short.release()
            if held and raw.data:
                raw = RawData(held)
            elif held:
                await super().handle(RawData(held))
        await super().handle(raw)

    def _rests(self) -> bool:
        """True if nothing is under way by the long way."""
        connection = self.connection
        idle = connection.their_state is connection.our_state is h11.IDLE
        return idle and not connection.trailing_data[0]

    async def _answer(self, asked: Plain) -> None:
        """Answer it whole; the connection then is as it was between requests."""
        self.keep_alive_requests += 1
        answering = Answering(asked)
        await answering.run(self.app, self._scope(asked))
        last = self.context.terminated.is_set()
        date = self.config.response_headers("h11")
        await self.send(RawData(answering.encode([*date, _CLOSE] if last else date)))
        if last:
            await self.send(Closed())

    def _scope(self, asked: Plain) -> HTTPScope:
        return {
            "type": "http",
            "http_version": "1.1",
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": asked.method,
            "scheme": "http",
            "path": asked.path,
            "raw_path": asked.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": asked.headers,
            "client": self.client,
            "server": self.server,
            "state": ConnectionState(self.connection_state.copy()),
            "extensions": {},
        }

    async def refuse(self, status: int) -> None:
        """Answer with a status if no answer has begun, and close."""
        if self.connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self._send_error_response(status)
        await self.send(Closed())

    async def _check_protocol(self, event: h11.Request) -> None:
        if event.http_version == b"2.0" and self._house.limits.http2:
            trailing = self.connection.trailing_data[0]
            if (event.method, event.target) == (b"PRI", b"*"):
                raise H2ProtocolAssumedError(_PREFACE + trailing)
        facts = self._facts = examine(event, self._house.limits)
        if facts.upgrade == b"websocket" and self._is_live(event):
            raise self._hand_over(event, facts)

    def _is_live(self, request: h11.Request) -> bool:
        path = self._facts.target.partition(b"?")[0].decode("ascii")
        live = self._house.live_path
        return request.method == b"GET" and path.removesuffix("/") == live

    def _hand_over(self, request: h11.Request, facts: Facts) -> Exception:
        """The handshake in its own words; RFC 6455 4.1: nothing may follow it yet."""
        if request.http_version != b"1.1":
            return RefusedError(400, "a websocket handshake in an old version")
        if facts.length != 0 or self.connection.trailing_data[0]:
            return RefusedError(400, "data behind a websocket handshake")
        raw = h11.Connection(h11.CLIENT).send(request)
        target = facts.target.decode("ascii")
        return HandOverError(Handshake(target, tuple(facts.headers), raw))

    async def _create_stream(self, request: h11.Request) -> None:
        facts = self._facts
        small = facts.length is not None and facts.length <= MAX_BODY_BYTES
        here = small and not self._is_long(facts)
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self._whole if here else self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        self.keep_alive_requests += 1
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=facts.headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii"),
                raw_path=facts.target,
                state=self.connection_state,
            )
        )

    def _is_long(self, facts: Facts) -> bool:
        long = self._house.long
        return bool(long) and facts.target.partition(b"?")[0] == long.encode()

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """Holds a head back until the first of its body, or its end, is there."""
        if type(event) is h11.Response:
            if self._must_close() and _CLOSE not in event.headers:
                event = h11.Response(
                    status_code=event.status_code, headers=[*event.headers, _CLOSE]
                )
            self._head = self._encode(event)
            return
        data = self._head + self._encode(event)
        self._head = b""
        if data:
            await self.send(RawData(data))

    def _must_close(self) -> bool:
        """RFC 9112 9.3, 9.6: say so if this answer is the last."""
        stopping = self.context.terminated.is_set()
        return stopping or self.connection.their_state is h11.SEND_BODY

    def _encode(self, event: H11SendableEvent) -> bytes:
        try:
            return self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return b""
