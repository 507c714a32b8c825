"""Where transcripts are played: the same house twice, without and with a socket."""

from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

import trio

from appliance.core.address import Address
from appliance.core.credential import Scope, SubAccount, read_network
from appliance.core.domain import Proof
from appliance.core.ids import SubAccountId
from appliance.core.suppression import SuppressionReason
from appliance.edge.smtp.desk import Desk
from appliance.edge.smtp.session import Peer
from appliance.edge.smtp.words import BLOCKED
from appliance.smtp.server import Manners, SmtpServer
from appliance.smtp.server_events import Marker, TlsAsked
from appliance.store.credentials import revoke_credential
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx
from tests.dialogs.script import Act, Script
from tests.fakes.gone import send_out
from tests.fakes.house import NOW_NS, add_key, add_sender_domain
from tests.fakes.smtp_doors import trusting

SECOND = "second.example"
UNVERIFIED = "unverified.example"
SUPPRESSED = Address("gone", "rcpt.example")
LEFT = UUID("0192f0c1-2345-7abc-89ab-0123456789ab")  # for bob@rcpt.example
CLIENT = "127.0.0.1"
SOON = 10.0
_PIECE_BYTES = 64 * 1024
PLENTY = 1_000_000

LimitDisk = Callable[[int], Awaitable[None]]  # pages that it may still grow by


def furnish_for_dialogs(tx: Tx, owner: SubAccount) -> None:
    """Keys, domains, a suppression and a mail that the transcripts speak of."""
    add_sender_domain(tx, owner.id, name=SECOND)
    add_sender_domain(tx, owner.id, name=UNVERIFIED, proof=Proof.NONE)
    add_key(tx, owner, "ap_key", dialect="anypost", scope=Scope.SEND_ONLY)
    only = frozenset({SECOND})
    add_key(tx, owner, "ap_second", dialect="anypost", allowed=only)
    elsewhere = read_network("192.0.2.0/24")
    assert elsewhere is not None
    add_key(tx, owner, "ap_elsewhere", dialect="anypost", networks=(elsewhere,))
    revoked = add_key(tx, owner, "ap_revoked", dialect="anypost")
    revoke_credential(tx, revoked.uuid, NOW_NS)
    add_key(tx, owner, "ps_live_key", dialect="postscale")
    add_key(tx, owner, "ps_live_second", dialect="postscale", allowed=only)
    add_key(tx, owner, "ps_test_key", dialect="postscale")
    add_key(tx, owner, "password", dialect="smtp", username="shop")
    _suppress(tx, owner.id)
    send_out(tx, owner, "bob@rcpt.example", first=LEFT)


def _suppress(tx: Tx, owner: SubAccountId) -> None:
    add_suppression(
        tx, owner, SUPPRESSED, reason=SuppressionReason.MANUAL, now_ns=NOW_NS
    )


class Line(Protocol):
    """A connection to the server, as a client has it."""

    async def send(self, data: bytes) -> None:
        """Say something."""

    async def read(self) -> bytes:
        """The next line without its end; empty if the server has hung up."""

    async def start_tls(self) -> None:
        """Shake hands."""

    async def aclose(self) -> None:
        """Hang up."""


class MemoryLine:
    """The protocol and the desk in memory, with nothing between them."""

    def __init__(self, desk: Desk, manners: Manners, script: Script) -> None:
        peer = Peer(CLIENT, 4711, script.door)
        self._server = SmtpServer(manners, encrypted=script.door == "submissions")
        self._session = desk.session(peer, self._server, lambda: "")
        self._said = b""
        if desk.guard.blocked_until_ns(CLIENT):
            self._said = BLOCKED.encode()  # the listener's words, and no banner
            self._server.close()
            self._server.data_to_send()

    async def send(self, data: bytes) -> None:
        """Say something, and let the desk decide what it asks."""
        for start in range(0, len(data), _PIECE_BYTES):
            if self._server.is_closed:
                return
            self._server.receive_data(data[start : start + _PIECE_BYTES])
            await self._work()

    async def read(self) -> bytes:
        """The next line of what was said."""
        self._said += self._server.data_to_send()
        line, _, self._said = self._said.partition(b"\r\n")
        return line

    async def start_tls(self) -> None:
        """The handshake is a matter of course here."""
        self._server.tls_established()
        await self._work()

    async def aclose(self) -> None:
        """Hang up."""
        if not self._server.is_closed:
            self._server.receive_data(b"")

    async def _work(self) -> None:
        while not isinstance(event := self._server.next_event(), Marker):
            if isinstance(event, TlsAsked):
                return
            self._server.reply(await self._session.decide(event))


class SocketLine:
    """A real connection to a running server."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._heard = b""

    @classmethod
    async def connect(cls, address: str, *, tls: bool) -> "SocketLine":
        """A connection to ``host:port``, under TLS from the start or not."""
        host, _, port = address.rpartition(":")
        line = cls(await trio.open_tcp_stream(host, int(port)))
        if tls:
            await line.start_tls()
        return line

    async def send(self, data: bytes) -> None:
        """Say something, whether anybody listens or not."""
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            return

    async def read(self) -> bytes:
        """The next line that arrives."""
        while b"\r\n" not in self._heard:
            try:
                data = await self._stream.receive_some()
            except trio.BrokenResourceError:
                data = b""
            if not data:
                return b""
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\r\n")
        return line

    async def start_tls(self) -> None:
        """Shake hands; whose certificate it is does not matter here."""
        covered = trio.SSLStream(
            self._stream, trusting(), server_hostname="x", https_compatible=True
        )
        await covered.do_handshake()
        self._stream = covered

    async def aclose(self) -> None:
        """Hang up."""
        await trio.aclose_forcefully(self._stream)


async def play(
    script: Script, connect: Callable[[], Awaitable[Line]], limit_disk: LimitDisk
) -> None:
    """Play a transcript through; the first line that is another one fails."""
    line = await connect()
    with trio.fail_after(SOON):
        for step in script.steps:
            place = f"{script.name}.smtp:{step.number}"
            match step.act:
                case Act.SEND:
                    await line.send(step.data)
                case Act.EXPECT:
                    said = await line.read()
                    assert step.matches(said), f"{place}: the server said {said!r}"
                case Act.TLS:
                    await line.start_tls()
                case Act.CLOSED:
                    said = await line.read()
                    assert not said, f"{place}: the server said {said!r}"
                case Act.CONNECT:
                    await line.aclose()
                    line = await connect()
                case Act.DISK_FULL:
                    await limit_disk(0)
                case Act.DISK_FREE:
                    await limit_disk(PLENTY)
    await line.aclose()
