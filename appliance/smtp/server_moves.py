"""What a client may say when, and what becomes of the session by it.

The tables are the only place that knows the order of things; `server` obeys them
and has no rule of order of its own beside them.
"""

from enum import auto
from typing import Final

from appliance.smtp.reply import Reply
from appliance.smtp.server_words import (
    AUTH_FIRST,
    AUTH_NEEDS_TLS,
    AUTH_TWICE,
    CHUNK_LOST,
    EHLO_FIRST,
    IN_CHUNKS,
    MAIL_FIRST,
    MAIL_TWICE,
    NOBODY,
    RCPT_FIRST,
    TLS_ACTIVE,
    TLS_FIRST,
)
from appliance.value import Key


class Verb(Key):
    """The commands, and below them what else moves a session."""

    EHLO = auto()
    HELO = auto()
    STARTTLS = auto()
    AUTH = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    BDAT = auto()
    LAST = auto()  # BDAT with that word
    RSET = auto()
    NOOP = auto()
    HELP = auto()
    VRFY = auto()
    EXPN = auto()
    QUIT = auto()
    HANDSHAKE = auto()  # TLS is there
    RESPONSE = auto()  # a line of an AUTH exchange
    DOT = auto()  # the content behind DATA has ended
    VERDICT = auto()  # the answer to a whole message


class State(Key):
    """Where the session is."""

    CONNECTED = auto()  # in clear, before EHLO
    CLEAR = auto()  # in clear, after EHLO
    HANDSHAKE = auto()  # the next bytes are TLS's
    SECURED = auto()  # under TLS, before EHLO
    INTRODUCED = auto()  # under TLS, after EHLO
    CHALLENGED = auto()  # in an AUTH exchange
    READY = auto()  # logged in
    ENVELOPE = auto()  # MAIL was taken
    UNWANTED = auto()  # every RCPT was refused so far
    ADDRESSED = auto()  # a RCPT was taken
    CONTENT = auto()  # DATA was agreed to
    CHUNKED = auto()  # a chunk was taken, and it was not the last
    SPOILT = auto()  # a chunk was refused
    WHOLE = auto()  # the message is there and waits for its verdict
    CLOSED = auto()


# These change nothing wherever a command may stand.
ASIDE: Final = frozenset({Verb.NOOP, Verb.HELP, Verb.VRFY, Verb.EXPN})

