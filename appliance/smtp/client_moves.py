"""What a client may say when, and what an answer changes.

The two tables are the only place that knows the order of things; `client` obeys
them and has no rule of order of its own beside them.
"""

from enum import auto
from typing import Final

from appliance.value import Key


class Verb(Key):
    """What can be said, and the banner, which answers nothing."""

    BANNER = auto()
    EHLO = auto()
    HELO = auto()
    STARTTLS = auto()
    AUTH = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    BODY = auto()  # the content but for its final dot
    DOT = auto()
    RSET = auto()
    QUIT = auto()


class State(Key):
    """Where the session is, taking commands that are on their way as obeyed."""

    CONNECTED = auto()
    GREETED = auto()
    REFUSED = auto()  # by the banner (RFC 5321 3.1)
    INTRODUCED = auto()  # EHLO is on its way
    READY = auto()
    TLS_ASKED = auto()
    HANDSHAKE = auto()  # the next bytes are TLS's
    AUTH_ASKED = auto()
    ENVELOPE = auto()  # MAIL given
    ADDRESSED = auto()  # RCPT given
    DATA_ASKED = auto()
    CONTENT = auto()
    UNENDED = auto()  # the content is on its way, its dot is not
    QUITTING = auto()
    CLOSED = auto()


# What may be said in a state, and the state that leaves.
MOVES: Final[dict[State, dict[Verb, State]]] = {
    State.CONNECTED: {},
    State.GREETED: {
        Verb.EHLO: State.INTRODUCED,
        Verb.HELO: State.INTRODUCED,
        Verb.QUIT: State.QUITTING,
    },
    State.REFUSED: {Verb.QUIT: State.QUITTING},
    State.INTRODUCED: {},
    State.READY: {
        Verb.EHLO: State.INTRODUCED,
        Verb.STARTTLS: State.TLS_ASKED,
        Verb.AUTH: State.AUTH_ASKED,
        Verb.MAIL: State.ENVELOPE,
        Verb.RSET: State.READY,
        Verb.QUIT: State.QUITTING,
    },
    State.TLS_ASKED: {},
    State.HANDSHAKE: {},
    State.AUTH_ASKED: {},
    State.ENVELOPE: {
        Verb.RCPT: State.ADDRESSED,
        Verb.RSET: State.READY,
        Verb.QUIT: State.QUITTING,
    },
    State.ADDRESSED: {
        Verb.RCPT: State.ADDRESSED,
        Verb.DATA: State.DATA_ASKED,
        Verb.RSET: State.READY,
        Verb.QUIT: State.QUITTING,
    },
    State.DATA_ASKED: {},
    State.CONTENT: {Verb.BODY: State.UNENDED},
    State.UNENDED: {Verb.DOT: State.READY},
    State.QUITTING: {},
    State.CLOSED: {},
}

# What an answer of 2xx, 3xx, 4xx, 5xx makes of the state; None leaves it as it
# is, since commands behind it may have moved on. A severity that is not here
# breaks the protocol. 421 closes anywhere. The content and its dot have one answer.
ANSWERS: Final[dict[Verb, dict[int, State | None]]] = {
    Verb.BANNER: {2: State.GREETED, 4: State.REFUSED, 5: State.REFUSED},
    Verb.EHLO: {2: State.READY, 4: State.GREETED, 5: State.GREETED},
    Verb.HELO: {2: State.READY, 4: State.GREETED, 5: State.GREETED},
    Verb.STARTTLS: {2: State.HANDSHAKE, 4: State.READY, 5: State.READY},
    Verb.AUTH: {2: State.READY, 3: None, 4: State.READY, 5: State.READY},
    Verb.MAIL: {2: None, 4: None, 5: None},
    Verb.RCPT: {2: None, 4: None, 5: None},
    Verb.DATA: {3: State.CONTENT, 4: State.ADDRESSED, 5: State.ADDRESSED},
    Verb.BODY: {},
    Verb.DOT: {2: None, 4: None, 5: None},
    Verb.RSET: {2: None},
    Verb.QUIT: {2: State.CLOSED, 4: State.CLOSED, 5: State.CLOSED},
}

# RFC 2920 3.1: what may be said before the last answer came, if offered.
GROUPED: Final = frozenset({Verb.MAIL, Verb.RCPT, Verb.DATA, Verb.RSET, Verb.QUIT})
