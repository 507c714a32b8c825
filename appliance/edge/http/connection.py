"""One peer's connection: its bytes to the protocol and back, its deadlines, its end.

Nothing a peer sends or leaves unsent touches anyone else: each wait for it has
a deadline, and what goes wrong is logged and ends here. Reading and deadlines
live in one task, so there is no timer task; a write is never shielded, so the
end of the server ends it too.
"""

import contextlib
import math
import os

import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H2ProtocolAssumedError
from hypercorn.utils import parse_socket_addr

from appliance import log as logs
from appliance.edge.http.http1 import HandOverError, Handshake, House, Http1, Phase
from appliance.edge.http.runs import Pieces

log = logs.get("http")
_READ_BYTES = 64 * 1024
_SLICE_BYTES = 64 * 1024  # of an answer, each with a send timeout of its own
_LINGER_SECONDS = 2.0


class Connection:
    """One accepted connection, from its first byte to its end."""

    def __init__(self, house: House, stream: trio.SocketStream) -> None:
        self._house = house
        self._stream = stream
        self._pieces = Pieces()
        self._write_lock = trio.Lock()
        self._reading = trio.CancelScope()
        self._owed: tuple[Phase, int] | None = None
        self._owed_by = self._due = math.inf
        self._waits = False
        self._closed = False
        self._lingers = False
        self._fresh = False
        limits = house.limits
        self._patience = {
            Phase.IDLE: limits.idle_timeout,
            Phase.HEADER: limits.header_timeout,
            Phase.BODY: limits.body_timeout,
            Phase.ANSWER: math.inf,
        }
        self._protocol: Http1 | H2Protocol

    async def run(self) -> Handshake | None:
        """Serve the peer to its end; a handshake if it goes on at the live door.

        Errors end here, except bugs of trio's own kind (cancellation, ^C).
        """
        handshake = None
        try:
            async with self._pieces:
                self._protocol = self._http1()
                handshake = await self._pump()
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("http.peer_gone")
        except* Exception:
            log.exception("http.connection_failed")
        return handshake

    def look(self, now: float) -> None:
        """Give up a peer that is overdue; somebody calls this every now and then.

        One look at all connections is far cheaper than a timer for each read.
        """
        if self._waits and now >= self._due:
            self._reading.cancel()

    def drain(self) -> None:
        """Begin no further request: an idle connection ends now, others when done."""
        if self._waits and not self._begun():
            self._reading.cancel()

    def _http1(self) -> Http1:
        sock = self._stream.socket
        client = parse_socket_addr(sock.family, sock.getpeername())
        server = parse_socket_addr(sock.family, sock.getsockname())
        return Http1(self._house, self._pieces, client, server, self._send)

    def _http2(self, http1: Http1) -> H2Protocol:
        return H2Protocol(
            http1.app,
            http1.config,
            http1.context,
            http1.task_group,
            http1.connection_state,
            http1.ssl,
            http1.client,
            http1.server,
            self._send,
        )

    async def _pump(self) -> Handshake | None:
        handshake = None
        with self._reading:
            handshake = await self._converse()
        if self._reading.cancelled_caught:
            await self._give_up()
        await self._linger()
        await self._protocol.handle(Closed())
        return handshake

    async def _converse(self) -> Handshake | None:
        while (data := await self._read()) is not None:
            try:
                await self._protocol.handle(RawData(data))
            except HandOverError as over:
                return over.handshake
            except H2ProtocolAssumedError as assumed:
                await self._switch(assumed.data)
            if not data:
                break
        return None

    async def _switch(self, data: bytes) -> None:
        if isinstance(self._protocol, Http1):
            self._pieces.body_timeout = self._house.limits.body_timeout
            self._protocol = self._http2(self._protocol)
        await self._protocol.initiate()
        await self._protocol.handle(RawData(data))

    async def _read(self) -> bytes | None:
        """What the peer sent, empty if it left; None if there is no more to read."""
        if self._closed:
            return None
        self._due = self._deadline()
        self._waits = self._fresh = True
        try:
            data = await self._receive()
        except (OSError, trio.ClosedResourceError):
            data = b""
        finally:
            self._waits = False
        return None if self._closed else data

    async def _receive(self) -> bytes:
        """The next bytes; others have their turn first."""
        await trio.lowlevel.checkpoint()
        sock = self._stream.socket
        while True:
            try:
                return os.read(sock.fileno(), _READ_BYTES)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(sock)

    def _begun(self) -> bool:
        """True if there is a request of which the peer should hear."""
        protocol = self._protocol
        return protocol.begun if isinstance(protocol, Http1) else not protocol.idle

    def _deadline(self) -> float:
        """When the peer must have sent what it owes, however it spreads it.

        An HTTP/2 peer has several requests under way, whose bodies `runs` times;
        here only its silence counts.
        """
        protocol = self._protocol
        if not isinstance(protocol, Http1):
            return trio.current_time() + self._house.limits.idle_timeout
        owed = (protocol.phase, protocol.keep_alive_requests)
        if owed != self._owed:
            self._owed = owed
            self._owed_by = trio.current_time() + self._patience[owed[0]]
        return self._owed_by

    async def _give_up(self) -> None:
        """RFC 9110 15.5.9: 408 to who began a request, nothing to who did not."""
        if self._closed:
            return
        if isinstance(self._protocol, Http1) and self._protocol.begun:
            await self._protocol.refuse(408)
        await self._close()

    async def _send(self, event: Event) -> None:
        """Hypercorn's way out: bytes to write, or the end."""
        if isinstance(event, RawData):
            if not self._closed:
                await self._write(event.data)
        elif isinstance(event, Closed) or self._is_last(event):
            await self._close()

    def _is_last(self, event: Event) -> bool:
        """True if an HTTP/2 connection has done its part of a stopping server."""
        idle = isinstance(event, Updated) and event.idle
        return idle and self._house.context.terminated.is_set()

    async def _write(self, data: bytes) -> None:
        if self._fresh and not self._write_lock.locked():
            self._fresh = False
            data = data[self._write_now(data) :]
        if data:
            await self._write_patiently(data)

    def _write_now(self, data: bytes) -> int:
        """How much the kernel takes at once; the usual answer needs no more.

        A trio write would give way to all other tasks first. We do so when we
        read, and `_fresh` grants one write to each read, so none is starved.
        """
        try:
            return os.write(self._stream.socket.fileno(), data)
        except OSError:
            return 0  # full or broken: the patient way finds out

    async def _write_patiently(self, data: bytes) -> None:
        async with self._write_lock:
            try:
                for start in range(0, len(data), _SLICE_BYTES):
                    with trio.fail_after(self._house.limits.send_timeout):
                        await self._stream.send_all(data[start : start + _SLICE_BYTES])
            except (
                trio.BrokenResourceError,
                trio.ClosedResourceError,
                trio.TooSlowError,
            ):
                self._closed = True
                await trio.aclose_forcefully(self._stream)
                await self._protocol.handle(Closed())

    async def _close(self) -> None:
        """End our side; the peer's too, unless it must first read why."""
        if self._closed:
            return
        self._closed = True
        with trio.CancelScope(shield=True):
            if isinstance(self._protocol, Http1) and self._protocol.unread:
                self._lingers = True
                with contextlib.suppress(OSError, trio.BrokenResourceError):
                    await self._stream.send_eof()
                if self._waits:
                    self._reading.cancel()
            else:
                await self._stream.aclose()
        await self._protocol.handle(Closed())

    async def _linger(self) -> None:
        """Take what is still coming, so that the answer is not lost in a reset."""
        if not self._lingers:
            return
        with trio.move_on_after(_LINGER_SECONDS):
            while await self._stream.receive_some(_READ_BYTES):
                pass
