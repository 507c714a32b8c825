"""The server's side of one SMTP session: bytes in, events out, replies in, bytes out.

Decides whatever needs no knowledge of people and mail: the order of things (the
tables of `server_moves`), what is well said (`commands`, `sasl`), where content
ends and what cannot be content (`content`). Who may log in, send and receive is
asked of the caller by events.

Nothing here depends on how the network cut the stream. Memory is bounded: a line
by its kind, content by `max_size` (and a third, if all of it is stuffed dots),
what is unread and what is unsent by the constants below. Time is not known here:
deadlines are left to `net/`.
"""

from typing import Final

from appliance.smtp import server_words as words
from appliance.smtp.content import Content, DottedContent
from appliance.smtp.errors import LocalProtocolError
from appliance.smtp.inbox import Inbox
from appliance.smtp.reply import SERVICE_CLOSING, Reply
from appliance.smtp.server_events import ContentReceived, Event, Marker
from appliance.smtp.server_moves import ANSWERS, IN_TRANSACTION, State, Verb
from appliance.smtp.server_session import Chunk, Manners, Session
from appliance.smtp.server_verbs import obey, respond

__all__ = ["MAX_UNREAD_BYTES", "MAX_UNSENT_BYTES", "Manners", "SmtpServer"]

MAX_UNREAD_BYTES: Final = 256 * 1024
MAX_UNSENT_BYTES: Final = 256 * 1024

_GO_ON: Final = 3  # the first digit; what is greater refuses
_TLS_RECORD: Final = b"\x16"  # RFC 8446 5.1: a handshake; no command begins so


