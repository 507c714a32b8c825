"""One try of one delivery, kept for those who ask why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from appliance.core.ids import ProviderId


class Ending(Enum):
    """How a try ended; only one that was not reached is not counted."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # it was answered 4xx or 5xx
    BROKEN = "broken"  # no answer came, and it was not accepted
    IN_DOUBT = "in doubt"  # no answer came to the final dot
    UNSENDABLE = "unsendable"  # this server cannot be given this mail
    NOT_REACHED = "not reached"  # no connection that takes mail


class NewAttempt(NamedTuple):
    """A try about to be stored; ``detail`` is the store's form of the rest.

    A tuple, since one is made for each mail.
    """

    provider: ProviderId
    began_ns: int
    ended_ns: int
    ending: Ending
    stage: str
    code: int
    text: str
    detail: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a dialogue, printable, without secrets."""

    ours: bool
    text: str


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection that carried it, up to its first mail.

    Seconds are those of the name look-up and TCP, of the TLS handshake, and of all
    until mail could be sent; None for a step that was not taken.
    """

    peer: str = ""
    tls: str = ""
    cipher: str = ""
    certificate: Mapping[str, str] = field(default_factory=dict)
    connect_s: float | None = None
    tls_s: float | None = None
    ready_s: float | None = None
    dialogue: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try as it is remembered; the first that is kept has the number 1.

    ``envelope_s`` is the time from MAIL to the content, ``answer_s`` that from there
    to the answer.
    """

    number: int
    provider: ProviderId
    began_ns: int
    ended_ns: int
    ending: Ending
    stage: str
    code: int
    text: str
    connection: Connection | None
    dialogue: tuple[Said, ...]
    envelope_s: float | None
    answer_s: float | None

    @property
    def counts(self) -> bool:
        """True if it was a try of this mail, and not only of the upstream."""
        return self.ending is not Ending.NOT_REACHED
