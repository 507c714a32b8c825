"""Accepting SMTP connections, counting them, and letting them end.

Who has no place, or guessed passwords, is told so at once and costs no session.
Nothing that goes wrong with one connection, not even that there are no more
files, ends the accepting. After ``closing`` nothing is accepted, idle sessions
are told, and mails under way have the drain timeout.
"""

import contextlib
import errno
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import trio

from appliance import log as logs
from appliance.core.origin import origin_of
from appliance.edge.listen import bound_address, open_sockets
from appliance.edge.smtp.guard import Guard
from appliance.edge.smtp.limits import Limits, Places
from appliance.edge.smtp.session import Cipher, Peer
from appliance.edge.smtp.words import BLOCKED
from appliance.net.smtp_session import Memory, SmtpSession
from appliance.net.tls_server import ServerTls
from appliance.net.wire import SocketWire
from appliance.smtp.reply import EnhancedCode, Reply
from appliance.smtp.server import Manners, SmtpServer
from appliance.smtp.server_events import Event

log = logs.get("smtp")

_FULL = Reply(421, ("Too many sessions, try again later",), EnhancedCode(4, 3, 2))
_TOO_MANY = Reply(421, ("Too many sessions from your address",), EnhancedCode(4, 7, 0))
_LOOK_SECONDS = 0.25  # a peer may be given up two of them later than its limit
_AT_ONCE = 64  # connections accepted before others have their turn
# accept(2): what happened to a connection before it was taken; the next may be well.
_PEER_GONE = frozenset(
    {
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,  # a firewall's
        errno.EPROTO,
        errno.ETIMEDOUT,
    }
)
_PAUSE_SECONDS = 0.1  # after which there may be files again, or memory
_COMPLAIN_SECONDS = 60.0
_GOODBYES = 50  # refusals under TLS at a time; who comes on top is just closed
_GOODBYE_SECONDS = 2.0
_CUT_SECONDS = 1.5  # to say so to those who are cut when the drain timeout is over


class Door(StrEnum):
    """The doors, as the settings call them."""

    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"  # TLS from the start (RFC 8314)
    MX = "mx"


def manners_at(door: Door, manners: Manners) -> Manners:
    """How a session is led that came by this door."""
    in_clear = door is not Door.SUBMISSIONS
    return replace(manners, starttls=in_clear, open=door is Door.MX)


class Decisions(Protocol):
    """What is decided in one session."""

    async def decide(self, event: Event) -> Reply:
        """The answer to an event; what a peer did never raises."""


class Reception(Protocol):
    """What all sessions share."""

    def session(self, peer: Peer, server: SmtpServer, cipher: Cipher) -> Decisions:
        """The decisions for one session."""


@dataclass(frozen=True, slots=True)
class Premises:
    """What the doors lead to, and what holds for all of them.

    ``manners`` are those of a session in clear.
    """

    reception: Reception
    guard: Guard
    tls: ServerTls
    manners: Manners
    limits: Limits


async def serve_smtp(
    binds: Mapping[Door, Sequence[str]],
    premises: Premises,
    *,
    closing: trio.Event,
    task_status: trio.TaskStatus[dict[Door, tuple[str, ...]]] = (
        trio.TASK_STATUS_IGNORED
    ),
) -> None:
    """Serve all doors until ``closing``, then let mails under way end.

    Starts with the addresses that are really bound.

    Raises:
        BindError: an address cannot be had.
        ValueError: a bind is no ``host:port``.
    """
    with contextlib.ExitStack() as opened:
        doors = {
            door: [opened.enter_context(one) for one in open_sockets(wanted)]
            for door, wanted in binds.items()
        }
        house = _House(premises)
        async with trio.open_nursery() as watching:
            watching.start_soon(house.watch)
            async with trio.open_nursery() as house.sessions:
                async with trio.open_nursery() as accepting:
                    for door, sockets in doors.items():
                        for one in sockets:
                            accepting.start_soon(house.accept, one, door)
                    task_status.started(_bound(doors))
                    await closing.wait()
                    accepting.cancel_scope.cancel()
                opened.close()
                house.drain()
            watching.cancel_scope.cancel()


def _bound(
    doors: Mapping[Door, Sequence[socket.socket]],
) -> dict[Door, tuple[str, ...]]:
    return {door: tuple(map(bound_address, doors.get(door, ()))) for door in Door}