class SmtpServer:
    """One session, which begins with the banner in `data_to_send`.

    Feed `receive_data`, ask `next_event` until it says NEED_DATA, answer each
    event by `reply`, and send `data_to_send` before waiting for more. Replies to
    commands that came together leave together (RFC 2920 3.2).
    """

    def __init__(self, manners: Manners, *, encrypted: bool = False) -> None:
        self._session = Session(manners, encrypted=encrypted)
        self._inbox = Inbox()
        self._ended = False
        self._session.say(words.banner(manners.host))

    # What is known of the session.

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._session.state

    @property
    def is_closed(self) -> bool:
        """True once nothing more is heard; what is queued may still be sent."""
        return self._session.state is State.CLOSED

    @property
    def encrypted(self) -> bool:
        """True if TLS covers the session."""
        return self._session.encrypted

    @property
    def authenticated(self) -> bool:
        """True once a login was let in."""
        return self._session.authenticated

    @property
    def admitted(self) -> bool:
        """True once a login was let in, or a recipient taken without one."""
        return self._session.admitted

    @property
    def hello(self) -> str:
        """The name the client gave itself: any word at all, or empty."""
        return self._session.hello

    @property
    def extended(self) -> bool:
        """True if the client said EHLO, False if HELO or nothing."""
        return self._session.extended

    @property
    def utf8(self) -> bool:
        """True if the transaction asked for SMTPUTF8."""
        return self._session.transaction.utf8

    @property
    def in_transaction(self) -> bool:
        """True from a MAIL that was taken to the answer to its message."""
        return self._session.state in IN_TRANSACTION

    @property
    def accepting(self) -> bool:
        """True from the consent to content to its end, between chunks too."""
        return self._session.transaction.content is not None

    @property
    def content_bytes(self) -> int:
        """How much of the message that is coming in is in memory."""
        content = self._session.transaction.content
        return 0 if content is None else content.held

    @property
    def held_bytes(self) -> int:
        """All that is in memory for the client: unread, kept and unsent."""
        return self._inbox.waiting + self.content_bytes + self._unsent

    @property
    def _unsent(self) -> int:
        return sum(map(len, self._session.out))

    @property
    def injected(self) -> bool:
        """True if bytes in clear stood behind STARTTLS; they were thrown away."""
        return self._session.injected

    @property
    def max_size(self) -> int:
        """What a message may have from now on; set it when the login is known."""
        return self._session.max_size

    @max_size.setter
    def max_size(self, size: int) -> None:
        self._session.max_size = size

    @property
    def too_big(self) -> Reply:
        """What is said of a message beyond it; set it as `max_size`."""
        return self._session.too_big

    @too_big.setter
    def too_big(self, reply: Reply) -> None:
        self._session.too_big = reply

    @property
    def max_recipients(self) -> int:
        """How many recipients a transaction may have; set it as `max_size`."""
        return self._session.max_recipients

    @max_recipients.setter
    def max_recipients(self, count: int) -> None:
        self._session.max_recipients = count

    # What comes in.

    def receive_data(self, data: bytes) -> None:
        """Take in bytes from the client; empty bytes say that it has closed.

        Raises:
            LocalProtocolError: events were not read, or replies not sent.
        """
        session = self._session
        if session.state is State.CLOSED:
            return
        if not data:
            self._ended = True
        elif session.state is State.HANDSHAKE:
            session.injected = True
        elif self._inbox.waiting + len(data) > MAX_UNREAD_BYTES:
            raise LocalProtocolError("read the events before the next bytes")
        elif session.out and self._unsent > MAX_UNSENT_BYTES:
            raise LocalProtocolError("send the replies before the next bytes")
        else:
            self._inbox.feed(data)

    def next_event(self) -> Event | Marker:
        """The next thing to decide, or the marker that says why there is none."""
        while (found := self._read()) is None:
            pass
        return found

    def _read(self) -> Event | Marker | None:
        """Read one thing; None if it was dealt with here."""
        session = self._session
        if session.state is State.CLOSED:
            self._inbox.clear()
            return Marker.CLOSED
        if session.asked is not None:
            return Marker.PAUSED
        if session.chunk is not None:
            return self._read_chunk(session.chunk)
        if self._inbox.at >= len(self._inbox.data):
            return self._wait()
        if session.state is State.CONTENT:
            return self._read_content()
        return self._read_line()

    def _wait(self) -> Marker:
        if not self._ended:
            self._inbox.shrink()
            return Marker.NEED_DATA
        self.close()
        return Marker.CLOSED

    def _read_line(self) -> Event | Marker | None:
        session, inbox = self._session, self._inbox
        if not session.encrypted and inbox.begins_with(_TLS_RECORD):
            self.close(words.NOT_SMTP)
            return None
        exchange = session.exchange
        line = inbox.next_line(in_auth=exchange is not None)
        if line is None:
            return self._wait()
        if line is words.BARE_LINE_END:
            # Told, since who types by hand would wait for ever; not read on, since
            # the rest may be what somebody hid in a name or an address.
            self.close(words.BARE_LINE_END)
            return None
        if exchange is not None:
            return respond(session, exchange, line)
        event = obey(session, line)
        if session.state is State.HANDSHAKE:
            # CVE-2011-0411: never to be read as if it had come under TLS.
            session.injected = inbox.clear()
        return event

    def _read_content(self) -> Event | Marker | None:
        content, inbox = self._session.transaction.content, self._inbox
        assert isinstance(content, DottedContent)
        inbox.at = content.feed(inbox.data, inbox.at)
        if not content.is_complete:
            return self._wait()
        return self._judge(Verb.DOT, content)

    def _read_chunk(self, chunk: Chunk) -> Event | Marker | None:
        content = self._session.transaction.content
        piece = self._inbox.take(chunk.left)
        chunk.left -= len(piece)
        if content is not None:
            content.keep(piece)
        if chunk.left:
            return self._wait()
        self._session.chunk = None
        refusal = chunk.refusal if content is None else content.refusal
        if refusal is not None:
            self._session.refuse(refusal, chunk.verb)
            return None
        assert content is not None
        if chunk.verb is Verb.LAST:
            return self._judge(Verb.LAST, content)
        self._session.move(Verb.BDAT)
        self._session.say(words.chunk_taken(chunk.size))
        return None

    def _judge(self, verb: Verb, content: Content) -> Event | None:
        """Hand a whole message up, or refuse what is none."""
        session = self._session
        normalise = session.manners.normalise_line_ends or session.unasked
        verdict = content.finish(normalise=normalise)
        session.transaction.content = None
        session.move(verb)
        if isinstance(verdict, Reply):
            session.refuse(verdict, Verb.VERDICT)
            return None
        return session.ask(Verb.VERDICT, ContentReceived(verdict))

    # What is decided.

    def reply(self, reply: Reply) -> None:
        """Answer the event that was returned last; 421 ends the session.

        Raises:
            LocalProtocolError: no event waits, or this is no answer to it.
        """
        verb, severity = self._session.asked, reply.code // 100
        if verb is None or severity not in ANSWERS.get(verb, ()):
            raise LocalProtocolError(f"{reply.code} answers nothing here")
        self._session.asked = None
        if reply.code == SERVICE_CLOSING:
            self.close(reply)
        elif severity > _GO_ON:
            self._decline(verb, reply)
        else:
            self._agree(verb, reply)

    def _decline(self, verb: Verb, reply: Reply) -> None:
        session = self._session
        if session.chunk is not None:
            session.chunk.refusal = reply  # said behind the chunk
        elif verb is Verb.RCPT and session.transaction.has_refused:
            session.say(reply)  # counted already
        else:
            if verb is Verb.RCPT:
                session.transaction.has_refused = True
            session.refuse(reply, verb)

    def _agree(self, verb: Verb, reply: Reply) -> None:
        session = self._session
        if verb is Verb.BDAT or verb is Verb.LAST:
            session.transaction.content = Content(session.max_size, session.too_big)
            return  # said behind the chunk
        if verb is Verb.RESPONSE:
            session.authenticated = session.admitted = True
        elif verb is Verb.RCPT:
            session.transaction.taken += 1
            session.admitted = True
        elif verb is Verb.DATA:
            content = DottedContent(session.max_size, session.too_big)
            session.transaction.content = content
            reply = reply if reply.code // 100 == _GO_ON else words.GO_AHEAD
        elif verb is Verb.VERDICT:
            session.errors = 0
        session.move(verb)
        session.say(reply)

    def refuse_content(self, reply: Reply) -> None:
        """Keep nothing of the message that is coming; `reply` is given at its end.

        Raises:
            LocalProtocolError: no content is coming, or this is no refusal.
        """
        content = self._session.transaction.content
        if content is None or not reply.is_refusal:
            raise LocalProtocolError("there is no content to refuse, or no refusal")
        content.refuse(reply)

    def tls_established(self) -> None:
        """Go on behind the handshake, knowing nothing of the client (RFC 3207 4.2).

        Raises:
            LocalProtocolError: no handshake was agreed.
        """
        session = self._session
        if session.state is not State.HANDSHAKE:
            raise LocalProtocolError("no handshake was agreed")
        session.asked = None
        session.encrypted = True
        session.hello, session.extended = "", False
        session.move(Verb.HANDSHAKE)
        if session.injected:
            session.count_error()

    def close(self, reply: Reply | None = None) -> None:
        """Say this behind all that was said, and hear nothing more."""
        self._session.close(reply)
        self._inbox.clear()

    # What goes out.

    def data_to_send(self) -> bytes:
        """All that is to be sent now; whole replies only."""
        data = b"".join(self._session.out)
        self._session.out.clear()
        return data
