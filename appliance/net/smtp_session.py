"""One SMTP session: the pump between socket and protocol, and the deadlines around it.

`converse` moves bytes and events and knows nothing else. `SmtpSession` stands
between it and the wire, so that every wait for the peer has an end and memory a
bound; waits for ourselves, such as for a commit, are never cut short. What is
answered is decided by others: the protocol in `smtp/`, the desk in `edge/`.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import trio

from appliance import log as logs
from appliance.smtp.reply import EnhancedCode, Reply
from appliance.smtp.server import SmtpServer
from appliance.smtp.server_events import Event, Marker, TlsAsked

log = logs.get("smtp")

TOO_SLOW: Final = Reply(
    421, ("Timeout, closing the connection",), EnhancedCode(4, 4, 2)
)
STOPPING: Final = Reply(
    421, ("Service shutting down, try again later",), EnhancedCode(4, 3, 2)
)
FAILED: Final = Reply(451, ("Local error in processing",), EnhancedCode(4, 3, 0))
NO_MEMORY: Final = Reply(
    452, ("Too much mail is coming in, try again later",), EnhancedCode(4, 3, 1)
)
_SLICE_BYTES: Final = 64 * 1024  # of what is sent, each with a deadline of its own
_STEP_BYTES: Final = 4 * 1024  # of what comes; less is no progress
_GOODBYE_SECONDS: Final = 1.0

Decide: TypeAlias = Callable[[Event], Awaitable[Reply]]


class Wire(Protocol):
    """A connection as the pump sees it."""

    async def receive(self) -> bytes:
        """Wait for the next bytes; b"" once none will come."""

    async def send(self, data: bytes) -> None:
        """Send all of it; into a broken connection it vanishes."""

    async def start_tls(self) -> bool:
        """Cover what follows with TLS; False if there is no connection any more."""

    async def aclose(self) -> None:
        """Close, with some patience for what was sent last."""


async def converse(wire: Wire, server: SmtpServer, decide: Decide) -> None:
    """Carry bytes and events until the session is over; does not close."""
    while (event := server.next_event()) is not Marker.CLOSED:
        if event is Marker.NEED_DATA:
            if data := server.data_to_send():
                await wire.send(data)
            server.receive_data(await wire.receive())
        elif isinstance(event, TlsAsked):
            await _flush(wire, server)
            if not await wire.start_tls():
                return
            server.tls_established()
        else:
            assert not isinstance(event, Marker), "each event is answered before more"
            server.reply(await decide(event))
    await _flush(wire, server)


async def _flush(wire: Wire, server: SmtpServer) -> None:
    if data := server.data_to_send():
        await wire.send(data)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a peer may take, in seconds, as far as looks tell.

    ``idle``: for a command, or for each 4 KiB of a mail: a byte a minute is no sign
    of life. ``login``: until it has logged in, or brought mail that we take without.
    ``session``: in all. ``send``: to read each 64 KiB of answers. ``handshake``: for
    TLS.
    """

    idle: float = 300.0  # RFC 5321 4.5.3.2.7
    session: float = 7200.0
    login: float = 120.0
    send: float = 60.0
    handshake: float = 30.0


