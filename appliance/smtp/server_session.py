"""One session as the server sees it: what was said so far and where it is.

Decides how a session moves by the tables of `server_moves`, and when it has gone
on for long enough. What a command does is in `server_verbs`, bytes are cut in
`server`; both keep all they know here.
"""

from dataclasses import dataclass
from typing import Final

from appliance.smtp import server_words as words
from appliance.smtp.content import Content
from appliance.smtp.reply import Reply
from appliance.smtp.sasl import Exchange
from appliance.smtp.server_events import Event
from appliance.smtp.server_moves import (
    AFTER_REFUSAL,
    MOVES,
    OPEN_MOVES,
    OPEN_READY,
    State,
    Verb,
)

_CLIENTS_FAULT: Final = 5  # the first digit


@dataclass(frozen=True, slots=True)
class Manners:
    """What one session may do, and what is said of it.

    Attributes:
        host: our name in the banner and in the answer to EHLO.
        max_size: of a message, in bytes; the largest that any login may send.
        max_recipients: of a transaction; those beyond it get 452 and the rest goes.
        max_messages: MAIL commands in a session.
        max_commands: in a session.
        max_errors: 5xx since the last message that was taken, so that a
            session that serves is not ended by one bad address a day. The
            recipients of one transaction that the caller refuses count once: a
            list with many dead addresses is no attack.
        starttls: True if TLS can be had; logins need it in any case, and so does
            mail unless `open` says else.
        normalise_line_ends: a CR or LF alone in content becomes CRLF; otherwise
            it refuses the message (RFC 5321 2.3.8).
        open: mail may come without a login, and in clear. Its line ends are made
            right: who bounces a mail is no client of ours that could mend its ways.
    """

    host: str
    max_size: int
    max_recipients: int
    max_messages: int
    max_commands: int
    max_errors: int
    starttls: bool
    normalise_line_ends: bool = False
    open: bool = False


@dataclass(slots=True)
class Transaction:
    """What was said since MAIL."""

    utf8: bool = False
    taken: int = 0  # recipients
    has_refused: bool = False  # the caller refused a recipient
    content: Content | None = None


@dataclass(slots=True)
class Chunk:
    """What is being read of a BDAT; a refusal is given behind it."""

    verb: Verb  # BDAT or LAST
    size: int
    left: int
    refusal: Reply | None = None


class Session:
    """All that is known of one session, and the only way to change its state."""

    __slots__ = (
        "admitted",
        "asked",
        "authenticated",
        "chunk",
        "commands",
        "encrypted",
        "errors",
        "exchange",
        "extended",
        "hello",
        "injected",
        "manners",
        "max_recipients",
        "max_size",
        "messages",
        "out",
        "state",
        "too_big",
        "transaction",
    )

    def __init__(self, manners: Manners, *, encrypted: bool) -> None:
        self.manners = manners
        self.max_size = manners.max_size
        self.too_big = words.TOO_BIG
        self.max_recipients = manners.max_recipients
        self.state = State.SECURED if encrypted else State.CONNECTED
        self.encrypted = encrypted
        self.authenticated = False
        self.admitted = False
        self.hello = ""
        self.extended = False
        self.injected = False
        self.exchange: Exchange | None = None
        self.transaction = Transaction()
        self.chunk: Chunk | None = None
        self.asked: Verb | None = None  # what the caller has to decide
        self.out: list[bytes] = []
        self.commands = self.messages = self.errors = 0

    @property
    def unasked(self) -> bool:
        """True while mail may come from somebody who has not logged in."""
        return self.manners.open and not self.authenticated

    @property
    def moves(self) -> dict[Verb, State | Reply]:
        """What may be said now, and where it leads."""
        return (OPEN_MOVES if self.unasked else MOVES)[self.state]

    def say(self, reply: Reply) -> None:
        """Queue a reply."""
        self.out.append(reply.encode())

    def ask(self, verb: Verb, event: Event) -> Event:
        """Wait for the caller's answer, which will be about this verb."""
        self.asked = verb
        return event

    def move(self, verb: Verb) -> None:
        """Go where this leads, now that it is agreed to."""
        after = self.moves[verb]
        assert isinstance(after, State)
        self._enter(after)

    def refuse(self, reply: Reply, verb: Verb | None = None) -> None:
        """Say no to this verb, or to a line that is none, and count it.

        4xx is our own trouble and no error of the client's.
        """
        self.say(reply)
        self.fall_back(verb)
        if reply.code // 100 == _CLIENTS_FAULT:
            self.count_error()

    def fall_back(self, verb: Verb | None) -> None:
        """Go where the refusal of this verb leads."""
        if verb is not None:
            self._enter(AFTER_REFUSAL[self.state].get(verb, self.state))

    def count_error(self) -> None:
        """One more; the session is over if it is one too many."""
        self.errors += 1
        if self.errors > self.manners.max_errors:
            self.close(words.TOO_MANY_ERRORS)

    def close(self, reply: Reply | None = None) -> None:
        """Say this behind all that was said; then nothing is left to do."""
        if self.state is State.CLOSED:
            return
        if reply is not None:
            self.say(reply)
        self.asked = self.chunk = None
        self._enter(State.CLOSED)

    def _enter(self, state: State) -> None:
        """Be there, and drop what has no meaning there."""
        if self.state is State.CHALLENGED:
            self.exchange = None
        self.state = state
        if state is State.READY or state is State.CLOSED:
            self.transaction = Transaction()
            if state is State.READY and self.unasked:
                self.state = OPEN_READY[self.encrypted]
        elif state is State.SPOILT:
            self.transaction.content = None
