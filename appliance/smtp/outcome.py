"""What became of one transaction, as a value.

Decides the words; whether to try again, and when, is decided in `flow/` from
them. Every transaction that was handed out ends in exactly one of these.
"""

from dataclasses import dataclass
from enum import Enum

from appliance.smtp.reply import Reply
from appliance.value import value


class Stage(Enum):
    """Where in the dialogue it happened."""

    CONNECT = "connect"  # up to the server's greeting
    EHLO = "ehlo"
    TLS = "tls"  # STARTTLS and the handshake, or the handshake of implicit TLS
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # up to the 354
    DOT = "dot"  # the content and the answer to its final dot
    QUIT = "quit"


class Fault(Enum):
    """How a connection failed without a reply that says so."""

    UNREACHABLE = "unreachable"  # no TCP connection, or no address for the name
    TIMEOUT = "timeout"
    CLOSED = "closed"
    GARBAGE = "garbage"  # the server broke the protocol
    TLS = "tls"  # no handshake, or a certificate that does not fit
    NOT_OFFERED = "not offered"  # what the upstream's settings demand is missing
    CANCELLED = "cancelled"  # we stopped


class Obstacle(Enum):
    """Why a transaction can never go to this server as it is."""

    NEEDS_8BITMIME = "upstream does not offer 8BITMIME"
    NEEDS_SMTPUTF8 = "upstream does not offer SMTPUTF8"
    TOO_LARGE = "message is larger than the upstream's SIZE"
    BAD_ADDRESS = "an address cannot stand in an SMTP command"
    NO_RECIPIENT = "message has no recipient"
    LONE_LINE_END = "message has a CR or LF that stands alone"


@dataclass(frozen=True, slots=True)
class RefusedRecipient:
    """One recipient the server did not take, with its words."""

    recipient: str
    reply: Reply


@value
class Accepted:
    """The server answered 2xx to the final dot: the message is now its own.

    With several recipients, `refused` names those it did not take it for.
    """

    reply: Reply
    refused: tuple[RefusedRecipient, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server answered 4xx or 5xx: it does not have the message."""

    stage: Stage
    reply: Reply


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection failed before an answer.

    `after_dot` is the doubtful case: the final dot was on its way and its answer
    was not read, so the server may or may not have the message.
    """

    stage: Stage
    fault: Fault
    detail: str
    after_dot: bool = False


@dataclass(frozen=True, slots=True)
class Unsendable:
    """Refused by ourselves, for good, before anything was sent."""

    obstacle: Obstacle


@dataclass(frozen=True, slots=True)
class Untouched:
    """Handed back: not the message's doing, no attempt was made; send it again."""


Outcome = Accepted | Rejected | Broken | Unsendable | Untouched


class FailureClass(Enum):
    """The kinds of failure an operator is told apart; dialects word them."""

    CONNECTION_REFUSED = "connection refused"
    TLS_FAILED = "tls failed"
    AUTH_REJECTED = "auth rejected"
    MAIL_FAILED = "mail failed"
    RCPT_FAILED = "rcpt failed"
    DATA_FAILED = "data failed"
    TIMEOUT = "timeout"


_CLASS_OF_STAGE = {
    Stage.CONNECT: FailureClass.CONNECTION_REFUSED,
    Stage.EHLO: FailureClass.CONNECTION_REFUSED,
    Stage.TLS: FailureClass.TLS_FAILED,
    Stage.AUTH: FailureClass.AUTH_REJECTED,
    Stage.MAIL: FailureClass.MAIL_FAILED,
    Stage.RCPT: FailureClass.RCPT_FAILED,
    Stage.DATA: FailureClass.DATA_FAILED,
    Stage.DOT: FailureClass.DATA_FAILED,
    Stage.QUIT: FailureClass.DATA_FAILED,
}


def failure_class(failure: Rejected | Broken) -> FailureClass:
    """The kind of failure this is: a timeout wherever it was, else by stage."""
    if isinstance(failure, Broken) and failure.fault is Fault.TIMEOUT:
        return FailureClass.TIMEOUT
    return _CLASS_OF_STAGE[failure.stage]


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One step of trying an upstream; ``failure`` is None if it went well.

    ``code`` is None where no reply was read; ``message`` is printable.
    """

    stage: Stage
    code: int | None
    message: str
    milliseconds: int
    failure: FailureClass | None = None
