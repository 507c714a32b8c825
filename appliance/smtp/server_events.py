"""What a client of ours asks for that somebody above has to decide.

Everything else is answered inside `server`. Each event waits for `reply`, but
`TlsAsked`, which waits for the handshake.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from appliance.smtp.client import Mechanism
from appliance.value import value


@dataclass(frozen=True, slots=True)
class Login:
    """A whole AUTH exchange: 2xx lets the client in."""

    mechanism: Mechanism
    username: str
    password: str = field(repr=False)


@value
class MailGiven:
    """A transaction is to begin; the sender is what stood between < and >.

    `size` is what the client says of the content, `eight_bit` that it said
    BODY=8BITMIME; neither is a promise.
    """

    sender: str
    utf8: bool = False
    size: int | None = None
    eight_bit: bool = False


@dataclass(frozen=True, slots=True)
class RcptGiven:
    """One more recipient, as it stood between < and >."""

    recipient: str


@dataclass(frozen=True, slots=True)
class ContentAsked:
    """May content come? Asked once a transaction, before a byte of it is kept.

    2xx and 3xx let it come. A refused BDAT is read all the same and dropped; the
    refusal follows it.
    """


CONTENT_ASKED: Final = ContentAsked()


@dataclass(frozen=True, slots=True)
class ContentReceived:
    """The whole message, dots removed; the answer ends the transaction.

    It is empty or ends in CRLF, and holds neither a NUL nor a CR or LF alone.
    """

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsAsked:
    """Send what is queued, shake hands, then call `tls_established`."""


Event = Login | MailGiven | RcptGiven | ContentAsked | ContentReceived | TlsAsked


class Marker(Enum):
    """What `next_event` returns when there is no event."""

    NEED_DATA = auto()
    PAUSED = auto()  # an event waits for its answer
    CLOSED = auto()