class _House:
    """The sessions that are open, as many as there may be."""

    sessions: trio.Nursery

    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        self._limits = premises.limits
        self._manners = {door: manners_at(door, premises.manners) for door in Door}
        self._memory = Memory(premises.limits.max_memory)
        self._places = Places(premises.limits)
        self._open: set[SmtpSession] = set()
        self._goodbyes = 0
        self._complained = -_COMPLAIN_SECONDS
        self._cut_at = float("inf")

    async def accept(self, listener: socket.socket, door: Door) -> None:
        """Take whoever comes to this socket, for as long as it is open."""
        while True:
            await trio.lowlevel.wait_readable(listener)
            for _ in range(_AT_ONCE):
                try:
                    sock, address = listener.accept()
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno not in _PEER_GONE:
                        self._complain(error)
                        await trio.sleep(_PAUSE_SECONDS)
                        break
                else:
                    self._admit(sock, Peer(_bare(address[0]), address[1], door))

    def drain(self) -> None:
        """Begin no further mail; those under way have the drain timeout."""
        self._cut_at = trio.current_time() + self._limits.drain_timeout
        self.sessions.cancel_scope.deadline = self._cut_at + _CUT_SECONDS
        for session in self._open:
            session.drain()

    async def watch(self) -> None:
        """Look every now and then for peers that are overdue."""
        while True:
            now = trio.current_time()
            for session in self._open:
                session.look(now)
                if now >= self._cut_at:
                    session.stop()
            await trio.sleep(min(_LOOK_SECONDS, max(self._cut_at - now, 0.01)))

    def _complain(self, error: OSError) -> None:
        now = trio.current_time()
        if now - self._complained >= _COMPLAIN_SECONDS:
            self._complained = now
            log.error("smtp.cannot_accept", error=error)

    # --- one connection -------------------------------------------------------

    def _admit(self, sock: socket.socket, peer: Peer) -> None:
        """Let one in, or not; a bug here costs this one, and nobody else."""
        try:
            sock.setblocking(False)
            origin = origin_of(peer.address)
            refusal = self._refusal(peer, origin)
            if refusal is None:
                self._begin(sock, peer, origin)
            else:
                self._turn_away(sock, peer, refusal)
        except Exception:
            log.exception("smtp.session_failed")
            sock.close()

    def _begin(self, sock: socket.socket, peer: Peer, origin: str) -> None:
        tls_first = peer.door == Door.SUBMISSIONS
        server = SmtpServer(self._manners[Door(peer.door)], encrypted=tls_first)
        wire = SocketWire(sock, self._premises.tls)
        decisions = self._premises.reception.session(peer, server, lambda: wire.cipher)
        session = SmtpSession(wire, server, self._limits.patience, self._memory)
        self._places.take(origin)
        self._open.add(session)
        self.sessions.start_soon(self._serve, session, decisions, peer, origin)

    def _refusal(self, peer: Peer, origin: str) -> Reply | None:
        """Why this one gets no session."""
        if self._places.all_taken:
            return _FULL
        if self._places.all_taken_by(origin):
            return _TOO_MANY
        if self._premises.guard.blocked_until_ns(peer.address):
            return BLOCKED
        return None

    async def _serve(
        self, session: SmtpSession, decisions: Decisions, peer: Peer, origin: str
    ) -> None:
        try:
            with logs.bind(peer=peer.address, door=peer.door):
                tls_first = peer.door == Door.SUBMISSIONS
                await session.run(decisions.decide, tls_first=tls_first)
        finally:
            self._open.discard(session)
            self._places.give_back(origin)

    def _turn_away(self, sock: socket.socket, peer: Peer, refusal: Reply) -> None:
        log.debug("smtp.turned_away", peer=peer.address, door=peer.door, reply=refusal)
        if peer.door != Door.SUBMISSIONS:
            with sock, contextlib.suppress(OSError):
                # It is our turn to speak, so there is room, and nothing unread.
                sock.send(refusal.encode())
        elif self._goodbyes < _GOODBYES:
            self._goodbyes += 1
            self.sessions.start_soon(self._say_goodbye, sock, refusal)
        else:
            sock.close()

    async def _say_goodbye(self, sock: socket.socket, refusal: Reply) -> None:
        """The same under TLS, which takes a while and some computing."""
        wire = SocketWire(sock, self._premises.tls)
        try:
            with trio.move_on_after(_GOODBYE_SECONDS):
                try:
                    if await wire.start_tls():
                        await wire.send(refusal.encode())
                finally:
                    await wire.aclose()
        except Exception:
            log.exception("smtp.session_failed")
        finally:
            self._goodbyes -= 1


def _bare(address: str) -> str:
    """The address without its zone, which is good on this machine only."""
    return address.partition("%")[0]
