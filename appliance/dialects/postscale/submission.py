"""SMTP submission as Postscale documents it (spec 5.1 to 5.4)."""

from collections.abc import Sequence
from types import MappingProxyType
from uuid import UUID

from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import NO_DIMENSIONS, Dimensions
from appliance.dialects.limits import MEBIBYTE
from appliance.dialects.names import Dialect
from appliance.dialects.postscale.metadata import read_metadata
from appliance.dialects.replies import HOUSE_WORDS, Words, reply_to
from appliance.dialects.submission import Moment, Rules
from appliance.smtp.reply import EnhancedCode, Reply

# What the vendor's table says (spec 5.4), word for word.
_WORDS: Words = MappingProxyType(
    {
        **HOUSE_WORDS,
        Reason.LOGIN_REFUSED: "535 5.7.8 Authentication failed",
        (Reason.STORE_UNAVAILABLE, Moment.LOGIN): (
            "454 4.7.0 Temporary authentication failure"
        ),
        Reason.LOGIN_NEEDED: "530 5.7.0 Authentication required",
        Reason.TOO_LARGE: "552 5.3.4 Message size exceeds fixed limit",
        Reason.SENDER_INVALID: "550 5.6.0 {detail}",
        Reason.SEVERAL_SENDERS: "550 5.6.0 {detail}",
        Reason.SENDER_NOT_VERIFIED: "550 5.7.1 {detail}",
        Reason.RECIPIENT_INVALID: "553 5.1.3 {detail}",
        Reason.RECIPIENT_SUPPRESSED: "550 5.7.1 {detail}",
        Reason.RATE_LIMITED: (
            "450 4.7.1 Daily sending limit exceeded, try again later"
        ),
        (Reason.STORE_UNAVAILABLE, Moment.END): "451 4.3.0 Temporary failure",
    }
)


class PostscaleSubmission:
    """The dialect of the login ``postscale``."""

    name = Dialect.POSTSCALE
    rules = Rules(
        checks_envelope=False,
        refuses_suppressed=True,
        one_sender=True,
        max_recipients=100,
        max_bytes=50 * MEBIBYTE,
    )

    def read_dimensions(
        self, headers: Sequence[tuple[str, str]]
    ) -> Dimensions | Refusal:
        """The metadata; no header is bad enough for a refusal (spec 5.3)."""
        metadata = read_metadata(headers)
        return Dimensions(metadata=metadata) if metadata else NO_DIMENSIONS

    def strips(self, name: str) -> bool:  # noqa: ARG002 - the same for every name
        """False: the metadata headers are for recipients to see too."""
        return False

    def accepted(self, message: UUID, deliveries: Sequence[UUID]) -> Reply:  # noqa: ARG002 - one mail has one id here
        """One id for the mail, however many recipients it has (spec 5.2)."""
        return Reply(250, (f"Ok: queued as {message}",), EnhancedCode(2, 0, 0))

    def logged_in(self) -> Reply:
        """The answer to a good key."""
        return Reply(235, ("Authentication successful",), EnhancedCode(2, 7, 0))

    def refuse(self, refusal: Refusal, moment: Moment) -> Reply:
        """The answer to what is not taken, in the vendor's words."""
        return reply_to(_WORDS, refusal, moment)