class Memory:
    """Content that is being received, in all sessions together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0

    def change(self, by_bytes: int) -> bool:
        """Count that much more, or less; False if it is too much now."""
        self.used_bytes += by_bytes
        return by_bytes <= 0 or self.used_bytes <= self.limit_bytes


class SmtpSession:
    """One session from the greeting to the end; somebody must call `look` at times.

    A look at all sessions is far cheaper than a timer, or the time, for each read:
    the peer's time is counted from the first look that finds it due to do something.
    """

    __slots__ = (
        "_draining",
        "_ends",
        "_farewell",
        "_held",
        "_memory",
        "_mute",
        "_patience",
        "_received",
        "_scope",
        "_seconds",
        "_server",
        "_since",
        "_stranger_until",
        "_waits",
        "_wire",
    )

    def __init__(
        self, wire: Wire, server: SmtpServer, patience: Patience, memory: Memory
    ) -> None:
        now = trio.current_time()
        self._wire = wire
        self._server = server
        self._patience = patience
        self._memory = memory
        self._scope = trio.CancelScope()
        self._ends = now + patience.session
        self._stranger_until = min(now + patience.login, self._ends)
        self._waits = False  # for the peer, and may be cut short
        self._seconds = patience.idle  # that it may take for what is waited for
        self._since: float | None = None  # when a look found it waiting
        self._mute = False  # nothing can be said, being in the middle of something
        self._draining = False
        self._farewell: Reply | None = None
        self._held = 0  # bytes of content, as far as counted
        self._received = 0  # bytes since the last sign of life

    async def run(self, decide: Decide, *, tls_first: bool = False) -> None:
        """Serve the peer to its end, and close; errors end here, and the session."""
        try:
            await self._serve(decide, tls_first=tls_first)
        except Exception:
            log.exception("smtp.session_failed")
            await self._say(FAILED)
        finally:
            self._memory.change(-self._held)
            with trio.move_on_after(_GOODBYE_SECONDS):
                await self._wire.aclose()

    async def _serve(self, decide: Decide, *, tls_first: bool) -> None:
        with self._scope:
            if not tls_first or await self.start_tls():
                await converse(self, self._server, decide)
        if self._scope.cancelled_caught and self._farewell is not None:
            await self._say(self._farewell)

    async def _say(self, reply: Reply) -> None:
        """Say a last word, if anything can be said and somebody listens."""
        self._server.close(reply)
        if not self._mute:
            with trio.move_on_after(_GOODBYE_SECONDS):
                await _flush(self._wire, self._server)

    # --- what others do to it -------------------------------------------------

    def look(self, now: float) -> None:
        """Give the peer up if it is overdue."""
        if not self._waits:
            return
        if self._since is None:
            self._since = now
        if now >= min(self._since + self._seconds, self._last_moment()):
            self._end(TOO_SLOW)

    def _last_moment(self) -> float:
        if self._mute:  # what was begun has its own time
            return math.inf
        return self._ends if self._server.admitted else self._stranger_until

    def drain(self) -> None:
        """Begin no further mail: end now, or when the mail under way is taken."""
        self._draining = True
        if not self._server.in_transaction:
            self.stop()

    def stop(self) -> None:
        """End at once, unless it is us that the peer is waiting for."""
        if self._waits:
            self._end(STOPPING)

    def _end(self, farewell: Reply) -> None:
        self._farewell = farewell
        self._scope.cancel()

    # --- the wire, as the pump sees it ----------------------------------------

    async def receive(self) -> bytes:
        """As the wire's, with all that may end it."""
        server = self._server
        self._count_memory(server.content_bytes)
        if self._draining and not server.in_transaction:
            self._end(STOPPING)
        if self._received >= _STEP_BYTES:
            self._lives()
        self._waits = True
        data = await self._wire.receive()
        self._waits = False
        if self._farewell is not None:  # the end and these bytes came together
            await trio.lowlevel.checkpoint()
        self._received += len(data)
        return data

    async def send(self, data: bytes) -> None:
        """As the wire's; each piece has its time. An answer is a sign of life."""
        self._mute = True
        for start in range(0, len(data), _SLICE_BYTES):
            self._wait(self._patience.send)
            await self._wire.send(data[start : start + _SLICE_BYTES])
        self._lives()
        self._waits = self._mute = False

    async def start_tls(self) -> bool:
        """As the wire's; half a handshake holds no session."""
        self._mute = True
        self._wait(self._patience.handshake)
        self._since = trio.current_time()
        covered = await self._wire.start_tls()
        self._lives()
        self._waits = self._mute = False
        return covered

    async def aclose(self) -> None:
        """As the wire's."""
        await self._wire.aclose()

    def _wait(self, seconds: float) -> None:
        self._seconds, self._since = seconds, None
        self._waits = True

    def _lives(self) -> None:
        self._seconds, self._since = self._patience.idle, None
        self._received = 0

    def _count_memory(self, held: int) -> None:
        """What was handed to the desk counts until its answer is out."""
        if held == self._held:
            return
        fits = self._memory.change(held - self._held)
        self._held = held
        if not fits and self._server.accepting:
            self._server.refuse_content(NO_MEMORY)
            self._count_memory(self._server.content_bytes)
