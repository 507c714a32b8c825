"""The client's side of one SMTP session: commands in, bytes out, answers back.

Decides what may never leave: a command out of order, an injected command, a
credential in clear, a message that a server could read as two. The order is in
the tables of `client_moves`; what to say next is decided in `pipeline` and `net/`.
"""

import base64
from collections import deque
from enum import Enum, auto
from typing import Final

from appliance.smtp.client_moves import ANSWERS, GROUPED, MOVES, State, Verb
from appliance.smtp.errors import LocalProtocolError, RemoteProtocolError
from appliance.smtp.grammar import (
    Capabilities,
    WireContent,
    is_client_name,
    parse_capabilities,
    path,
)
from appliance.smtp.reply import SERVICE_CLOSING, Reply, ReplyReader
from appliance.value import value

PIECE_BYTES: Final = 64 * 1024
MAX_UNREAD_BYTES: Final = 256 * 1024


class Mechanism(Enum):
    """The ways of AUTH that are spoken; both need TLS to be safe."""

    PLAIN = "PLAIN"
    LOGIN = "LOGIN"


class Marker(Enum):
    """What `next_event` returns when there is no answer."""

    NEED_DATA = auto()
    CLOSED = auto()


@value
class Answered:
    """The server's reply to one command; answers come in the order of commands."""

    verb: Verb
    reply: Reply


