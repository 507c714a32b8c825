"""SMTP submission for any mail program, by a pair of the operator's.

Such programs often name an envelope sender of no meaning (``www-data@localhost``,
the null sender), and bounces go to our own return path anyway: so From is what is
checked, each address of it. They rarely hear of events, so a suppressed recipient
is refused while they listen. They mean no header for us: none is read or dropped.
"""

from collections.abc import Sequence
from uuid import UUID

from appliance.core.refusal import Refusal
from appliance.core.submission import NO_DIMENSIONS, Dimensions
from appliance.dialects.names import Dialect
from appliance.dialects.replies import HOUSE_WORDS, reply_to
from appliance.dialects.submission import Moment, Rules
from appliance.smtp.reply import EnhancedCode, Reply


class SmtpSubmission:
    """The dialect of every login that is no vendor's."""

    name = Dialect.SMTP
    rules = Rules(
        checks_envelope=False,
        refuses_suppressed=True,
        one_sender=False,
        max_recipients=10_000,  # as many as the setting can say, which counts here
        max_bytes=None,
    )

    def read_dimensions(
        self,
        headers: Sequence[tuple[str, str]],  # noqa: ARG002 - none is meant for us
    ) -> Dimensions | Refusal:
        """Nothing: what a mail program writes is for the recipients."""
        return NO_DIMENSIONS

    def strips(self, name: str) -> bool:  # noqa: ARG002 - the same for every name
        """False: X-Campaign and the like are the sender's own here."""
        return False

    def accepted(self, message: UUID, deliveries: Sequence[UUID]) -> Reply:  # noqa: ARG002 - one mail has one id here
        """One id for the mail, as mail servers answer."""
        return Reply(250, (f"Ok: queued as {message}",), EnhancedCode(2, 0, 0))

    def logged_in(self) -> Reply:
        """The answer to a good password."""
        return Reply(235, ("Authentication successful",), EnhancedCode(2, 7, 0))

    def refuse(self, refusal: Refusal, moment: Moment) -> Reply:
        """The answer to what is not taken, in the house's words."""
        return reply_to(HOUSE_WORDS, refusal, moment)
