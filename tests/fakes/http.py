"""A real HTTP server on a free port, and a client that speaks raw bytes."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

import h11
import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    Scope,
)

from appliance.edge.http.limits import Limits
from appliance.edge.http.respond import NoBody, read_body, send_json
from appliance.edge.http.server import serve_http
from appliance.edge.live import LiveDoor

BODY_LIMIT = 1 << 20
SOON = 10.0  # seconds after which a test has failed


async def nothing_else(
    scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """An application that lives and has no routes."""
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def echo(
    scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """An application that answers with the body it got."""
    if scope["type"] != "http":
        await nothing_else(scope, receive, send)
        return
    body = await read_body(scope, receive, BODY_LIMIT)
    if body is NoBody.TOO_LARGE:
        await send_json(send, 413, b"{}")
    elif isinstance(body, bytes):
        await send_json(send, 200, body)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A connection that sends what it is told and reads answers."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._h11 = h11.Connection(h11.CLIENT)

    async def send(self, data: bytes) -> None:
        """Send bytes; a server that has closed already is no fault here."""
        with contextlib.suppress(trio.BrokenResourceError):
            await self.stream.send_all(data)

    async def answer(self, method: str = "POST") -> Answer | None:
        """The next answer, None if the server closes without one."""
        if self._h11.our_state is not h11.IDLE:
            self._h11.start_next_cycle()
        self._h11.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        self._h11.send(h11.EndOfMessage())
        response: h11.Response | None = None
        body = b""
        while True:
            event = await self._event()
            if event is None:
                return None
            if isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert response is not None
                names = {name.decode(): it.decode() for name, it in response.headers}
                return Answer(response.status_code, names, body)

    async def ends(self) -> bytes:
        """What comes until the server closes."""
        rest = b""
        with contextlib.suppress(trio.BrokenResourceError):
            while data := await self.stream.receive_some():
                rest += data
        return rest

    async def _event(self) -> h11.Event | None:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                data = b""
            if not data and self._h11.their_state is not h11.SEND_BODY:
                return None
            self._h11.receive_data(data)
        return event if isinstance(event, h11.Event) else None


class Server:
    """A running server."""

    def __init__(self, addresses: Sequence[str], closing: trio.Event) -> None:
        self.addresses = addresses
        self.closing = closing

    @property
    def url(self) -> str:
        """Where a client of a library finds it."""
        return f"http://{self.addresses[0]}"

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A new connection to it."""
        host, _, port = self.addresses[0].rpartition(":")
        stream = await trio.open_tcp_stream(host.strip("[]"), int(port))
        async with stream:
            yield Client(stream)

    async def ask(self, data: bytes) -> Answer | None:
        """The first answer to these bytes, on a connection of their own."""
        async with self.client() as client:
            await client.send(data)
            with contextlib.suppress(OSError, trio.BrokenResourceError):
                await client.stream.send_eof()
            return await client.answer()


@contextlib.asynccontextmanager
async def serving(
    app: ASGIFramework = echo,
    *,
    limits: Limits | None = None,
    live: LiveDoor | None = None,
    binds: Sequence[str] = ("127.0.0.1:0",),
    quick: tuple[bytes, ...] = (),
    long: str = "",
) -> AsyncIterator[Server]:
    """A server for the time of the block; it must have ended by itself behind it."""
    closing = trio.Event()
    start = partial(
        serve_http,
        app,
        binds,
        limits=limits or Limits(),
        live=live,
        closing=closing,
        quick=quick,
        long=long,
    )
    with trio.fail_after(SOON):
        async with trio.open_nursery() as nursery:
            yield Server(await nursery.start(start), closing)
            closing.set()
