"""SMTP doors on real sockets with a desk that takes all mail, and a client for them.

The client speaks through trio's own streams, so that nothing of ours is on both
sides of a test.
"""

import base64
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from appliance.edge.smtp.guard import Guard, Thresholds
from appliance.edge.smtp.limits import Limits
from appliance.edge.smtp.listener import Door, Premises, serve_smtp
from appliance.edge.smtp.session import Cipher, Peer
from appliance.flow.directory import DirectoryKeeper
from appliance.net.tls_server import ServerTls, make_private_key, sign_itself
from appliance.settings.doors import Smtp
from appliance.smtp.reply import EnhancedCode, Reply
from appliance.smtp.server import Manners, SmtpServer
from appliance.smtp.server_events import (
    ContentAsked,
    ContentReceived,
    Event,
    Login,
)
from tests.fakes.store import NOW_NS, open_temp_store

HOST = "mail.test"
PASSWORD = "the right one"
SOON = 20.0  # seconds after which a test has failed
MANNERS = Manners(
    host=HOST,
    max_size=50 * 1024 * 1024,
    max_recipients=100,
    max_messages=1000,
    max_commands=10_000,
    max_errors=10,
    starttls=True,
)
OK = Reply(250, ("Ok",), EnhancedCode(2, 0, 0))
_GO_AHEAD = Reply(354, ("Go ahead",))
_WELCOME = Reply(235, ("Welcome",), EnhancedCode(2, 7, 0))
_STRANGER = Reply(535, ("Authentication failed",), EnhancedCode(5, 7, 8))


def make_tls(folder: Path) -> ServerTls:
    """A self-signed pair in this folder, served."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    key.write_bytes(make_private_key())
    certificate.write_bytes(
        sign_itself(key.read_bytes(), HOST, dt.datetime.now(dt.UTC))
    )
    return ServerTls(certificate, key)


def trusting() -> ssl.SSLContext:
    """A client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class FakeDesk:
    """Lets in whoever knows the password, takes all mail, and keeps it in a list.

    ``hold`` keeps the answer to content back, as a slow disk does; a login as
    "bug" meets one.
    """

    def __init__(self, guard: Guard | None = None) -> None:
        self.guard = guard
        self.peers: list[Peer] = []
        self.mails: list[bytes] = []
        self.hold = trio.Event()
        self.hold.set()
        self.began = trio.Event()  # to take content

    def session(
        self, peer: Peer, server: SmtpServer, cipher: Cipher
    ) -> "FakeDecisions":
        """The decisions for one session."""
        del server, cipher
        self.peers.append(peer)
        return FakeDecisions(self, peer)


@dataclass(frozen=True, slots=True)
class FakeDecisions:
    """What the desk says in one session."""

    desk: FakeDesk
    peer: Peer

    async def decide(self, event: Event) -> Reply:
        """The answer to one event."""
        match event:
            case Login():
                return await self._log_in(event)
            case ContentAsked():
                return _GO_AHEAD
            case ContentReceived(data):
                self.desk.began.set()
                await self.desk.hold.wait()
                self.desk.mails.append(data)
        return OK

    async def _log_in(self, given: Login) -> Reply:
        if given.username == "bug":
            raise RuntimeError("a bug of the desk's")
        good = given.password == PASSWORD
        if self.desk.guard is not None and not good:
            await self.desk.guard.failed(self.peer.address)
        return _WELCOME if good else _STRANGER


class Caller:
    """An SMTP client that says what it is told."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._unread = b""

    async def send(self, data: bytes) -> None:
        """Send bytes; a server that has closed already is no fault here."""
        with contextlib.suppress(trio.BrokenResourceError):
            await self.stream.send_all(data)

    async def hears(self) -> str:
        """The next reply, its lines joined; "" if the server has closed."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            line = await self._line()
            if not line:
                return ""
            lines.append(line)
        return "\n".join(lines)

    async def says(self, line: str) -> str:
        """The reply to one line."""
        await self.send(f"{line}\r\n".encode())
        return await self.hears()

    async def start_tls(self) -> None:
        """Cover the connection, which the server has agreed to or began with."""
        stream = trio.SSLStream(
            self.stream, trusting(), server_hostname=HOST, https_compatible=True
        )
        await stream.do_handshake()
        self.stream, self._unread = stream, b""

    async def secure(self) -> None:
        """From the greeting to the EHLO under TLS."""
        assert (await self.hears()).startswith("220 ")
        assert (await self.says("EHLO client.test")).startswith("250-")
        assert (await self.says("STARTTLS")).startswith("220 ")
        await self.start_tls()
        assert (await self.says("EHLO client.test")).startswith("250-")

    async def log_in(self, password: str = PASSWORD, *, user: str = "user") -> str:
        """The reply to a login."""
        word = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return await self.says(f"AUTH PLAIN {word}")

    async def begin_mail(self) -> None:
        """Up to the 354, logged in before."""
        assert (await self.says("MAIL FROM:<a@example.com>")).startswith("250 ")
        assert (await self.says("RCPT TO:<b@example.net>")).startswith("250 ")
        assert (await self.says("DATA")).startswith("354 ")

    async def ends(self) -> bytes:
        """What comes until the server closes."""
        rest, self._unread = self._unread, b""
        with contextlib.suppress(trio.BrokenResourceError):
            while data := await self.stream.receive_some():
                rest += data
        return rest

    async def _line(self) -> str:
        while b"\n" not in self._unread:
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                data = b""
            if not data:
                return ""
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode().removesuffix("\r")


@dataclass(frozen=True, slots=True)
class Doors:
    """Open doors."""

    bound: Mapping[Door, Sequence[str]]
    desk: FakeDesk
    guard: Guard
    tls: ServerTls = field(repr=False)
    closing: trio.Event

    @contextlib.asynccontextmanager
    async def call(self, door: Door = Door.SUBMISSION) -> AsyncIterator[Caller]:
        """A new connection, nothing said yet."""
        host, _, port = self.bound[door][0].rpartition(":")
        stream = await trio.open_tcp_stream(host.strip("[]"), int(port))
        caller = Caller(stream)
        try:
            yield caller
        finally:
            await trio.aclose_forcefully(stream)

    @contextlib.asynccontextmanager
    async def logged_in(self) -> AsyncIterator[Caller]:
        """A client that may send."""
        async with self.call() as caller:
            await caller.secure()
            assert (await caller.log_in()).startswith("235 ")
            yield caller


@contextlib.asynccontextmanager
async def open_doors(
    folder: Path,
    *,
    limits: Limits | None = None,
    manners: Manners = MANNERS,
    binds: Mapping[Door, Sequence[str]] | None = None,
    soon: float = SOON,
) -> AsyncIterator[Doors]:
    """Doors for the time of the block; they must have ended by themselves behind it.

    ``soon`` is for tests whose clock runs ahead.
    """
    tls, closing = make_tls(folder), trio.Event()
    wanted = binds or {door: ["127.0.0.1:0"] for door in Door}
    async with open_temp_store(folder) as store:
        directory = await DirectoryKeeper.load(store)
        guard = Guard(store, directory, Thresholds.of(Smtp()), lambda: NOW_NS)
        desk = FakeDesk(guard)
        premises = Premises(desk, guard, tls, manners, limits or Limits())
        start = partial(serve_smtp, wanted, premises, closing=closing)
        with trio.fail_after(soon):
            async with trio.open_nursery() as nursery:
                bound = await nursery.start(start)
                yield Doors(bound, desk, guard, tls, closing)
                closing.set()
