"""What a login's dialect decides of mail that comes in over SMTP.

The login names the dialect (``login.py``); from then on the door asks it which
checks hold, what the headers say, and in which words to answer. What is checked
how, and in which order, is the door's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from uuid import UUID

from appliance.core.refusal import Refusal
from appliance.core.submission import Dimensions
from appliance.dialects.names import Dialect
from appliance.smtp.reply import Reply


class Moment(Enum):
    """Where in the dialogue an answer is given."""

    LOGIN = "login"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # before the content
    END = "end"  # after it


@dataclass(frozen=True, slots=True)
class Rules:
    """What a dialect asks of a message.

    ``checks_envelope``: the domain of MAIL FROM is checked as that of From is, and
    the null sender is refused; else MAIL FROM says nothing to us.
    ``refuses_suppressed``: a suppressed recipient is refused at RCPT; else it is
    taken, and an event tells that nothing was sent.
    ``one_sender``: From holds exactly one address; else each one is checked.
    ``max_recipients``: of one mail; the operator's setting may be lower.
    ``max_bytes``: of one mail as it travels; None: the operator's setting.
    """

    checks_envelope: bool
    refuses_suppressed: bool
    one_sender: bool
    max_recipients: int
    max_bytes: int | None


class SubmissionDialect(Protocol):
    """A wire format, as far as SMTP submission is concerned; all of it is pure."""

    @property
    def name(self) -> Dialect:
        """The dialect that a credential must be of."""

    @property
    def rules(self) -> Rules:
        """What is asked of a message."""

    def read_dimensions(
        self, headers: Sequence[tuple[str, str]]
    ) -> Dimensions | Refusal:
        """What these headers attach to the mail; names are in lower case."""

    def strips(self, name: str) -> bool:
        """True if a header of this lower-case name never reaches a recipient."""

    def accepted(self, message: UUID, deliveries: Sequence[UUID]) -> Reply:
        """The answer to mail that is on disk; deliveries are in RCPT order."""

    def logged_in(self) -> Reply:
        """The answer to a login that is good."""

    def refuse(self, refusal: Refusal, moment: Moment) -> Reply:
        """The answer to what is not taken."""