# What may be said in a state: the state that it leaves once it is agreed to, or
# the words in which it is refused.
MOVES: Final[dict[State, dict[Verb, State | Reply]]] = {
    State.CONNECTED: {
        Verb.EHLO: State.CLEAR,
        Verb.HELO: State.CLEAR,
        Verb.STARTTLS: EHLO_FIRST,
        Verb.AUTH: AUTH_NEEDS_TLS,
        Verb.MAIL: TLS_FIRST,
        Verb.RCPT: TLS_FIRST,
        Verb.DATA: TLS_FIRST,
        Verb.BDAT: TLS_FIRST,
        Verb.LAST: TLS_FIRST,
        Verb.RSET: State.CONNECTED,
        Verb.QUIT: State.CLOSED,
    },
    State.CLEAR: {
        Verb.EHLO: State.CLEAR,
        Verb.HELO: State.CLEAR,
        Verb.STARTTLS: State.HANDSHAKE,
        Verb.AUTH: AUTH_NEEDS_TLS,
        Verb.MAIL: TLS_FIRST,
        Verb.RCPT: TLS_FIRST,
        Verb.DATA: TLS_FIRST,
        Verb.BDAT: TLS_FIRST,
        Verb.LAST: TLS_FIRST,
        Verb.RSET: State.CLEAR,
        Verb.QUIT: State.CLOSED,
    },
    State.HANDSHAKE: {Verb.HANDSHAKE: State.SECURED},
    State.SECURED: {
        Verb.EHLO: State.INTRODUCED,
        Verb.HELO: State.INTRODUCED,
        Verb.STARTTLS: TLS_ACTIVE,
        Verb.AUTH: EHLO_FIRST,
        Verb.MAIL: EHLO_FIRST,
        Verb.RCPT: EHLO_FIRST,
        Verb.DATA: EHLO_FIRST,
        Verb.BDAT: EHLO_FIRST,
        Verb.LAST: EHLO_FIRST,
        Verb.RSET: State.SECURED,
        Verb.QUIT: State.CLOSED,
    },
    State.INTRODUCED: {
        Verb.EHLO: State.INTRODUCED,
        Verb.HELO: State.INTRODUCED,
        Verb.STARTTLS: TLS_ACTIVE,
        Verb.AUTH: State.CHALLENGED,
        Verb.MAIL: AUTH_FIRST,
        Verb.RCPT: AUTH_FIRST,
        Verb.DATA: AUTH_FIRST,
        Verb.BDAT: AUTH_FIRST,
        Verb.LAST: AUTH_FIRST,
        Verb.RSET: State.INTRODUCED,
        Verb.QUIT: State.CLOSED,
    },
    State.CHALLENGED: {Verb.RESPONSE: State.READY},
    State.READY: {
        Verb.EHLO: State.READY,
        Verb.HELO: State.READY,
        Verb.STARTTLS: TLS_ACTIVE,
        Verb.AUTH: AUTH_TWICE,
        Verb.MAIL: State.ENVELOPE,
        Verb.RCPT: MAIL_FIRST,
        Verb.DATA: MAIL_FIRST,
        Verb.BDAT: MAIL_FIRST,
        Verb.LAST: MAIL_FIRST,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    State.ENVELOPE: {
        Verb.EHLO: State.READY,  # RFC 5321 4.1.4: as RSET does
        Verb.HELO: State.READY,
        Verb.STARTTLS: TLS_ACTIVE,
        Verb.AUTH: AUTH_TWICE,
        Verb.MAIL: MAIL_TWICE,
        Verb.RCPT: State.ADDRESSED,
        Verb.DATA: RCPT_FIRST,
        Verb.BDAT: RCPT_FIRST,
        Verb.LAST: RCPT_FIRST,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    State.UNWANTED: {
        Verb.EHLO: State.READY,
        Verb.HELO: State.READY,
        Verb.STARTTLS: TLS_ACTIVE,
        Verb.AUTH: AUTH_TWICE,
        Verb.MAIL: MAIL_TWICE,
        Verb.RCPT: State.ADDRESSED,
        Verb.DATA: NOBODY,
        Verb.BDAT: NOBODY,
        Verb.LAST: NOBODY,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    State.ADDRESSED: {
        Verb.EHLO: State.READY,
        Verb.HELO: State.READY,
        Verb.STARTTLS: TLS_ACTIVE,
        Verb.AUTH: AUTH_TWICE,
        Verb.MAIL: MAIL_TWICE,
        Verb.RCPT: State.ADDRESSED,
        Verb.DATA: State.CONTENT,
        Verb.BDAT: State.CHUNKED,
        Verb.LAST: State.WHOLE,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    State.CONTENT: {Verb.DOT: State.WHOLE},
    # RFC 3030 2: DATA and BDAT do not mix, and the envelope is closed.
    State.CHUNKED: {
        Verb.EHLO: State.READY,
        Verb.HELO: State.READY,
        Verb.STARTTLS: TLS_ACTIVE,
        Verb.AUTH: AUTH_TWICE,
        Verb.MAIL: IN_CHUNKS,
        Verb.RCPT: IN_CHUNKS,
        Verb.DATA: IN_CHUNKS,
        Verb.BDAT: State.CHUNKED,
        Verb.LAST: State.WHOLE,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    # RFC 3030 2: the chunks that are on their way are still to be read.
    State.SPOILT: {
        Verb.EHLO: State.READY,
        Verb.HELO: State.READY,
        Verb.STARTTLS: TLS_ACTIVE,
        Verb.AUTH: AUTH_TWICE,
        Verb.MAIL: State.ENVELOPE,
        Verb.RCPT: CHUNK_LOST,
        Verb.DATA: CHUNK_LOST,
        Verb.BDAT: CHUNK_LOST,
        Verb.LAST: CHUNK_LOST,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    State.WHOLE: {Verb.VERDICT: State.READY},
    State.CLOSED: {},
}

# What is different at a door that takes mail without a login, until there is one.
# Mail may come in clear as it may under TLS: RFC 3207 4 forbids a public server to
# insist on it.
_UNASKED: Final[dict[Verb, State | Reply]] = {
    Verb.MAIL: State.ENVELOPE,
    Verb.RCPT: MAIL_FIRST,
    Verb.DATA: MAIL_FIRST,
    Verb.BDAT: MAIL_FIRST,
    Verb.LAST: MAIL_FIRST,
}
_AMID: Final[dict[Verb, State | Reply]] = {
    Verb.STARTTLS: MAIL_TWICE,
    Verb.AUTH: MAIL_TWICE,
}
OPEN_MOVES: Final[dict[State, dict[Verb, State | Reply]]] = {
    **MOVES,
    State.CONNECTED: {
        **MOVES[State.CONNECTED],
        Verb.MAIL: EHLO_FIRST,
        Verb.RCPT: EHLO_FIRST,
        Verb.DATA: EHLO_FIRST,
        Verb.BDAT: EHLO_FIRST,
        Verb.LAST: EHLO_FIRST,
    },
    State.CLEAR: {**MOVES[State.CLEAR], **_UNASKED},
    State.INTRODUCED: {**MOVES[State.INTRODUCED], **_UNASKED},
    State.ENVELOPE: {**MOVES[State.ENVELOPE], **_AMID},
    State.UNWANTED: {**MOVES[State.UNWANTED], **_AMID},
    State.ADDRESSED: {**MOVES[State.ADDRESSED], **_AMID},
    State.CHUNKED: {**MOVES[State.CHUNKED], **_AMID},
    State.SPOILT: {**MOVES[State.SPOILT], **_AMID},
}
# Where READY is for somebody who has not logged in: by whether TLS covers it.
OPEN_READY: Final = {False: State.CLEAR, True: State.INTRODUCED}

# The state that a refusal leaves, whoever refused; where a verb is not named, the
# one it was.
AFTER_REFUSAL: Final[dict[State, dict[Verb, State]]] = {
    State.CONNECTED: {},
    State.CLEAR: {},
    State.HANDSHAKE: {},
    State.SECURED: {},
    State.INTRODUCED: {},
    State.CHALLENGED: {Verb.RESPONSE: State.INTRODUCED},
    State.READY: {Verb.MAIL: State.READY},
    State.ENVELOPE: {Verb.RCPT: State.UNWANTED},
    State.UNWANTED: {},
    State.ADDRESSED: {Verb.BDAT: State.SPOILT, Verb.LAST: State.READY},
    State.CONTENT: {},
    State.CHUNKED: {Verb.BDAT: State.SPOILT, Verb.LAST: State.READY},
    State.SPOILT: {Verb.MAIL: State.READY, Verb.LAST: State.READY},
    State.WHOLE: {Verb.VERDICT: State.READY},
    State.CLOSED: {},
}

# The severities with which an event may be answered, by what it asked for.
ANSWERS: Final[dict[Verb, frozenset[int]]] = {
    Verb.RESPONSE: frozenset({2, 4, 5}),
    Verb.MAIL: frozenset({2, 4, 5}),
    Verb.RCPT: frozenset({2, 4, 5}),
    Verb.DATA: frozenset({2, 3, 4, 5}),
    Verb.BDAT: frozenset({2, 3, 4, 5}),
    Verb.LAST: frozenset({2, 3, 4, 5}),
    Verb.VERDICT: frozenset({2, 4, 5}),
}

IN_TRANSACTION: Final = frozenset(
    {
        State.ENVELOPE,
        State.UNWANTED,
        State.ADDRESSED,
        State.CONTENT,
        State.CHUNKED,
        State.WHOLE,
    }
)
