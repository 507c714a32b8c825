"""A receiver of webhooks: a real HTTP server, over TLS, that may misbehave."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import h11
import msgspec
import trio

MAX_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Received:
    """One request that came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> dict[str, object]:
        """The body."""
        return msgspec.json.decode(self.body, type=dict[str, object])


Answer = Callable[["Connection", Received], Awaitable[None]]


def status(code: int, body: bytes = b"ok", **headers: str) -> Answer:
    """An answer of this status; ``retry_after`` names the header Retry-After."""

    async def answer(connection: "Connection", _: Received) -> None:
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        await connection.send(
            h11.Response(
                status_code=code,
                headers=[("Content-Length", str(len(body))), *named],
            ),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )

    return answer


async def hang(_connection: "Connection", _: Received) -> None:
    """Never an answer."""
    await trio.sleep_forever()


async def reset(connection: "Connection", _: Received) -> None:
    """The connection is closed in place of an answer."""
    await connection.close()


async def endless(connection: "Connection", _: Received) -> None:
    """A body without an end (ATTACKS 22)."""
    await connection.send(h11.Response(status_code=200, headers=[]))
    while True:
        await connection.send(h11.Data(data=b"x" * 10_000))


async def endless_head(connection: "Connection", _: Received) -> None:
    """Headers without an end."""
    await connection.raw(b"HTTP/1.1 200 OK\r\n")
    while True:
        await connection.raw(b"X-Much: " + b"x" * 1_000 + b"\r\n")


async def drip(connection: "Connection", _: Received) -> None:
    """The status, and then a body that never comes (slow-loris)."""
    await connection.send(
        h11.Response(status_code=200, headers=[("Content-Length", "100")])
    )
    await trio.sleep_forever()


class Connection:
    """One connection, as the answers write to it."""

    def __init__(self, stream: trio.abc.Stream, number: int) -> None:
        self.number = number
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)

    async def send(self, *events: h11.Event) -> None:
        """Say these."""
        for event in events:
            data = self._http.send(event)
            if data:
                await self._stream.send_all(data)

    async def raw(self, data: bytes) -> None:
        """Say these bytes, whatever they are."""
        await self._stream.send_all(data)

    async def close(self) -> None:
        """Go away without a word."""
        await trio.aclose_forcefully(self._stream)

    async def next_request(self) -> Received | None:
        """The next request, None at the end."""
        head: h11.Request | None = None
        body = b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._stream.receive_some(MAX_CHUNK)
                self._http.receive_data(bytes(data))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                names = {k.decode(): v.decode() for k, v in head.headers}
                path = head.target.decode()
                return Received(path, names, body, self.number)
            else:
                return None

    def again(self) -> bool:
        """True if another request may come."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False


@dataclass
class Receiver:
    """Answers requests in turn by ``script``, then with what is last in it."""

    script: list[Answer] = field(default_factory=lambda: [status(200)])
    received: list[Received] = field(default_factory=list)
    url: str = ""
    connections: int = 0
    busy: int = 0
    most_busy: int = 0

    async def start(
        self, nursery: trio.Nursery, tls: ssl.SSLContext | None = None
    ) -> Self:
        """Listen on this machine; ``url`` says where."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://localhost:{port}/hook"

        async def handle(stream: trio.SocketStream) -> None:
            covered = (
                trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
                if tls
                else stream
            )
            self.connections += 1
            try:
                await self._serve(Connection(covered, self.connections))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                await trio.aclose_forcefully(stream)

        nursery.start_soon(trio.serve_listeners, handle, listeners)
        return self

    async def _serve(self, connection: Connection) -> None:
        while (request := await connection.next_request()) is not None:
            place = min(len(self.received), len(self.script) - 1)
            self.received.append(request)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            try:
                await self.script[place](connection, request)
            finally:
                self.busy -= 1
            if not connection.again():
                return