class SmtpClient:
    """One session. Say a command, send `data_to_send`, read `next_event`.

    Attributes:
        capabilities: what the last EHLO offered; nothing after STARTTLS until
            the next EHLO (RFC 3207 4.2).
        encrypted: True once TLS covers the session.
    """

    def __init__(self, *, encrypted: bool = False) -> None:
        self.capabilities = Capabilities()
        self.encrypted = encrypted
        self._state = State.CONNECTED
        self._expected: deque[Verb] = deque([Verb.BANNER])
        self._reader = ReplyReader()
        self._ended = False
        self._auth_answers: deque[bytes] = deque()
        self._out: list[bytes] = []
        self._out_at = 0  # how much of the first piece of _out is taken
        self._queued = 0
        self._taken = 0
        self._dot_at: int | None = 0  # None: held back

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._state

    @property
    def is_closed(self) -> bool:
        """True once nothing more can be said or heard."""
        return self._state is State.CLOSED

    @property
    def dot_is_out(self) -> bool:
        """True if the last content was handed to the wire to its final dot."""
        return self._dot_at is not None and self._taken >= self._dot_at

    # What comes in.

    def receive_data(self, data: bytes) -> None:
        """Take in bytes from the server; empty bytes say that it has closed.

        Raises:
            LocalProtocolError: events were not read, or the bytes belong to TLS.
        """
        if self._reader.waiting + len(data) > MAX_UNREAD_BYTES:
            raise LocalProtocolError("read the events before the next bytes")
        if not data:
            self._ended = True
        self._reader.feed(data)

    def next_event(self) -> Answered | Marker:
        """The next answer, or the marker that says why there is none.

        Raises:
            RemoteProtocolError: the server broke the protocol; the session is over.
        """
        if self._state is State.CLOSED:
            return Marker.CLOSED
        try:
            return self._next_event()
        except RemoteProtocolError:
            self._close()
            raise

    def _next_event(self) -> Answered | Marker:
        while (reply := self._next_reply()) is not None:
            if not self._expected:
                return self._unasked(reply)
            if self._expected[0] is Verb.AUTH and reply.is_go_on:
                self._answer_challenge()
                continue
            return self._answered(self._expected.popleft(), reply)
        if self._ended:
            self._close()
            return Marker.CLOSED
        return Marker.NEED_DATA

    def _next_reply(self) -> Reply | None:
        if self._state is State.HANDSHAKE:
            self._forbid_clear_text()
        return self._reader.next_reply()

    def _forbid_clear_text(self) -> None:
        # CVE-2011-0411 from the other side: an answer in clear that would be
        # read as one given under TLS.
        if self._reader.waiting:
            raise RemoteProtocolError("the server spoke in clear behind STARTTLS")

    def _unasked(self, reply: Reply) -> Marker:
        if reply.code != SERVICE_CLOSING:
            raise RemoteProtocolError(f"a reply to nothing: {reply.code}")
        self._close()
        return Marker.CLOSED

    def _answered(self, verb: Verb, reply: Reply) -> Answered:
        if reply.code == SERVICE_CLOSING:
            self._close()
            return Answered(verb, reply)
        if reply.severity not in ANSWERS[verb]:
            raise RemoteProtocolError(f"{reply.code} is no answer to {verb.name}")
        if verb is Verb.DOT and not self.dot_is_out:
            self._answered_early(reply)
        after = ANSWERS[verb][reply.severity]
        if after is not None and self._state is not State.CLOSED:
            self._state = after
        if verb in (Verb.EHLO, Verb.HELO):
            self._introduced(verb, reply)
        elif after is State.HANDSHAKE:
            self.capabilities = Capabilities()
            self._forbid_clear_text()
        elif verb is Verb.AUTH:
            self._auth_answers.clear()
        return Answered(verb, reply)

    def _answered_early(self, reply: Reply) -> None:
        """A message can be refused before its end, but not taken."""
        if reply.is_done:
            raise RemoteProtocolError("a message was accepted before its end")
        self._close()

    def _introduced(self, verb: Verb, reply: Reply) -> None:
        offers = verb is Verb.EHLO and self._state is State.READY
        self.capabilities = parse_capabilities(reply) if offers else Capabilities()

    def _answer_challenge(self) -> None:
        if not self._auth_answers:
            raise RemoteProtocolError("a challenge that AUTH does not have")
        self._queue(self._auth_answers.popleft() + b"\r\n")

    def give_up(self) -> None:
        """End the session from this side without a word."""
        self._close()

    def _close(self) -> None:
        self._state = State.CLOSED
        self._expected.clear()
        self._auth_answers.clear()

    # What goes out.

    @property
    def has_data_to_send(self) -> bool:
        """True if `data_to_send` would return something."""
        return bool(self._out)

    @property
    def unsent_bytes(self) -> int:
        """How much `data_to_send` has yet to return."""
        return self._queued - self._taken

    def data_to_send(self) -> bytes:
        """The next bytes for the wire, at most PIECE_BYTES; empty if all are out."""
        if not self._out:
            return b""
        if len(self._out) > 1:
            self._out[0] = self._out[0][self._out_at :]
            self._out = [b"".join(self._out)]
            self._out_at = 0
        piece = self._out[0][self._out_at : self._out_at + PIECE_BYTES]
        self._out_at += len(piece)
        self._taken += len(piece)
        if self._out_at == len(self._out[0]):
            self._out.clear()
            self._out_at = 0
        return piece

    def _queue(self, data: bytes) -> None:
        self._out.append(data)
        self._queued += len(data)

    def _say(self, verb: Verb, line: bytes) -> bytes:
        self._move(verb)
        self._queue(line)
        return line

    def _move(self, verb: Verb) -> None:
        before = self._state
        self._step(verb)
        if self._expected and not (self.capabilities.pipelining and verb in GROUPED):
            self._state = before
            raise LocalProtocolError(f"{verb.name} before the last answer")
        self._expected.append(verb)

    def _step(self, verb: Verb) -> None:
        after = MOVES[self._state].get(verb)
        if after is None:
            raise LocalProtocolError(f"{verb.name} has no place in {self._state.name}")
        self._state = after

    # The commands. Each raises LocalProtocolError when it has no place here, and
    # returns its line as it was said, unless that holds a secret.

    def ehlo(self, name: str) -> bytes:
        """Introduce ourselves; the answer fills `capabilities`."""
        return self._say(Verb.EHLO, b"EHLO " + _client_name(name) + b"\r\n")

    def helo(self, name: str) -> bytes:
        """Introduce ourselves to a server that refused EHLO (RFC 5321 3.2)."""
        return self._say(Verb.HELO, b"HELO " + _client_name(name) + b"\r\n")

    def starttls(self) -> bytes:
        """Ask for TLS; after a 2xx the stream is upgraded, then `tls_established`."""
        if not self.capabilities.starttls or self.encrypted:
            raise LocalProtocolError("STARTTLS is not offered, or TLS is there")
        return self._say(Verb.STARTTLS, b"STARTTLS\r\n")

    def tls_established(self) -> None:
        """Go on behind the handshake, knowing nothing of the server (RFC 3207 4.2)."""
        if self._state is not State.HANDSHAKE:
            raise LocalProtocolError("no handshake was agreed")
        self._forbid_clear_text()
        self.encrypted = True
        self._state = State.GREETED

    def auth(
        self,
        mechanism: Mechanism,
        username: str,
        password: str,
        *,
        allow_plaintext: bool = False,
    ) -> None:
        """Log in; challenges are answered from here, the verdict is one answer."""
        if not (self.encrypted or allow_plaintext):
            raise LocalProtocolError("credentials are not sent without TLS")
        if "\0" in username or "\0" in password:
            raise LocalProtocolError("a credential holds a NUL")
        if mechanism is Mechanism.PLAIN:
            token = base64.b64encode(f"\0{username}\0{password}".encode())
            self._say(Verb.AUTH, b"AUTH PLAIN " + token + b"\r\n")
            return
        self._say(Verb.AUTH, b"AUTH LOGIN\r\n")
        words = (username.encode(), password.encode())
        self._auth_answers.extend(map(base64.b64encode, words))

    def mail(self, sender: str, content: WireContent, *, utf8: bool = False) -> bytes:
        """Begin a transaction; the parameters are those the server offers."""
        line = b"MAIL FROM:" + path(sender) if sender else b"MAIL FROM:<>"
        if self.capabilities.size is not None:
            line += b" SIZE=%d" % content.size
        if content.eight_bit and self.capabilities.eight_bit_mime:
            line += b" BODY=8BITMIME"
        if utf8:
            line += b" SMTPUTF8"
        return self._say(Verb.MAIL, line + b"\r\n")

    def rcpt(self, recipient: str) -> bytes:
        """Name one recipient."""
        return self._say(Verb.RCPT, b"RCPT TO:" + path(recipient) + b"\r\n")

    def data(self) -> bytes:
        """Ask to send the content; nothing may follow before the answer."""
        return self._say(Verb.DATA, b"DATA\r\n")

    def content(self, content: WireContent) -> None:
        """Send the message and its final dot."""
        self.body(content)
        self.dot()

    def body(self, content: WireContent) -> None:
        """Send the message and hold back its final dot: it is no message yet."""
        self._step(Verb.BODY)
        self._expected.append(Verb.DOT)  # a refusal need not wait for the dot
        self._queue(content.stuffed)
        self._dot_at = None

    def dot(self) -> None:
        """Let the final dot go; the next MAIL may ride behind it."""
        self._step(Verb.DOT)
        self._queue(b".\r\n")
        self._dot_at = self._queued

    def rset(self) -> bytes:
        """Drop the transaction that was begun."""
        return self._say(Verb.RSET, b"RSET\r\n")

    def quit(self) -> None:
        """Say goodbye."""
        self._say(Verb.QUIT, b"QUIT\r\n")


def _client_name(name: str) -> bytes:
    if not is_client_name(name):
        raise LocalProtocolError("the EHLO name is not a host name")
    return name.encode("ascii")
